"""What is written over /v2 is in the audit log."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from cloudly.auth.v1 import audit_pb2 as pb
from cloudly_registry.collector import Collector
from cloudly_registry.collector_audit import METHOD, NAMED
from cloudly_registry.http.auditing import Audited
from cloudly_registry.http.server import ROUTES
from cloudly_registry.manifest_format import OCI_MANIFEST
from cloudly_registry.testing import Client, Image, Registry
from motor.motor_asyncio import AsyncIOMotorClient

NOT_AUDITED = {
    "token.post_token": "changes nothing; the login is audited at auth",
    "uploads.start": "bytes that nothing refers to",
    "uploads.append": "bytes that nothing refers to",
    "uploads.finish": "bytes that nothing refers to yet; the manifest that does is audited",
    "uploads.cancel": "bytes that nothing refers to",
}
"""End points that write and are not in the audit log, each with the reason."""
READS = {"GET", "HEAD"}


def test_every_end_point_that_writes_is_audited_or_says_why_not():
    unexplained = [
        (route.pattern.pattern, method)
        for route in ROUTES
        for method, end_point in route.methods.items()
        if method not in READS and not isinstance(end_point, Audited) and _name(end_point) not in NOT_AUDITED
    ]
    assert unexplained == []


def _name(end_point) -> str:
    return f"{end_point.__module__.rpartition('.')[2]}.{end_point.__name__}"


@pytest.fixture
async def told(registry: Registry, name: str) -> AsyncIterator[Callable[[], Awaitable[list[pb.AuditEntry]]]]:
    """What was told about the test's repository, oldest first. (No auth takes it from here.)"""
    settings = registry.settings
    mongo: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(settings.mongodb_url.get_secret_value())
    rows = mongo[f"{settings.mongodb_name}_registry"]["_audit"]

    async def read() -> list[pb.AuditEntry]:
        entries = [pb.AuditEntry.FromString(row["body"]) async for row in rows.find({})]
        return sorted(
            (entry for entry in entries if entry.resource.name.startswith(name)),
            key=lambda entry: entry.time.ToNanoseconds(),
        )

    yield read
    mongo.close()


async def test_pushes_and_deletes_are_told_with_digest_caller_and_address(client: Client, name: str, told) -> None:
    image = Image(b"one")
    await image.push(client, name, "v1")
    (pushed,) = await told()
    assert (pushed.service, pushed.method, pushed.result) == ("registry", "registry.PutManifest", pb.AUDIT_RESULT_DONE)
    assert (pushed.resource.kind, pushed.resource.id, pushed.resource.name) == ("manifest", image.digest, f"{name}:v1")
    assert (pushed.actor.id, pushed.actor.name, pushed.actor.type) == ("id-admin", "admin", "human")
    assert list(pushed.actor.roles) == ["admin"]
    assert pushed.remote_address == "127.0.0.1"
    assert pushed.user_agent
    again = await client.call(
        "PUT",
        f"/v2/{name}/manifests/{image.digest}",
        params=[("tag", "v2"), ("tag", "v3")],
        data=image.manifest,
        headers={"Content-Type": OCI_MANIFEST, "X-Forwarded-For": "6.6.6.6, 192.0.2.7"},
    )
    assert again.status == 201
    pushed = (await told())[-1]
    assert pushed.remote_address == "192.0.2.7"
    assert json.loads(pushed.request) == {"reference": image.digest, "tags": ["v2", "v3"]}
    await client.call("DELETE", f"/v2/{name}/manifests/v1")
    await client.call("DELETE", f"/v2/{name}/manifests/{image.digest}")
    blob = await client.push_blob(name, b"nobody needs it")
    await client.call("DELETE", f"/v2/{name}/blobs/{blob}")
    deleted = (await told())[2:]
    assert [(one.method, one.resource.kind, one.resource.id, one.result) for one in deleted] == [
        ("registry.DeleteManifest", "tag", "", pb.AUDIT_RESULT_DONE),
        ("registry.DeleteManifest", "manifest", image.digest, pb.AUDIT_RESULT_DONE),
        ("registry.DeleteBlob", "blob", blob, pb.AUDIT_RESULT_DONE),
    ]


async def test_what_the_collector_takes_is_named_by_image_however_much_it_is(
    client: Client, collector: Collector, name: str, told
) -> None:
    async def silent(done: int, total: int, what: str) -> None:
        """Progress that nobody reads."""

    images = [Image(f"{name} {number}".encode()) for number in range(NAMED + 2)]
    for image in images:
        await image.push(client, name, "v1")  # takes the tag from the one before
    keeping = await collector.run(silent)
    assert keeping.changes == 0
    await asyncio.sleep(0.6)
    await collector.run(silent, dry_run=True)
    assert not [entry for entry in await told() if entry.method == METHOD], "a dry run takes nothing"
    await collector.run(silent)
    entries = [entry for entry in await told() if entry.method == METHOD]
    assert {(entry.resource.kind, entry.resource.name, entry.actor.name) for entry in entries} == {
        ("image", name, "registry")
    }
    requests = [json.loads(entry.request) for entry in entries]
    named = [removed for request in requests for removed in request["removed"]]
    assert max(len(request["removed"]) for request in requests) <= NAMED
    assert sorted(one["reference"] for one in named) == sorted(image.digest for image in images[:-1])
    assert all(one["kind"] == "manifest" and one["why"].startswith("unused since") for one in named)


async def test_what_is_refused_is_told_too_and_a_flood_of_it_is_counted(
    client: Client, registry: Registry, name: str, told
) -> None:
    image = Image(b"one")
    await image.push(client, name, "v1")
    viewer = registry.client("viewer")
    for _ in range(15):
        refused = await viewer.call("DELETE", f"/v2/{name}/manifests/v1")
        assert refused.code == "DENIED"
    bad = await client.push_manifest(name, "v9", b"{}", OCI_MANIFEST)
    assert bad.status == 400
    # A challenge asks for a token and refuses nothing.
    async with registry.http.delete(f"{registry.base}/v2/{name}/manifests/v1") as challenged:
        assert challenged.status == 401
    entries = (await told())[1:]
    denied, failed = entries[:-1], entries[-1]
    assert {(one.method, one.actor.name, one.result, one.reason) for one in denied} == {
        ("registry.DeleteManifest", "viewer", pb.AUDIT_RESULT_DENIED, "DENIED")
    }
    assert len(denied) == 10
    assert (failed.method, failed.result, failed.reason) == (
        "registry.PutManifest",
        pb.AUDIT_RESULT_FAILED,
        bad.code,
    )
