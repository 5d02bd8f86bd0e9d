"""The agents' streams: what is pushed when, what receipts do, who replaces whom."""

import asyncio

import pytest
from cloudly.auth.v1 import audit_pb2
from cloudly.clusters.v1 import deployment_pb2
from cloudly.coreflow.v1 import coreflow_pb2
from cloudly_clusters.clusters import to_message
from cloudly_clusters.offline import OfflineSweep
from cloudly_clusters.streams import lease_key
from cloudly_kit.errors import AgentConflict, FailedPrecondition, NotFound
from cloudly_kit.identity import Caller, Identity, set_caller

DIGEST = "sha256:" + "1" * 64


async def next_of(messages, kind, seconds=5):
    """The next message of a kind."""
    async with asyncio.timeout(seconds):
        async for message in messages:
            if message.WhichOneof("message") == kind:
                return getattr(message, kind)
    raise AssertionError(f"the stream ended without {kind}")


def say(session, **message):
    return coreflow_pb2.ConnectRequest(epoch=session.epoch, **message)


async def connected(house, cluster, hello, streams=None):
    streams = streams or house.streams
    session = await streams.open(cluster.id, hello)
    return session, streams.messages(session)


async def test_an_agent_is_welcomed_and_gets_the_configuration_with_credentials(house, hello):
    cluster = await house.cluster()
    await house.workload(cluster)
    session, messages = await connected(house, cluster, hello())
    assert (await next_of(messages, "welcome")).cluster_id == cluster.id
    push = await next_of(messages, "config")
    assert push.configuration.workloads[0].image == ""
    assert push.credentials.password == "pull"
    assert (await house.clusters.get(cluster.id)).agent_state == "AGENT_STATE_ONLINE"
    assert session.epoch == 1


async def test_what_the_agent_holds_is_not_sent_again(house, hello):
    cluster = await house.cluster()
    await house.workload(cluster)
    _, messages = await connected(house, cluster, hello())
    push = await next_of(messages, "config")
    _, messages = await connected(house, cluster, hello("i2", held_hash=push.hash))
    again = await next_of(messages, "config")
    assert again.hash == push.hash
    assert not again.HasField("configuration")


async def test_a_change_reaches_the_agent_by_its_hint(house, hello):
    cluster = await house.cluster()
    listening = asyncio.create_task(house.streams.listen())
    workload = await house.workload(cluster)
    _, messages = await connected(house, cluster, hello())
    first = await next_of(messages, "config")
    await house.pushed(workload, DIGEST)
    await house.hints.publish("clusters", cluster.id)
    second = await next_of(messages, "config")
    assert second.version > first.version
    assert second.configuration.workloads[0].image == f"{workload.registry_target}@{DIGEST}"
    listening.cancel()


async def test_an_agent_gets_the_logins_of_its_images_registries_and_no_others_and_news_of_them(house, hello):
    house.registry.logins = {"ghcr.test:5000": "first", "other.test": "unneeded", "docker.io": "hub"}
    cluster = await house.cluster()
    await house.workload(cluster, "web", image="ghcr.test:5000/team/app:1")
    await house.workload(cluster, "db", image="postgres:17")
    listening = asyncio.create_task(house.streams.listen_for_logins())
    _, messages = await connected(house, cluster, hello())
    push = await next_of(messages, "config")
    held = {one.server: one.password for one in push.external_credentials.registries}
    assert held == {"ghcr.test:5000": "first", "docker.io": "hub"}
    assert b"first" not in push.configuration.SerializeToString()

    house.registry.logins["ghcr.test:5000"] = "second"
    await house.hints.publish("registry.external_registry", "ghcr.test:5000")
    again = await next_of(messages, "config")
    assert (again.version, again.hash) == (push.version, push.hash)
    assert not again.HasField("configuration")
    assert "second" in [one.password for one in again.external_credentials.registries]
    listening.cancel()


async def test_receipts_are_written_down_and_a_rejection_keeps_the_applied_revision(house, hello):
    cluster = await house.cluster()
    workload = await house.workload(cluster)
    session, messages = await connected(house, cluster, hello())
    push = await next_of(messages, "config")

    async def answer(outcome, **fields):
        receipt = coreflow_pb2.ConfigReceipt(version=push.version, nonce=push.nonce, outcome=outcome, **fields)
        await house.streams.receive(session, say(session, receipt=receipt))
        return await house.clusters.get(cluster.id)

    rejected = await answer(coreflow_pb2.CONFIG_OUTCOME_REJECTED, reason="hash mismatch")
    assert rejected.applied_revision == 0
    shown = [c for c in to_message(rejected).conditions if c.type == "ConfigurationApplied"]
    assert (shown[0].reason, shown[0].message) == ("REJECTED", "hash mismatch")
    applied = await answer(coreflow_pb2.CONFIG_OUTCOME_APPLIED)
    assert applied.applied_revision == push.version
    await house.pushed(workload, DIGEST)
    await answer(coreflow_pb2.CONFIG_OUTCOME_PARTIAL, workload_errors={workload.id: "port 80 is taken"})
    assert (await house.workloads.get(workload.id)).status["message"] == "CONFIGURATION_REFUSED: port 80 is taken"


async def test_messages_of_an_older_epoch_are_dropped(house, hello):
    cluster = await house.cluster()
    session, messages = await connected(house, cluster, hello())
    push = await next_of(messages, "config")
    receipt = coreflow_pb2.ConfigReceipt(version=99, nonce=push.nonce, outcome=coreflow_pb2.CONFIG_OUTCOME_APPLIED)
    await house.streams.receive(session, coreflow_pb2.ConnectRequest(epoch=session.epoch - 1, receipt=receipt))
    assert (await house.clusters.get(cluster.id)).applied_revision == 0


