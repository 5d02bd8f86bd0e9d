"""A pipeline tells of what it pushed, by the legacy methods: through a real gateway and clusters, with real registries."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cloudly.clusters.v1 import cluster_pb2, cluster_pb2_grpc, workload_pb2, workload_pb2_grpc
from cloudly.registry.v1 import external_registry_pb2, external_registry_pb2_grpc
from cloudly_clusters.config import Settings
from cloudly_clusters.main import serve
from cloudly_gateway.testing import ContractServer, gateway_settings, serving
from cloudly_kit.config import SERVICES
from cloudly_registry.testing import Image, Registry, running_registry

from tests.e2e.legacy_wire import OverHttp, OverSocket, fire

pytestmark = pytest.mark.e2e
INFORM, INFORM_CLOUDLY = "servezonestandard_InformAboutNewContainerVersion", "informCloudlyAboutNewContainerVersion"


@dataclass
class House:
    """Our registry, one elsewhere with a login, clusters, and a gateway before them."""

    registry: Registry
    elsewhere: Registry
    workloads: Any
    cluster_id: str
    url: str

    async def inform(self, wire: str, method: str, role: str = "api", **request: Any) -> dict[str, Any]:
        """The answer to a legacy call of somebody with this role; nobody where it is empty."""
        if role:
            request["identity"] = {"jwt": self.registry.auth.issue(role, audience="cloudly-legacy")}
        if wire == "http":
            return await fire(OverHttp(self.registry.http, self.url), method, request)
        async with self.registry.http.ws_connect(self.url) as socket:
            return await fire(OverSocket(socket), method, request)

    async def workload(self, **wish: Any) -> workload_pb2.Workload:
        """A new workload."""
        wished = workload_pb2.Workload(name=f"w{uuid.uuid4().hex[:8]}", cluster_id=self.cluster_id, **wish)
        made = await self.workloads.CreateWorkload(workload_pb2.CreateWorkloadRequest(workload=wished))
        return await self.now(made.workload)

    async def now(self, workload: workload_pb2.Workload) -> workload_pb2.Workload:
        """A workload as it is now."""
        asked = workload_pb2.GetWorkloadRequest(workload_id=workload.id)
        found: workload_pb2.Workload = (await self.workloads.GetWorkload(asked)).workload
        return found


@pytest.fixture(scope="module")
async def house(scratch: Path, mongo_url: str, redis_url: str) -> AsyncIterator[House]:
    """See House."""
    async with AsyncExitStack() as stack:
        where, there = scratch / f"a{uuid.uuid4().hex[:7]}", scratch / f"b{uuid.uuid4().hex[:7]}"
        registry = await stack.enter_async_context(running_registry(where, mongo_url, redis_url))
        elsewhere = await stack.enter_async_context(running_registry(there, mongo_url, redis_url))
        harness = registry.harness
        settings = harness.settings(Settings, public_url="127.0.0.1", public_port=registry.settings.public_port)
        await stack.enter_async_context(harness.running("clusters", serve, settings))
        others = ContractServer(f"unix:{where}/others.sock", registry.auth)
        await others.start()
        stack.push_async_callback(others.stop)
        addresses = dict.fromkeys(SERVICES, others.address)
        addresses |= {
            "registry": registry.settings.listen_address("registry"),
            "clusters": settings.listen_address("clusters"),
        }
        url = await stack.enter_async_context(serving(gateway_settings(harness, addresses)))
        channel = await stack.enter_async_context(harness.channel("clusters", "admin"))
        cluster = cluster_pb2.CreateClusterRequest(cluster=cluster_pb2.Cluster(name="east"))
        made = await cluster_pb2_grpc.ClusterServiceStub(channel).CreateCluster(cluster)
        known = external_registry_pb2.ExternalRegistry(
            name="elsewhere", url=elsewhere.base, username="viewer", password="viewer-password"
        )
        images = await stack.enter_async_context(harness.channel("registry", "admin"))
        await external_registry_pb2_grpc.ExternalRegistryServiceStub(images).CreateExternalRegistry(
            external_registry_pb2.CreateExternalRegistryRequest(external_registry=known)
        )
        workloads = workload_pb2_grpc.WorkloadServiceStub(channel)
        yield House(registry, elsewhere, workloads, made.cluster.id, url)


@pytest.mark.parametrize("wire", ["http", "socket"])
async def test_a_version_elsewhere_is_rolled_out_once(house: House, wire: str) -> None:
    host, repository = house.elsewhere.settings.http_listen, f"shop/r{uuid.uuid4().hex[:8]}"
    first, second = Image(b"first"), Image(b"second")
    await first.push(house.elsewhere.client(), repository, "1.0")
    workload = await house.workload(image=f"{host}/{repository}:1.0")
    manual = await house.workload(image=f"{host}/{repository}:1.0", deploy_on_push=False)
    await second.push(house.elsewhere.client(), repository, "1.1")

    told = await house.inform(
        wire,
        INFORM,
        containerImageInfo={"registryUrl": f"https://{host}", "tag": repository, "version": "1.1", "labels": []},
    )
    assert (told["response"], told.get("error")) == ({}, None)
    now = await house.now(workload)
    assert (now.image, now.generation) == (f"{host}/{repository}:1.1@{second.digest}", 2)
    assert (await house.now(manual)).image == f"{host}/{repository}:1.0"

    # Told again, in the other words and with the tag in the URL: nothing is new.
    again = {"dockerImageUrl": f"{host}/{repository}:1.1", "dockerImageVersion": "1.1.0"}
    assert (await house.inform(wire, INFORM_CLOUDLY, **again))["response"] == {}
    assert (await house.now(workload)).generation == 2

    # The same tag with other content is new.
    await first.push(house.elsewhere.client(), repository, "1.1")
    assert (await house.inform(wire, INFORM_CLOUDLY, **again))["response"] == {}
    now = await house.now(workload)
    assert (now.image, now.generation) == (f"{host}/{repository}:1.1@{first.digest}", 3)


@pytest.mark.parametrize("wire", ["http", "socket"])
async def test_a_tag_of_ours_is_rolled_out_as_its_push_was(house: House, wire: str) -> None:
    workload = await house.workload(tag="stable")
    host, _, repository = workload.registry_target.partition("/")
    image = Image(b"ours")
    await image.push(house.registry.client(), repository, "v1")
    asked = {"dockerImageUrl": f"{host}/{repository}", "dockerImageVersion": "v1"}
    assert (await house.inform(wire, INFORM_CLOUDLY, **asked))["response"] == {}
    assert (await house.now(workload)).image_digest == ""  # it follows another tag
    await image.push(house.registry.client(), repository, "stable")
    assert (await house.inform(wire, INFORM_CLOUDLY, **{**asked, "dockerImageVersion": "stable"}))["response"] == {}
    # The push rolls it out as well: whichever comes first, there is one generation.
    now = await house.now(workload)
    assert (now.image_digest, now.image_tag, now.generation) == (image.digest, "stable", 2)


@pytest.mark.parametrize("wire", ["http", "socket"])
async def test_what_cannot_be_rolled_out_is_refused(house: House, wire: str) -> None:
    host, repository = house.elsewhere.settings.http_listen, f"shop/r{uuid.uuid4().hex[:8]}"
    workload = await house.workload(image=f"{host}/{repository}:1.0")
    asked = {"dockerImageUrl": f"{host}/{repository}", "dockerImageVersion": "9.9"}

    async def refused(**more: Any) -> tuple[str, str]:
        error = (await house.inform(wire, INFORM_CLOUDLY, **{**asked, **more}))["error"]
        return error["data"]["reason"], error["text"]

    assert (await refused(role=""))[0] == "CREDENTIALS_MISSING"
    assert (await refused(role="viewer"))[0] == "PERMISSION_DENIED"
    reason, text = await refused()
    assert reason == "NOT_FOUND"
    assert f"{host}/{repository}:9.9" in text  # its registry has no such tag
    reason, text = await refused(dockerImageUrl="registry.example.com/nobody/runs")
    assert reason == "NOT_FOUND"
    assert "registry.example.com/nobody/runs" in text
    assert (await refused(dockerImageUrl="UPPER case"))[0] == "INVALID_ARGUMENT"
    assert (await refused(dockerImageVersion=""))[0] == "INVALID_ARGUMENT"
    missing = await house.inform(wire, INFORM)
    assert missing["error"]["data"]["violations"][0]["field"] == "containerImageInfo"
    assert (await house.now(workload)).generation == 1
