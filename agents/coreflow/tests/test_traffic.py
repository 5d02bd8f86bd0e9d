"""coretraffic: domains lead to containers, through rollouts, deaths and the agent's absence."""

import asyncio
import collections

import httpx
import pytest

from .planes import WEB

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]
DOMAINS = [{"name": "a.test"}]


class Visitor:
    """Asks again and again, and counts the answers."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/"
        self.answers = collections.Counter()
        self.enough = asyncio.Event()

    async def ask(self, host="a.test", method="GET"):
        async with httpx.AsyncClient(timeout=10) as client:
            try:
                answer = await client.request(method, self.url, headers={"Host": host})
            except httpx.HTTPError as error:
                return repr(error)
            return answer.text if answer.status_code == 200 else answer.status_code

    async def keep_asking(self):
        while not self.enough.is_set():
            self.answers[await self.ask()] += 1
            await asyncio.sleep(0.02)

    async def until(self, answer, host="a.test", seconds=60):
        last = None
        async with asyncio.timeout(seconds):
            while (last := await self.ask(host)) != answer:
                await asyncio.sleep(0.1)
        return last


@pytest.fixture
def visitor(port):
    return Visitor(port)


async def test_no_visitor_notices_a_rollout_or_the_death_of_the_agent(plane, agent, visitor):
    await plane.done(plane.wish("local/web:one", replicas=2, domains=DOMAINS))
    await visitor.until("version one")
    asking = asyncio.create_task(visitor.keep_asking())
    await plane.done(plane.wish("local/web:two", replicas=2, domains=DOMAINS))
    agent.kill()
    await asyncio.sleep(3)
    agent.start()
    await plane.until("its return", lambda: len(plane.hellos) == 2)
    await plane.done(plane.wish("local/web:three", replicas=2, domains=DOMAINS))
    await plane.done(plane.wish("local/web:three", replicas=1, domains=DOMAINS))
    visitor.enough.set()
    await asking
    assert set(visitor.answers) == {"version one", "version two", "version three"}, visitor.answers


async def test_who_is_unknown_and_who_has_nobody_serving_are_told_apart(plane, agent, visitor):
    await plane.done(plane.wish("local/web:one", replicas=1, domains=DOMAINS))
    await visitor.until("version one")
    assert await visitor.ask("unknown.test") == 404
    await plane.done(plane.wish("local/web:one", replicas=0, domains=DOMAINS))
    await visitor.until(503)
    await plane.done(plane.wish("local/web:two", replicas=1, domains=[{"name": "*.b.test"}]))
    await visitor.until("version two", host="any.b.test")
    await visitor.until(404)


async def test_a_container_that_dies_is_replaced_without_the_others_visitors_noticing(plane, agent, visitor, engine):
    await plane.done(plane.wish("local/web:one", replicas=2, domains=DOMAINS))
    await visitor.until("version one")
    asking = asyncio.create_task(visitor.keep_asking())
    victim = engine.docker("ps", "-q", "--filter", "name=web-wwwwwwww").split()[0]
    engine.docker("kill", victim)
    await plane.until("the failure's report", lambda: any(d.reason for d in plane.seen().deployments))
    await plane.until("two again", lambda: plane.seen().ready_replicas == 2)
    visitor.enough.set()
    await asking
    assert set(visitor.answers) == {"version one"}, visitor.answers


async def test_coretraffic_goes_with_the_last_domain(plane, agent, visitor, engine):
    await plane.done(plane.wish("local/web:one", domains=DOMAINS))
    await visitor.until("version one")
    plane.wish("local/web:one")
    await plane.until("its end", lambda: "coretraffic" not in engine.docker("service", "ls", "--format", "{{.Name}}"))
    assert plane.seen(WEB).ready_replicas == 1
