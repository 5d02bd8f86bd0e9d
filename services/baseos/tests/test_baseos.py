"""BaseOS through gRPC: join tokens, enrolment, heartbeats, desired state."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from cloudly.auth.v1 import audit_pb2
from cloudly.baseos.v1 import node_pb2 as pb
from cloudly.baseos.v1.node_pb2_grpc import BaseosNodeServiceStub, JoinTokenServiceStub
from cloudly_baseos.config import Settings
from cloudly_baseos.main import serve
from cloudly_kit.errors import CredentialsInvalid, CredentialsMissing, InvalidArgument, NotFound, StaleEtag
from cloudly_kit.testing import opened_database
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask


class Baseos:
    """Stubs of people and of devices."""

    def __init__(self, people, devices):
        self.tokens = JoinTokenServiceStub(people)
        self.nodes = BaseosNodeServiceStub(people)
        self.devices = BaseosNodeServiceStub(devices)

    async def join_token(self, request_id="", **fields):
        request = pb.CreateJoinTokenRequest(join_token=pb.JoinToken(**fields), request_id=request_id)
        return await self.tokens.CreateJoinToken(request)

    async def register(self, join_token, node_id="node-1", **fields):
        return await self.devices.RegisterNode(
            pb.RegisterNodeRequest(
                node_id=node_id, join_token=join_token, hostname="pi", architecture="arm64", **fields
            )
        )

    async def heartbeat(self, node_token, node_id="node-1", **info):
        request = pb.HeartbeatRequest(node_id=node_id, node_token=node_token)
        request.runtime_info.update(info)
        return await self.devices.Heartbeat(request)

    async def node(self, node_id="node-1"):
        return (await self.nodes.GetBaseosNode(pb.GetBaseosNodeRequest(node_id=node_id))).node


@pytest.fixture
async def baseos(harness):
    async with (
        harness.running("baseos", serve, harness.settings(Settings)),
        harness.channel("baseos", "admin") as people,
        harness.channel("baseos") as devices,
    ):
        yield Baseos(people, devices)


async def test_a_join_token_is_shown_once(baseos):
    made = await baseos.join_token(name="site-a", max_uses=2, request_id="r1")
    assert made.token.startswith("cjt_")
    assert made.join_token.expire_time.ToDatetime(UTC) - datetime.now(UTC) > timedelta(hours=23)
    again = await baseos.join_token(name="site-a", max_uses=2, request_id="r1")
    assert (again.join_token.id, again.token) == (made.join_token.id, "")
    listed = await baseos.tokens.ListJoinTokens(pb.ListJoinTokensRequest())
    assert made.token not in str(listed)
    assert [token.id for token in listed.join_tokens] == [made.join_token.id]


async def test_an_end_in_the_past_is_refused(baseos):
    wish = pb.JoinToken()
    wish.expire_time.FromDatetime(datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(InvalidArgument):
        await baseos.join_token(expire_time=wish.expire_time)


async def test_a_device_enrols_and_is_seen(baseos):
    made = await baseos.join_token()
    answer = await baseos.register(made.token)
    assert (answer.node_id, answer.heartbeat_interval_milliseconds) == ("node-1", 30_000)
    node = await baseos.node()
    assert (node.name, node.architecture, node.state) == ("pi", "arm64", pb.NODE_STATE_ONLINE)
    listed = await baseos.tokens.ListJoinTokens(pb.ListJoinTokensRequest())
    assert listed.join_tokens[0].uses == 1


@pytest.mark.parametrize("node_id", ["a/b", "a b", "ä", "-a", "a:b"])
async def test_an_id_that_cannot_stand_in_a_url_is_refused(baseos, node_id):
    with pytest.raises(InvalidArgument):
        await baseos.register((await baseos.join_token()).token, node_id)


async def test_wrong_expired_deleted_and_used_up_tokens_answer_alike(baseos):
    soon = pb.JoinToken()
    soon.expire_time.FromDatetime(datetime.now(UTC) + timedelta(seconds=1))
    expired = await baseos.join_token(expire_time=soon.expire_time)
    deleted = await baseos.join_token()
    await baseos.tokens.DeleteJoinToken(pb.DeleteJoinTokenRequest(join_token_id=deleted.join_token.id))
    used = await baseos.join_token(max_uses=1)
    await baseos.register(used.token, "first")
    await asyncio.sleep(1.1)
    told = set()
    for token in ("cjt_wrong", expired.token, deleted.token, used.token):
        with pytest.raises(CredentialsInvalid) as refused:
            await baseos.register(token, "second")
        told.add(str(refused.value))
    assert len(told) == 1


async def test_identities_of_devices_are_in_the_audit_log_and_their_reports_are_not(baseos, harness, mongo_url):
    made = await baseos.join_token()
    first, again = [await baseos.register(made.token) for _ in range(2)]
    with pytest.raises(CredentialsInvalid):
        await baseos.heartbeat(first.node_token)
    for load in range(3):
        await baseos.heartbeat(again.node_token, load=load)
    async with opened_database(mongo_url, f"{harness.prefix}_baseos") as database:
        rows = [row async for row in database.raw("_audit").find({}) if row["state"] == "done"]
    entries = [audit_pb2.AuditEntry.FromString(row["body"]) for row in rows]
    of_node = sorted((one.method, one.result) for one in entries if one.resource.id == "node-1")
    assert of_node == [
        ("BaseosNodeService.Heartbeat", audit_pb2.AUDIT_RESULT_DENIED),
        ("BaseosNodeService.RegisterNode", audit_pb2.AUDIT_RESULT_DONE),
        ("BaseosNodeService.RegisterNode", audit_pb2.AUDIT_RESULT_DONE),
    ]
    assert not any(secret in repr(entries) for secret in (made.token, first.node_token, again.node_token))


async def test_as_many_devices_enrol_as_the_token_allows_however_they_race(baseos):
    made = await baseos.join_token(max_uses=3)
    answers = await asyncio.gather(
        *(baseos.register(made.token, f"node-{number}") for number in range(8)), return_exceptions=True
    )
    assert (
        sorted(type(answer).__name__ for answer in answers) == ["CredentialsInvalid"] * 5 + ["RegisterNodeResponse"] * 3
    )
    listed = await baseos.tokens.ListJoinTokens(pb.ListJoinTokensRequest())
    assert listed.join_tokens[0].uses == 3


async def test_a_device_that_enrols_again_gets_a_new_token_and_the_old_one_is_refused(baseos):
    made = await baseos.join_token(max_uses=1)
    first = await baseos.register(made.token)
    second = await baseos.register(made.token)
    assert first.node_token != second.node_token
    await baseos.heartbeat(second.node_token)
    with pytest.raises(CredentialsInvalid):
        await baseos.heartbeat(first.node_token)
    listed = await baseos.tokens.ListJoinTokens(pb.ListJoinTokensRequest())
    assert listed.join_tokens[0].uses == 1


async def test_an_unknown_node_and_a_wrong_token_answer_alike(baseos):
    answer = await baseos.register((await baseos.join_token()).token)
    told = set()
    for node_id, token in (("node-1", "cnt_wrong"), ("nobody", answer.node_token)):
        with pytest.raises(CredentialsInvalid) as refused:
            await baseos.heartbeat(token, node_id)
        told.add(str(refused.value))
    assert len(told) == 1


async def test_a_heartbeat_tells_the_desired_state_and_keeps_what_the_device_says(baseos):
    answer = await baseos.register((await baseos.join_token()).token)
    wish = pb.BaseosNode(id="node-1", labels={"site": "a"})
    wish.desired_state.update({"version": "1.2", "services": {"edge.agent": True, "$x": 1}})
    updated = await baseos.nodes.UpdateBaseosNode(
        pb.UpdateBaseosNodeRequest(node=wish, update_mask=FieldMask(paths=["desired_state", "labels"]))
    )
    told = await baseos.heartbeat(answer.node_token, **{"kernel.version": "6.1", "$load": 0.5, "disks": [{"a.b": 1}]})
    assert json_format.MessageToDict(told.desired_state) == {
        "version": "1.2",
        "services": {"edge.agent": True, "$x": 1.0},
    }
    node = await baseos.node()
    assert json_format.MessageToDict(node.runtime_info) == {
        "kernel.version": "6.1",
        "$load": 0.5,
        "disks": [{"a.b": 1.0}],
    }
    assert (dict(node.labels), node.etag) == ({"site": "a"}, updated.node.etag)


async def test_a_heartbeat_without_news_writes_nothing_but_moves_the_time(baseos):
    answer = await baseos.register((await baseos.join_token()).token)
    await baseos.heartbeat(answer.node_token, load=1)
    before = await baseos.node()
    await asyncio.sleep(0.01)
    await baseos.heartbeat(answer.node_token, load=1)
    after = await baseos.node()
    assert after.update_time == before.update_time
    assert after.last_heartbeat_time.ToNanoseconds() > before.last_heartbeat_time.ToNanoseconds()


async def test_runtime_information_without_measure_is_refused(baseos):
    answer = await baseos.register((await baseos.join_token()).token)
    with pytest.raises(InvalidArgument):
        await baseos.heartbeat(answer.node_token, text="x" * 70_000)


async def test_a_stale_etag_is_refused_and_changes_nothing(baseos):
    await baseos.register((await baseos.join_token()).token)
    before = await baseos.node()
    rename = pb.BaseosNode(id="node-1", name="roof", etag=before.etag)
    mask = FieldMask(paths=["name"])
    await baseos.nodes.UpdateBaseosNode(pb.UpdateBaseosNodeRequest(node=rename, update_mask=mask))
    rename.name = "cellar"
    with pytest.raises(StaleEtag):
        await baseos.nodes.UpdateBaseosNode(pb.UpdateBaseosNodeRequest(node=rename, update_mask=mask))
    assert (await baseos.node()).name == "roof"


async def test_what_the_device_reports_cannot_be_updated_by_people(baseos):
    await baseos.register((await baseos.join_token()).token)
    wish = pb.BaseosNode(id="node-1", architecture="s390x")
    with pytest.raises(InvalidArgument):
        await baseos.nodes.UpdateBaseosNode(
            pb.UpdateBaseosNodeRequest(node=wish, update_mask=FieldMask(paths=["architecture"]))
        )


async def test_a_deleted_device_is_refused_and_may_enrol_again(baseos):
    answer = await baseos.register((await baseos.join_token()).token)
    await baseos.nodes.DeleteBaseosNode(pb.DeleteBaseosNodeRequest(node_id="node-1"))
    with pytest.raises(CredentialsInvalid):
        await baseos.heartbeat(answer.node_token)
    with pytest.raises(NotFound):
        await baseos.node()
    again = await baseos.register((await baseos.join_token()).token)
    await baseos.heartbeat(again.node_token)


async def test_nodes_are_listed_for_those_who_may_read(baseos):
    token = (await baseos.join_token()).token
    for name in ("b", "a"):
        await baseos.register(token, name)
    listed = await baseos.nodes.ListBaseosNodes(pb.ListBaseosNodesRequest(page_size=1))
    rest = await baseos.nodes.ListBaseosNodes(pb.ListBaseosNodesRequest(page_size=1, page_token=listed.next_page_token))
    assert {node.id for answer in (listed, rest) for node in answer.nodes} == {"a", "b"}
    with pytest.raises(CredentialsMissing):
        await baseos.devices.ListBaseosNodes(pb.ListBaseosNodesRequest())
