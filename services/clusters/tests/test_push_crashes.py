"""A push is rolled out once: told several times, to several replicas, with a process killed at each step."""

import asyncio
import os
import sys

import grpc
import pytest
import redis.asyncio
from cloudly.clusters.v1 import cluster_pb2, cluster_pb2_grpc, workload_pb2, workload_pb2_grpc
from cloudly.registry.v1 import image_pb2, image_pb2_grpc, push_pb2
from cloudly_clusters.config import Settings
from cloudly_clusters.main import serve
from cloudly_kit import events
from cloudly_kit.outbox import Outbox, stream_key
from cloudly_kit.store import Database
from cloudly_kit.testing import ServiceHarness
from motor.motor_asyncio import AsyncIOMotorClient

DIGEST = "sha256:" + "1" * 64


class Registry(image_pb2_grpc.ImageServiceServicer):
    async def EnsureRepository(self, request, context):
        return image_pb2.EnsureRepositoryResponse(image_id="i" * 20, target=f"localhost:8080/{request.repository}")

    async def SetPins(self, request, context):
        return image_pb2.SetPinsResponse()


async def publish(harness, repository, times):
    """The registry's news of one push, several times in the stream."""
    client = AsyncIOMotorClient(harness.mongo_url, tz_aware=True)
    database = Database(client, f"{harness.prefix}_registry")
    async with redis.asyncio.Redis.from_url(harness.redis_url) as connection:
        outbox = Outbox(database, connection, "registry", {"image.pushed": ("clusters",)})

        async def work(session):
            message = push_pb2.ImagePushed(repository=repository, tag="v1", digest=DIGEST, pushed_by="ada")
            await outbox.put("image.pushed", message, session=session)

        await database.transaction(work)
        await outbox._publish()
        ((_, fields),) = await connection.xrange(stream_key("registry"))
        for _ in range(times - 1):
            await connection.xadd(stream_key("registry"), fields)
    client.close()


async def until(condition, seconds=60):
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.1)


PLACES = ["events.before_effect", "clusters.push.before_commit", "events.after_effect"]


@pytest.mark.parametrize("place", PLACES)
async def test_a_push_is_rolled_out_once_whatever_dies(scratch, own_mongo, own_redis, monkeypatch, place):
    monkeypatch.setattr(events, "TAKE_OVER_MS", 1_000)
    directory = scratch / f"p{PLACES.index(place)}"
    directory.mkdir()
    harness = ServiceHarness(directory, own_mongo.url, own_redis.url)
    harness.make_keys()
    await harness.authority.start()
    settings = harness.settings(Settings, heartbeat_seconds=1, lease_seconds=3)
    server = grpc.aio.server()
    image_pb2_grpc.add_ImageServiceServicer_to_server(Registry(), server)
    server.add_insecure_port(settings.registry_address)
    await server.start()
    async with harness.running("clusters", serve, settings), harness.channel("clusters", "admin") as channel:
        stub, cluster = workload_pb2_grpc.WorkloadServiceStub(channel), cluster_pb2.Cluster(name="east")
        made = await cluster_pb2_grpc.ClusterServiceStub(channel).CreateCluster(
            cluster_pb2.CreateClusterRequest(cluster=cluster)
        )
        wish = workload_pb2.Workload(name="web", cluster_id=made.cluster.id)
        workload = (await stub.CreateWorkload(workload_pb2.CreateWorkloadRequest(workload=wish))).workload
    await publish(harness, workload.registry_target.split("/", 1)[1], 3)
    victim = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from cloudly_clusters.main import main; main()",
        env={**os.environ, **settings.as_environment(), "CLOUDLY_CRASHPOINT": place},
        stderr=(directory / "victim.log").open("ab"),
    )
    assert await asyncio.wait_for(victim.wait(), 60) == 137
    if place == "clusters.push.before_commit":
        # The server would hold the dead transaction for a minute; restarted, it has forgotten it.
        own_mongo.kill()
        own_mongo.start()
    async with harness.running("clusters", serve, settings), harness.channel("clusters", "viewer") as channel:
        stub = workload_pb2_grpc.WorkloadServiceStub(channel)

        async def versions():
            asked = workload_pb2.ListWorkloadVersionsRequest(workload_id=workload.id)
            return [(each.generation, each.cause) for each in (await stub.ListWorkloadVersions(asked)).versions]

        async def rolled_out():
            return len(await versions()) > 1

        async def read():
            async with redis.asyncio.Redis.from_url(own_redis.url) as connection:
                group = (await connection.xinfo_groups(stream_key("registry")))[0]
                return group["pending"] == 0 and group["lag"] == 0

        await until(rolled_out)
        await until(read)
        assert sorted(await versions()) == [(1, "created"), (2, "pushed v1")]
        found = (await stub.GetWorkload(workload_pb2.GetWorkloadRequest(workload_id=workload.id))).workload
        assert (found.generation, found.image_digest) == (2, DIGEST)
    await server.stop(0)
    await harness.authority.stop()