async def test_reports_become_deployments_nodes_and_status(house, hello):
    cluster = await house.cluster()
    workload = await house.workload(cluster)
    workload = await house.pushed(workload, DIGEST)
    session, _ = await connected(house, cluster, hello())
    writing = asyncio.create_task(house.streams.write_reports(session))
    report = coreflow_pb2.StatusReport(
        nodes=[coreflow_pb2.NodeStatus(id="n1", name="host", role="manager", state="ready")],
        workloads=[
            coreflow_pb2.WorkloadObservation(
                workload_id=workload.id,
                generation=2,
                wished_replicas=1,
                ready_replicas=1,
                deployments=[
                    coreflow_pb2.DeploymentObservation(
                        task_id="t1",
                        slot=1,
                        node_id="n1",
                        image_digest=DIGEST,
                        workload_generation=2,
                        state=deployment_pb2.DEPLOYMENT_STATE_RUNNING,
                    )
                ],
            )
        ],
    )
    await house.streams.receive(session, say(session, status=report))
    async with asyncio.timeout(5):
        while (await house.workloads.get(workload.id)).status["message"] != "RUNNING: 1 of 1 replicas run":
            await asyncio.sleep(0.02)
    assert [d.name for d in await house.store.deployments.find_all(scope=cluster.id)] == ["web.1"]
    assert (await house.clusters.get(cluster.id)).node_count == 1
    report.workloads[0].deployments.clear()
    await house.observations.report(cluster.id, report)
    assert await house.store.deployments.find_all(scope=cluster.id) == []
    writing.cancel()


async def test_a_later_connection_replaces_an_earlier_one_also_on_another_replica(house, hello):
    cluster = await house.cluster()
    first, first_messages = await connected(house, cluster, hello("i1"))
    await next_of(first_messages, "config")
    second, _ = await connected(house, cluster, hello("i1"), house.replica())
    assert second.epoch == first.epoch + 1
    await house.streams.receive(first, say(first, heartbeat=coreflow_pb2.Heartbeat()))
    assert first.ended
    assert int(await house.redis.get(lease_key(cluster.id))) == second.epoch


async def test_two_living_agents_of_one_identity_are_told(house, hello):
    cluster = await house.cluster()
    with pytest.raises(AgentConflict):
        for _ in range(8):
            await house.streams.open(cluster.id, hello("old", born=1))
            await house.streams.open(cluster.id, hello("new", born=2))
    await house.streams.open(cluster.id, hello("old", born=1))


async def test_an_agent_that_restarts_often_is_no_conflict(house, hello):
    cluster = await house.cluster()
    for number in range(12):
        await house.streams.open(cluster.id, hello(f"i{number}", born=number))


async def test_an_agent_of_a_deleted_cluster_or_another_protocol_is_refused(house, hello):
    cluster = await house.cluster()
    other = hello()
    other.protocol = 99
    with pytest.raises(FailedPrecondition):
        await house.streams.open(cluster.id, other)
    await house.clusters.delete(cluster.id, "", force=True)
    with pytest.raises(NotFound):
        await house.streams.open(cluster.id, hello())


async def test_what_an_agents_words_change_is_in_the_audit_log(house, hello):
    cluster = await house.cluster()
    identity = Identity(id="m1", name="harbour", type="machine", roles=("cluster",), cluster_id=cluster.id)
    set_caller(Caller(identity, remote_address="192.0.2.7:4040"))
    session, _ = await connected(house, cluster, hello())
    report = coreflow_pb2.StatusReport(nodes=[coreflow_pb2.NodeStatus(id="n1", name="node-1")])
    writing = asyncio.create_task(house.streams.write_reports(session))
    entries: list[audit_pb2.AuditEntry] = []
    for _ in range(2):
        # The second says nothing new.
        await house.streams.receive(session, say(session, status=report))
        async with asyncio.timeout(10):
            while not session.reports.empty() or len(entries) < 2:
                rows = house.store.database.raw("_audit").find({"state": "done"})
                entries = [audit_pb2.AuditEntry.FromString(row["body"]) async for row in rows]
                await asyncio.sleep(0.01)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert sorted(entry.method for entry in entries) == ["agent.connect", "agent.report"]
    entry = next(entry for entry in entries if entry.method == "agent.report")
    assert (entry.actor.id, entry.actor.type, entry.actor.cluster_id) == ("m1", "machine", cluster.id)
    assert (entry.resource.kind, entry.resource.id, entry.remote_address) == ("cluster", cluster.id, "192.0.2.7:4040")
    assert {change.resource.kind for change in entry.changes} == {"node", "cluster"}


async def test_an_agent_whose_lease_runs_out_is_offline_and_one_after_a_wiped_redis_is_not(house, hello):
    cluster = await house.cluster()
    session, _ = await connected(house, cluster, hello())
    sweep = OfflineSweep(house.store, house.observations, house.redis, house.journal, heartbeat_seconds=0)
    await house.redis.flushall()
    await house.streams.receive(session, say(session, heartbeat=coreflow_pb2.Heartbeat()))
    await sweep.sweep()
    assert (await house.clusters.get(cluster.id)).agent_state == "AGENT_STATE_ONLINE"
    await house.redis.flushall()
    await sweep.sweep()
    assert (await house.clusters.get(cluster.id)).agent_state == "AGENT_STATE_OFFLINE"


async def test_draining_asks_agents_to_connect_elsewhere(house, hello):
    cluster = await house.cluster()
    _, messages = await connected(house, cluster, hello())
    await next_of(messages, "config")
    draining = asyncio.create_task(house.streams.drain())
    await next_of(messages, "drain")
    await draining
    assert [message async for message in messages] == []
