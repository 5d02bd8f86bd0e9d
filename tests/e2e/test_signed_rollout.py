"""A signed rollout through both services: pushed unsigned, held back, signed, rolled out, as cosign's order has it."""

import asyncio
import base64
import json
import uuid
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import pytest
from cloudly.clusters.v1 import cluster_pb2, cluster_pb2_grpc, workload_pb2, workload_pb2_grpc
from cloudly_clusters.config import Settings
from cloudly_clusters.main import serve
from cloudly_registry import cosign
from cloudly_registry.manifest_format import OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.testing import CONFIG, Client, Image, descriptor, running_registry

pytestmark = pytest.mark.e2e


async def openssl(*arguments: str | Path) -> None:
    """Run it."""
    process = await asyncio.create_subprocess_exec("openssl", *map(str, arguments))
    assert await asyncio.wait_for(process.wait(), 30) == 0


async def push_signature(
    client: Client, repository: str, image: Image, signature: str, payload: bytes, by: str
) -> None:
    """What `cosign sign` pushes: under a tag, or as a referrer."""
    for blob in (payload, b"{}"):
        await client.push_blob(repository, blob)
    layer = descriptor(cosign.SIMPLE_SIGNING, payload, annotations={cosign.ANNOTATION: signature})
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(CONFIG, b"{}"), "layers": [layer]}
    if by == "referrer":
        manifest |= {"artifactType": cosign.ARTIFACT, "subject": descriptor(OCI_MANIFEST, image.manifest)}
    body = orjson.dumps(manifest)
    reference = digest_of(body) if by == "referrer" else cosign.signature_tag(image.digest)
    assert (await client.push_manifest(repository, reference, body, OCI_MANIFEST)).status == 201


@pytest.mark.parametrize("whose", ["workload", "cluster"])
async def test_a_signature_lets_the_rollout_go_on(
    whose: str, scratch: Path, mongo_url: str, own_redis, tmp_path: Path
) -> None:
    key, public = tmp_path / "key.pem", tmp_path / "key.pub"
    await openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    await openssl("pkey", "-in", key, "-pubout", "-out", public)
    async with AsyncExitStack() as stack:
        where = scratch / f"s{uuid.uuid4().hex[:7]}"
        registry = await stack.enter_async_context(running_registry(where, mongo_url, own_redis.url))
        harness = registry.harness
        settings = harness.settings(Settings, public_url="127.0.0.1", public_port=registry.settings.public_port)
        await stack.enter_async_context(harness.running("clusters", serve, settings))
        channel = await stack.enter_async_context(harness.channel("clusters", "admin"))
        workloads, clusters = (
            workload_pb2_grpc.WorkloadServiceStub(channel),
            cluster_pb2_grpc.ClusterServiceStub(channel),
        )
        strict = {"required": True, "public_keys": [public.read_text()]}
        east = cluster_pb2.Cluster(name="east")
        policy = None
        if whose == "cluster":
            east.signature_policy.CopyFrom(cluster_pb2.ClusterSignaturePolicy(**strict))
        else:
            policy = workload_pb2.SignaturePolicy(**strict)
        cluster = await clusters.CreateCluster(cluster_pb2.CreateClusterRequest(cluster=east))
        wish = workload_pb2.Workload(name="web", cluster_id=cluster.cluster.id, signature_policy=policy)
        made = (await workloads.CreateWorkload(workload_pb2.CreateWorkloadRequest(workload=wish))).workload
        repository = made.registry_target.partition("/")[2]

        async def until(condition) -> workload_pb2.Workload:
            async with asyncio.timeout(60):
                while True:
                    asked = workload_pb2.GetWorkloadRequest(workload_id=made.id)
                    found: workload_pb2.Workload = (await workloads.GetWorkload(asked)).workload
                    if condition(found):
                        return found
                    await asyncio.sleep(0.1)

        for by in ("tag", "referrer"):
            image = Image(by.encode())
            await image.push(registry.client(), repository, "v1")
            held = await until(lambda found, image=image: found.held_image.digest == image.digest)
            assert held.image_digest != image.digest
            assert "it is not signed" in held.status.message
            critical = {
                "identity": {"docker-reference": made.registry_target},
                "image": {"docker-manifest-digest": image.digest},
                "type": "cosign container image signature",
            }
            payload = json.dumps({"critical": critical, "optional": None}).encode()
            (tmp_path / "payload").write_bytes(payload)
            await openssl("dgst", "-sha256", "-sign", key, "-out", tmp_path / "signature", tmp_path / "payload")
            signature = base64.b64encode((tmp_path / "signature").read_bytes()).decode()
            await push_signature(registry.client(), repository, image, signature, payload, by)
            rolled = await until(lambda found, image=image: found.image_digest == image.digest)
            assert not rolled.HasField("held_image")
            assert rolled.image_tag == "v1"
