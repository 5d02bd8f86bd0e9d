"""A stream that somebody opened ends soon after their login: at real services, behind either of two gateways or none."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloudly.clusters.v1 import cluster_pb2, cluster_pb2_grpc
from cloudly_auth import main as auth_main
from cloudly_auth import tokens as auth_tokens
from cloudly_auth.config import Settings as AuthSettings
from cloudly_clusters import main as clusters_main
from cloudly_clusters.config import Settings as ClustersSettings
from cloudly_gateway.testing import gateway_settings, serving
from cloudly_kit.config import SERVICES
from cloudly_kit.errors import TokenRevoked
from cloudly_kit.identity import AUDIENCE, CLOCK_SKEW_SECONDS
from cloudly_kit.testing import ServiceHarness
from prometheus_client import REGISTRY

from tests.programs import Start, start

__all__ = ["start"]
pytestmark = pytest.mark.e2e

PASSWORD = "a long enough passphrase"
WATCH = "/api/v1/clusters:watch"


@dataclass
class House:
    """Auth and clusters, and two gateways before them."""

    harness: ServiceHarness
    gateways: tuple[httpx.AsyncClient, httpx.AsyncClient]

    @property
    def url(self) -> str:
        """A gateway's."""
        return str(self.gateways[0].base_url)

    def bought(self) -> float:
        """How often an API token was traded for an access token."""
        labels = {"method": "/cloudly.auth.v1.AuthService/ExchangeToken", "code": "OK"}
        return REGISTRY.get_sample_value("cloudly_rpc_seconds_count", labels) or 0.0

    async def call(self, verb: str, path: str, login: str = "", body: Any = None, at: int = 0) -> Any:
        """The JSON of an answer, which has to be a success."""
        headers = {"authorization": f"Bearer {login}"} if login else {}
        answer = await self.gateways[at].request(verb, path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def login(self, username: str, at: int = 0) -> Any:
        """A session."""
        return await self.call("POST", "/api/v1/auth/login", "", {"username": username, "password": PASSWORD}, at)

    async def user(self, name: str, *roles: str) -> Any:
        """A new user."""
        admin = (await self.login("root"))["accessToken"]
        user = {"name": name, "roles": roles, "password": PASSWORD}
        return await self.call("POST", "/api/v1/users", admin, {"user": user})

    @asynccontextmanager
    async def watching(self, token: str, at: int = 0) -> AsyncIterator[Callable[[], Any]]:
        """A watch that has shown its snapshot, and what tells the problem with which it ends."""
        headers = {"authorization": f"Bearer {token}"}
        async with self.gateways[at].stream("GET", WATCH, headers=headers) as response:
            assert response.status_code == 200
            lines = response.aiter_lines()
            async for line in lines:
                if line == "event: bookmark":
                    break

            async def problem() -> Any:
                async with asyncio.timeout(60):
                    async for line in lines:
                        if line == "event: error":
                            return json.loads((await anext(lines)).removeprefix("data: "))
                raise AssertionError("it ended without a reason")

            yield problem


@pytest.fixture
async def house(harness: ServiceHarness) -> AsyncIterator[House]:
    """See House."""
    await harness.authority.stop()  # the real one serves in its place
    addresses = {name: f"unix:{harness.directory}/{name}.sock" for name in SERVICES}
    async with AsyncExitStack() as stack:
        for name, module, kind, more in (
            ("auth", auth_main, AuthSettings, {"admin_account": f"root:{PASSWORD}"}),
            ("clusters", clusters_main, ClustersSettings, {}),
        ):
            settings = harness.settings(kind, auth_address=addresses["auth"], **more)
            await stack.enter_async_context(harness.running(name, module.serve, settings))
        gateways = []
        for _ in range(2):
            url = await stack.enter_async_context(serving(gateway_settings(harness, addresses)))
            gateways.append(await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60)))
        yield House(harness, (gateways[0], gateways[1]))


