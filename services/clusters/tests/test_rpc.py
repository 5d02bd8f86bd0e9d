"""Clusters through gRPC: access, rules, watches, and an agent's stream, with neighbours that really speak the contract."""

import asyncio
from contextlib import AsyncExitStack

import grpc
import pytest
from cloudly.clusters.v1 import (
    cluster_pb2,
    cluster_pb2_grpc,
    deployment_pb2,
    deployment_pb2_grpc,
    workload_pb2,
    workload_pb2_grpc,
)
from cloudly.common.v1 import watch_pb2
from cloudly.coreflow.v1 import coreflow_pb2, coreflow_pb2_grpc
from cloudly.registry.v1 import image_pb2, image_pb2_grpc, push_pb2
from cloudly_clusters.config import Settings
from cloudly_clusters.main import serve
from cloudly_kit.errors import CredentialsMissing, InvalidArgument, PermissionDenied, StaleEtag
from cloudly_kit.outbox import Outbox
from cloudly_kit.store import Database
from google.protobuf.field_mask_pb2 import FieldMask
from motor.motor_asyncio import AsyncIOMotorClient

DIGEST = "sha256:" + "1" * 64


class Registry(image_pb2_grpc.ImageServiceServicer):
    """Keeps what it is told."""

    def __init__(self):
        self.pins = {}

    async def EnsureRepository(self, request, context):
        return image_pb2.EnsureRepositoryResponse(image_id="i" * 20, target=f"localhost:8080/{request.repository}")

    async def SetPins(self, request, context):
        self.pins[request.cluster_id] = list(request.digests)
        return image_pb2.SetPinsResponse()


class Running:
    """The service and its channels."""

    def __init__(self, harness, registry, stack):
        self.harness, self.registry, self._stack = harness, registry, stack

    async def channel(self, *roles, token=""):
        return await self._stack.enter_async_context(self.harness.channel("clusters", *roles, token=token))

    async def cluster(self, name="east"):
        stub = cluster_pb2_grpc.ClusterServiceStub(await self.channel("admin"))
        answer = await stub.CreateCluster(cluster_pb2.CreateClusterRequest(cluster=cluster_pb2.Cluster(name=name)))
        return answer.cluster

    async def workload(self, cluster, **wish):
        stub = workload_pb2_grpc.WorkloadServiceStub(await self.channel("operator"))
        message = workload_pb2.Workload(**{"name": "web", "cluster_id": cluster.id, **wish})
        return (await stub.CreateWorkload(workload_pb2.CreateWorkloadRequest(workload=message))).workload

    async def push(self, workload, tag, digest):
        """What the registry does when a tag was moved."""
        client = AsyncIOMotorClient(self.harness.mongo_url, tz_aware=True)
        database = Database(client, f"{self.harness.prefix}_registry")
        import redis.asyncio

        connection = redis.asyncio.Redis.from_url(self.harness.redis_url)
        outbox = Outbox(database, connection, "registry", {"image.pushed": ("clusters",)})
        repository = workload.registry_target.split("/", 1)[1]

        async def work(session):
            message = push_pb2.ImagePushed(repository=repository, tag=tag, digest=digest, pushed_by="ada")
            await outbox.put("image.pushed", message, session=session)

        await database.transaction(work)
        await outbox._publish()
        await connection.aclose()
        client.close()


@pytest.fixture
async def running(harness):
    registry = Registry()
    server = grpc.aio.server()
    image_pb2_grpc.add_ImageServiceServicer_to_server(registry, server)
    settings = harness.settings(Settings, heartbeat_seconds=1, lease_seconds=3)
    server.add_insecure_port(settings.registry_address)
    await server.start()
    async with AsyncExitStack() as stack, harness.running("clusters", serve, settings):
        yield Running(harness, registry, stack)
        await stack.aclose()
    await server.stop(0)


