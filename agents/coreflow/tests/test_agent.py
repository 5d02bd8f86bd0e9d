"""The agent beside a real Swarm: wishes become containers, and what cannot become one is explained."""

import asyncio
import json

import httpx
import pytest
from cloudly.coreflow.v1 import coreflow_pb2

from .planes import RUNNING, WEB

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]


def service_version(engine, name):
    return json.loads(engine.docker("service", "inspect", name, "-f", "{{json .Version.Index}}"))


def containers(seen):
    return {d.container_id for d in seen.deployments if d.state == RUNNING}


async def test_a_wish_becomes_containers_follows_changes_and_goes(plane, agent, port, engine):
    version = plane.wish("local/web:one", replicas=1, domains=[{"name": "a.test"}])
    assert (await plane.applied(version)).outcome == coreflow_pb2.CONFIG_OUTCOME_APPLIED
    await plane.done(version)
    assert [d.state for d in plane.seen().deployments] == [RUNNING]
    assert plane.report.nodes[0].role == "manager"

    def answer():
        try:
            return httpx.get(f"http://127.0.0.1:{port}/", headers={"Host": "a.test"}, timeout=3).text
        except httpx.HTTPError:
            return ""

    await plane.until("an answer through coretraffic", lambda: answer() == "version one")
    await plane.done(plane.wish("local/web:one", replicas=2, domains=[{"name": "a.test"}]))
    before = containers(plane.seen())
    assert len(before) == 2
    await plane.done(plane.wish("local/web:two", replicas=1, domains=[{"name": "a.test"}]))
    assert answer() == "version two"
    assert not before & containers(plane.seen())
    plane.forget(WEB)
    await plane.until("its end", lambda: not engine.docker("service", "ls", "-q", "--filter", "name=web"))


async def test_a_missing_image_and_a_failing_task_are_explained(plane, agent):
    plane.wish("localhost:1/no/such:1", name="missing", key="m" * 20)
    plane.wish(
        "local/web:one", name="failing", key="f" * 20, command=["/bin/sh", "-c", "echo the disk is full; exit 3"]
    )
    await plane.until(
        "no such image", lambda: any(d.reason == "NO_SUCH_IMAGE" for d in plane.seen("m" * 20).deployments)
    )

    def last_words():
        return [line for d in plane.seen("f" * 20).deployments if d.reason == "TASK_FAILED" for line in d.log_tail]

    await plane.until("the last words", lambda: any("the disk is full" in line for line in last_words()))


async def test_a_rollout_whose_image_is_missing_is_taken_back_told_and_tried_again_later(plane, agent, engine):
    await plane.done(plane.wish("local/web:one", replicas=2))
    before = containers(plane.seen())
    version = plane.wish("localhost:1/late/web:1", replicas=2)
    await plane.until("being told", lambda: plane.seen().update_error and plane.seen().generation == version)
    assert "No such image" in plane.seen().update_error
    assert plane.seen().ready_replicas == 2
    assert containers(plane.seen()) == before
    failed = [d for d in plane.seen().deployments if d.reason == "NO_SUCH_IMAGE"]
    assert {d.workload_generation for d in failed} == {version}
    # The image arrives late, and nobody wishes anything anew.
    engine.docker("tag", "local/web:two", "localhost:1/late/web:1")
    await plane.done(version)
    engine.docker("rmi", "localhost:1/late/web:1")