async def test_whoever_logs_out_at_one_gateway_watches_at_no_other_and_other_sessions_go_on(house: House) -> None:
    over, living = await house.login("root"), await house.login("root", at=1)
    async with house.watching(over["accessToken"], at=1) as ended, house.watching(living["accessToken"], at=1):
        await house.call("POST", "/api/v1/auth/logout", over["accessToken"], at=0)
        told = await ended()
        assert (told["status"], told["reason"]) == (401, "TOKEN_REVOKED")
        assert told["action"]
    # The one that was not ended can be opened again.
    async with house.watching(living["accessToken"]):
        pass


async def test_whoever_is_disabled_or_loses_a_role_watches_no_more(house: House) -> None:
    for change in ({"disabled": True}, {"roles": ["viewer"]}):
        name = "-".join(change)
        user = await house.user(name, "admin")
        session = await house.login(name)
        admin = (await house.login("root"))["accessToken"]
        async with house.watching(session["accessToken"]) as ended:
            await house.call("PATCH", f"/api/v1/users/{user['id']}", admin, change, at=1)
            assert (await ended())["reason"] == "TOKEN_REVOKED"


async def test_an_api_tokens_watch_ends_when_it_is_revoked(house: House) -> None:
    admin = (await house.login("root"))["accessToken"]
    wish = {"token": {"name": "ci", "permissions": ["clusters.read"]}}
    made = await house.call("POST", "/api/v1/tokens", admin, wish)
    async with house.watching(made["secret"]) as ended:
        await house.call("DELETE", f"/api/v1/tokens/{made['token']['id']}", admin, at=1)
        assert (await ended())["status"] == 401


async def test_the_command_watches_with_an_api_token_over_the_ends_of_what_it_buys(
    house: House, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = (await house.login("root"))["accessToken"]
    wish = {"token": {"name": "dashboards", "permissions": ["clusters.read"]}}
    secret = (await house.call("POST", "/api/v1/tokens", admin, wish))["secret"]
    # Access tokens that were made from here on are good for two seconds, and so are watches: one of ten minutes, so often.
    monkeypatch.setitem(auth_tokens.LIFETIMES, AUDIENCE, timedelta(seconds=2 - CLOCK_SKEW_SECONDS))
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "CLOUDLY_URL": house.url, "CLOUDLY_TOKEN": secret}
    running = await start("cloudly", "cluster", "list", "--watch", "-o", "json", environment=environment)
    assert running.stdout is not None
    seen = []
    async with asyncio.timeout(120):
        for number in range(3):
            await house.call("POST", "/api/v1/clusters", admin, {"cluster": {"name": f"east-{number}"}})
            while not seen or seen[-1]["cluster"]["name"] != f"east-{number}":
                seen.append(json.loads(await running.stdout.readline()))
            # Until it has bought one more, which it does when a watch has ended.
            bought = house.bought()
            while house.bought() == bought:
                assert running.returncode is None
                await asyncio.sleep(0.1)
    # Nothing is missing, nothing came twice, and it never began anew.
    assert list(dict.fromkeys(event["cluster"]["name"] for event in seen)) == [f"east-{number}" for number in range(3)]
    states = [(event["cluster"]["name"], event["cluster"]["updateTime"]) for event in seen]
    assert states == sorted(set(states))
    assert {event["event"] for event in seen[1:]} == {"WATCH_EVENT_CHANGED"}

    (token,) = (await house.call("GET", "/api/v1/tokens", (await house.login("root"))["accessToken"]))["tokens"]
    await house.call("DELETE", f"/api/v1/tokens/{token['id']}", (await house.login("root"))["accessToken"])
    told = (await asyncio.wait_for(running.communicate(), 60))[1].decode()
    assert running.returncode == 3, told
    assert "Traceback" not in told


async def test_a_watch_over_grpc_ends_too(house: House) -> None:
    session = await house.login("root")
    async with house.harness.channel("clusters", token=session["accessToken"]) as channel:
        stub = cluster_pb2_grpc.ClusterServiceStub(channel)
        watch = stub.WatchClusters(cluster_pb2.WatchClustersRequest())
        await anext(watch)
        await house.call("POST", "/api/v1/auth/logout", session["accessToken"])
        with pytest.raises(TokenRevoked):
            async with asyncio.timeout(60):
                async for _ in watch:
                    pass