async def test_access_follows_the_contract(running):
    request = cluster_pb2.CreateClusterRequest(cluster=cluster_pb2.Cluster(name="east"))
    with pytest.raises(PermissionDenied):
        await cluster_pb2_grpc.ClusterServiceStub(await running.channel("viewer")).CreateCluster(request)
    with pytest.raises(CredentialsMissing):
        await cluster_pb2_grpc.ClusterServiceStub(await running.channel()).CreateCluster(request)
    stub = cluster_pb2_grpc.ClusterServiceStub(await running.channel("viewer"))
    assert list((await stub.ListClusters(cluster_pb2.ListClustersRequest())).clusters) == []


async def test_bad_input_names_every_field_and_a_stale_etag_its_successor(running):
    cluster = await running.cluster()
    stub = workload_pb2_grpc.WorkloadServiceStub(await running.channel("operator"))
    wrong = workload_pb2.Workload(name="Web!", cluster_id=cluster.id, replicas=9999)
    with pytest.raises(InvalidArgument) as refusal:
        await stub.CreateWorkload(workload_pb2.CreateWorkloadRequest(workload=wrong))
    assert [v.field for v in refusal.value.violations] == ["workload.name", "workload.replicas"]
    workload = await running.workload(cluster)
    change = workload_pb2.UpdateWorkloadRequest(
        workload=workload_pb2.Workload(id=workload.id, replicas=2, etag="0" * 16),
        update_mask=FieldMask(paths=["replicas"]),
    )
    with pytest.raises(StaleEtag) as stale:
        await stub.UpdateWorkload(change)
    assert stale.value.metadata["current_etag"] == workload.etag
    change.workload.etag = workload.etag
    assert (await stub.UpdateWorkload(change)).workload.replicas == 2


async def test_what_the_server_makes_cannot_be_set(running):
    cluster = await running.cluster()
    workload = await running.workload(cluster)
    stub = workload_pb2_grpc.WorkloadServiceStub(await running.channel("operator"))
    for path in ("cluster_id", "image_digest", "nonsense"):
        request = workload_pb2.UpdateWorkloadRequest(
            workload=workload_pb2.Workload(id=workload.id, cluster_id="a" * 20, image_digest=DIGEST),
            update_mask=FieldMask(paths=[path]),
        )
        with pytest.raises(InvalidArgument):
            await stub.UpdateWorkload(request)


async def test_a_watch_has_a_snapshot_a_bookmark_and_changes(running):
    cluster = await running.cluster()
    await running.workload(cluster)
    stub = workload_pb2_grpc.WorkloadServiceStub(await running.channel("viewer"))
    events = stub.WatchWorkloads(workload_pb2.WatchWorkloadsRequest(cluster_id=cluster.id))
    async with asyncio.timeout(10):
        first, second = await anext(events), await anext(events)
        assert (first.event, second.event) == (watch_pb2.WATCH_EVENT_SNAPSHOT, watch_pb2.WATCH_EVENT_BOOKMARK)
        await running.workload(cluster, name="api")
        changed = await anext(events)
        while changed.event != watch_pb2.WATCH_EVENT_CHANGED or changed.workload.name != "api":
            changed = await anext(events)
    await events.aclose()


async def test_a_push_reaches_the_agent_and_pins_its_digest(running):
    cluster = await running.cluster()
    workload = await running.workload(cluster)
    token = running.harness.authority.issue("cluster", type="machine", cluster=cluster.id, name="east")
    async with grpc.aio.insecure_channel(f"unix:{running.harness.directory}/clusters.sock") as channel:
        call = coreflow_pb2_grpc.CoreflowServiceStub(channel).Connect(metadata=(("authorization", f"Bearer {token}"),))
        await call.write(coreflow_pb2.ConnectRequest(hello=coreflow_pb2.Hello(instance_id="i", protocol=1)))
        async with asyncio.timeout(30):
            welcome = (await call.read()).welcome
            first = (await call.read()).config
            assert first.configuration.workloads[0].image == ""
            await running.push(workload, "v1", DIGEST)
            second = (await call.read()).config
            assert second.configuration.workloads[0].image.endswith(f"@{DIGEST}")
            receipt = coreflow_pb2.ConfigReceipt(
                version=second.version, nonce=second.nonce, outcome=coreflow_pb2.CONFIG_OUTCOME_APPLIED
            )
            await call.write(coreflow_pb2.ConnectRequest(epoch=welcome.epoch, receipt=receipt))
            while running.registry.pins.get(cluster.id) != [DIGEST]:
                await asyncio.sleep(0.05)
            clusters = cluster_pb2_grpc.ClusterServiceStub(await running.channel("viewer"))
            while True:
                shown = (await clusters.GetCluster(cluster_pb2.GetClusterRequest(cluster_id=cluster.id))).cluster
                if shown.applied_revision == shown.revision:
                    break
                await asyncio.sleep(0.05)
        assert shown.agent_state == cluster_pb2.AGENT_STATE_ONLINE
        call.cancel()


