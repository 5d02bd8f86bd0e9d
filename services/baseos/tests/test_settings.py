"""What baseos does with its settings: the join token that is for all devices, and the CoreBuild workers."""

import json

import pytest
from cloudly.baseos.v1 import corebuild_pb2, node_pb2
from cloudly.baseos.v1.corebuild_pb2_grpc import CorebuildServiceStub
from cloudly.baseos.v1.node_pb2_grpc import BaseosNodeServiceStub, JoinTokenServiceStub
from cloudly.common.v1 import connection_pb2
from cloudly_baseos.config import Settings
from cloudly_baseos.main import serve
from cloudly_kit.errors import CredentialsInvalid, FailedPrecondition, PermissionDenied, Unavailable
from cloudly_kit.hints import Hints
from cloudly_providers.testing.corebuild import CorebuildFake

SHARED = "join-token-for-everybody"


class Baseos:
    """The service as an admin and as devices see it."""

    def __init__(self, harness, redis):
        self.harness = harness
        self.settings = harness.authority.settings.values
        self._hints = Hints(redis)

    async def changed(self):
        """What the service hears when a setting was changed."""
        await self._hints.publish("settings.baseos", "x")

    async def register(self, token, node_id="node-1"):
        async with self.harness.channel("baseos") as device:
            request = node_pb2.RegisterNodeRequest(node_id=node_id, join_token=token)
            return await BaseosNodeServiceStub(device).RegisterNode(request)

    async def test_workers(self, role="admin"):
        async with self.harness.channel("baseos", role) as people:
            request = corebuild_pb2.TestCorebuildWorkersRequest()
            return (await CorebuildServiceStub(people).TestCorebuildWorkers(request)).connections


@pytest.fixture
async def baseos(harness, redis_client):
    made = Baseos(harness, redis_client)
    made.settings["baseosJoinToken"] = SHARED
    async with harness.running("baseos", serve, harness.settings(Settings)):
        yield made


async def test_any_number_of_devices_enrols_with_the_token_of_the_setting(baseos):
    for number in range(3):
        assert (await baseos.register(SHARED, f"node-{number}")).node_token
    again = await baseos.register(SHARED, "node-0")
    async with baseos.harness.channel("baseos") as device:
        heartbeat = node_pb2.HeartbeatRequest(node_id="node-0", node_token=again.node_token)
        await BaseosNodeServiceStub(device).Heartbeat(heartbeat)


@pytest.mark.parametrize("token", ["join-token-for-nobody", SHARED[:-1], SHARED.upper()])
async def test_other_tokens_are_refused(baseos, token):
    with pytest.raises(CredentialsInvalid):
        await baseos.register(token)


async def test_a_cleared_setting_lets_nobody_in_not_even_without_a_token(baseos):
    await baseos.register(SHARED)
    baseos.settings["baseosJoinToken"] = ""
    while True:
        await baseos.changed()
        try:
            await baseos.register(SHARED)
        except CredentialsInvalid:
            break


async def test_where_auth_was_never_reached_devices_are_told_to_come_again(harness):
    settings = harness.settings(Settings)
    async with harness.running("baseos", serve, settings), harness.channel("baseos", "admin") as people:
        made = await JoinTokenServiceStub(people).CreateJoinToken(node_pb2.CreateJoinTokenRequest())
    await harness.authority.stop()
    async with harness.running("baseos", serve, settings), harness.channel("baseos") as device:
        devices = BaseosNodeServiceStub(device)
        with pytest.raises(Unavailable):
            await devices.RegisterNode(node_pb2.RegisterNodeRequest(node_id="node-1", join_token=SHARED))
        # A token of its own needs no setting.
        await devices.RegisterNode(node_pb2.RegisterNodeRequest(node_id="node-2", join_token=made.token))


async def test_every_worker_is_asked_and_answers_for_itself(baseos):
    with CorebuildFake("token-of-b") as b, CorebuildFake() as c:
        baseos.settings["corebuildWorkersJson"] = json.dumps(
            ["http://127.0.0.1:1", {"url": b.url, "token": "token-of-b", "id": "b"}]
        )
        baseos.settings["corebuildWorkerUrl"] = c.url
        nobody, named, single = await baseos.test_workers()
    assert [(test.provider, test.ok) for test in (nobody, named, single)] == [
        ("corebuild", False),
        ("corebuild b", True),
        ("corebuild", True),
    ]
    assert nobody.reachable == connection_pb2.CHECK_OUTCOME_FAILED
    assert named.authenticated == connection_pb2.CHECK_OUTCOME_PASSED
    assert single.target == c.url


async def test_without_workers_the_setting_is_named(baseos):
    with pytest.raises(FailedPrecondition, match="cloudly setting set corebuildWorkersJson"):
        await baseos.test_workers()


async def test_only_who_may_set_credentials_may_try_them(baseos):
    with pytest.raises(PermissionDenied):
        await baseos.test_workers("operator")