async def test_a_rollout_that_becomes_unhealthy_is_taken_back_told_and_not_repeated(plane, agent, engine):
    await plane.done(plane.wish("local/web:one"))
    before = containers(plane.seen())
    version = plane.wish("local/web:two", health_check={"command": ["false"], "interval_seconds": 1, "retries": 1})
    await plane.until("being told", lambda: plane.seen().update_error and plane.seen().generation == version)
    assert containers(plane.seen()) == before
    assert any(d.reason == "UNHEALTHY" for d in plane.seen().deployments)
    await plane.until(
        "the end of the rollback",
        lambda: "completed" in engine.docker("service", "inspect", "web-wwwwwwww", "-f", "{{.UpdateStatus.State}}"),
    )
    settled = service_version(engine, "web-wwwwwwww")
    # A restart does not forget it either.
    agent.kill()
    agent.start()
    await plane.until("its return", lambda: len(plane.hellos) == 2)
    await asyncio.sleep(3)
    assert service_version(engine, "web-wwwwwwww") == settled
    assert (plane.seen().generation, bool(plane.seen().update_error)) == (version, True)
    await plane.done(plane.wish("local/web:two"))


async def test_a_container_that_crashes_again_and_again_is_not_called_ready(plane, agent):
    plane.wish("local/web:one", command=["/bin/sh", "-c", "sleep 1; exit 1"])
    await plane.until("the first crash", lambda: any(d.reason == "TASK_FAILED" for d in plane.seen().deployments))
    told = len(plane.reports)
    await asyncio.sleep(8)
    later = [w.ready_replicas for report in plane.reports[told:] for w in report.workloads]
    assert len(later) > 1
    assert set(later) == {0}


async def test_what_docker_refuses_is_partial_and_the_rest_is_applied(plane, agent):
    plane.wish("local/web:one", replicas=1)
    greedy = plane.wish("local/web:one", name="greedy", key="g" * 20, resources={"memory_limit_bytes": 1})
    receipt = await plane.applied(greedy)
    assert receipt.outcome == coreflow_pb2.CONFIG_OUTCOME_PARTIAL
    assert list(receipt.workload_errors) == ["g" * 20]
    await plane.until("the other", lambda: plane.seen().ready_replicas == 1)
    version = plane.wish("local/web:one", name="greedy", key="g" * 20)
    assert (await plane.applied(version)).outcome == coreflow_pb2.CONFIG_OUTCOME_APPLIED


async def test_a_strangers_service_is_left_alone(plane, agent, engine):
    engine.docker("service", "create", "--detach", "--name", "web-wwwwwwww", "--no-resolve-image", "local/web:three")
    receipt = await plane.applied(plane.wish("local/web:one"))
    assert "not of this cluster" in receipt.workload_errors[WEB]
    assert engine.docker("service", "inspect", "web-wwwwwwww", "-f", "{{.Spec.TaskTemplate.ContainerSpec.Image}}") == (
        "local/web:three"
    )
    engine.docker("service", "rm", "web-wwwwwwww")
    await plane.done(plane.version)
    assert (await plane.applied(plane.version)).outcome == coreflow_pb2.CONFIG_OUTCOME_APPLIED


async def test_a_renamed_workload_never_stops_serving(plane, agent, engine):
    await plane.done(plane.wish("local/web:one", name="before"))
    await plane.done(plane.wish("local/web:one", name="after"))
    await plane.until(
        "one service", lambda: engine.docker("service", "ls", "--format", "{{.Name}}") == "after-wwwwwwww"
    )


async def test_renewed_credentials_reach_the_service_and_restart_nothing(plane, agent, engine):
    image = "registry.test/web:one"
    engine.docker("tag", "local/web:one", image)
    plane.credentials = coreflow_pb2.RegistryCredentials(server="registry.test", username="u", password="first")
    await plane.done(plane.wish(image, replicas=2))
    before = containers(plane.seen())
    label = '{{index .Spec.Labels "dev.cloudly.credentials"}}'
    first = engine.docker("service", "inspect", "web-wwwwwwww", "-f", label)
    assert first
    plane.credentials.password = "second"
    plane.send()
    await plane.until(
        "the new label", lambda: engine.docker("service", "inspect", "web-wwwwwwww", "-f", label) != first
    )
    # A task that is lost now is pulled with the new ones; those that run stay.
    await asyncio.sleep(2)
    assert containers(plane.seen()) == before
    assert "second" not in agent.log_tail()