async def test_people_cannot_pretend_to_be_an_agent(running):
    token = running.harness.authority.issue("admin")
    async with grpc.aio.insecure_channel(f"unix:{running.harness.directory}/clusters.sock") as channel:
        call = coreflow_pb2_grpc.CoreflowServiceStub(channel).Connect(metadata=(("authorization", f"Bearer {token}"),))
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await call.read()
        assert refusal.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_deployments_of_an_unknown_workload_are_none(running):
    stub = deployment_pb2_grpc.DeploymentServiceStub(await running.channel("viewer"))
    assert (
        list((await stub.ListDeployments(deployment_pb2.ListDeploymentsRequest(workload_id="a" * 20))).deployments)
        == []
    )


async def test_an_api_token_reaches_only_what_it_is_limited_to(running):
    east, west = await running.cluster("east"), await running.cluster("west")
    web, other = await running.workload(east), await running.workload(west)

    async def stub(limit: str) -> workload_pb2_grpc.WorkloadServiceStub:
        token = running.harness.authority.issue("admin", scope=f"*.* {limit}")
        return workload_pb2_grpc.WorkloadServiceStub(await running.channel(token=token))

    for limit in (f"cluster:{east.id}", f"workload:{web.id}"):
        workloads = await stub(limit)
        request = workload_pb2.GetWorkloadRequest(workload_id=web.id)
        assert (await workloads.GetWorkload(request)).workload.id == web.id
        update = workload_pb2.Workload(id=web.id, name="web", cluster_id=east.id, replicas=2, image=web.image)
        mask = FieldMask(paths=["replicas"])
        await workloads.UpdateWorkload(workload_pb2.UpdateWorkloadRequest(workload=update, update_mask=mask))
        update.id = other.id
        for refused in (
            workloads.GetWorkload(workload_pb2.GetWorkloadRequest(workload_id=other.id)),
            workloads.UpdateWorkload(workload_pb2.UpdateWorkloadRequest(workload=update, update_mask=mask)),
            workloads.DeleteWorkload(workload_pb2.DeleteWorkloadRequest(workload_id=other.id)),
            workloads.RollbackWorkload(workload_pb2.RollbackWorkloadRequest(workload_id=other.id, generation=1)),
            workloads.ListWorkloadVersions(workload_pb2.ListWorkloadVersionsRequest(workload_id=other.id)),
            workloads.ListWorkloads(workload_pb2.ListWorkloadsRequest(cluster_id=west.id)),
            workloads.ListWorkloads(workload_pb2.ListWorkloadsRequest()),
            workloads.CreateWorkload(workload_pb2.CreateWorkloadRequest(
                workload=workload_pb2.Workload(name="new", cluster_id=west.id)
            )),
        ):  # fmt: skip
            with pytest.raises(PermissionDenied, match="limited to"):
                await refused
        with pytest.raises(PermissionDenied, match="limited to"):
            async for _ in workloads.WatchWorkloads(workload_pb2.WatchWorkloadsRequest()):
                pass
    of_east = await (await stub(f"cluster:{east.id}")).ListWorkloads(
        workload_pb2.ListWorkloadsRequest(cluster_id=east.id)
    )
    assert [workload.id for workload in of_east.workloads] == [web.id]
