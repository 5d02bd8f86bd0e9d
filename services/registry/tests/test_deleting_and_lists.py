"""Deleting, tags, catalog, referrers."""

import uuid
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from cloudly.registry.v1 import image_pb2, image_pb2_grpc
from cloudly_kit.ids import new_id
from cloudly_registry.manifest_format import OCI_INDEX, OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.testing import CONFIG, Answer, Client, Image, Registry, descriptor, index_of, running_registry


async def tags_of(client: Client, name: str, **params: str) -> Answer:
    answer = await client.call("GET", f"/v2/{name}/tags/list", params=params)
    assert answer.status == 200, answer.body
    return answer


async def test_a_deleted_tag_leaves_the_manifest_and_other_tags(client: Client, name: str) -> None:
    image = Image(b"one")
    for tag in ("v1", "latest"):
        await image.push(client, name, tag)
    assert (await client.call("DELETE", f"/v2/{name}/manifests/v1")).status == 202
    assert (await client.call("GET", f"/v2/{name}/manifests/v1")).code == "MANIFEST_UNKNOWN"
    for reference in ("latest", image.digest):
        assert (await client.call("GET", f"/v2/{name}/manifests/{reference}")).status == 200
    assert (await tags_of(client, name)).json == {"name": name, "tags": ["latest"]}
    assert (await client.call("DELETE", f"/v2/{name}/manifests/v1")).code == "MANIFEST_UNKNOWN"


async def test_a_deleted_manifest_takes_its_tags_along(client: Client, registry: Registry, name: str) -> None:
    old, new = Image(b"old", b"shared"), Image(b"new", b"shared")
    await old.push(client, name, "v1")
    await old.push(client, name, "also-v1")
    await new.push(client, name, "v2")
    async with registry.replica() as second:
        other = second.client()
        assert (await other.call("GET", f"/v2/{name}/manifests/{old.digest}")).status == 200
        assert (await client.call("DELETE", f"/v2/{name}/manifests/{old.digest}")).status == 202
        for reference in ("v1", "also-v1", old.digest):
            assert (await client.call("GET", f"/v2/{name}/manifests/{reference}")).code == "MANIFEST_UNKNOWN"
        for _ in range(50):
            there = await other.call("GET", f"/v2/{name}/manifests/{old.digest}")
            if there.status == 404:
                break
        assert there.code == "MANIFEST_UNKNOWN", "the other replica forgets it by a hint"
    assert (await tags_of(client, name)).json["tags"] == ["v2"]
    assert (await client.call("GET", f"/v2/{name}/manifests/v2")).body == new.manifest
    assert (await client.call("DELETE", f"/v2/{name}/manifests/{old.digest}")).code == "MANIFEST_UNKNOWN"


async def test_a_blob_is_deleted_when_no_manifest_needs_it(client: Client, name: str) -> None:
    image = Image(b"one")
    await image.push(client, name, "v1")
    digest = digest_of(image.layers[0])
    refused = await client.call("DELETE", f"/v2/{name}/blobs/{digest}")
    assert (refused.status, refused.code) == (405, "UNSUPPORTED")
    await client.call("DELETE", f"/v2/{name}/manifests/{image.digest}")
    assert (await client.call("DELETE", f"/v2/{name}/blobs/{digest}")).status == 202
    assert (await client.call("GET", f"/v2/{name}/blobs/{digest}")).code == "BLOB_UNKNOWN"
    assert (await client.call("DELETE", f"/v2/{name}/blobs/{digest}")).code == "BLOB_UNKNOWN"
    assert (await image.push(client, name, "v1")).status == 201


async def test_a_deleted_blob_stays_in_other_repositories(client: Client, name: str) -> None:
    digest = await client.push_blob(name, b"shared")
    await client.push_blob(f"{name}/other", b"shared")
    assert (await client.call("DELETE", f"/v2/{name}/blobs/{digest}")).status == 202
    assert (await client.call("GET", f"/v2/{name}/other/blobs/{digest}")).body == b"shared"


async def test_what_a_cluster_pins_is_not_deleted(client: Client, registry: Registry, name: str) -> None:
    image, cluster_id = Image(b"one"), new_id()
    await image.push(client, name, "v1")
    token = registry.auth.issue(name="clusters", type="service", audience="service")
    async with registry.harness.channel("registry", token=token) as channel:
        pins = image_pb2_grpc.ImageServiceStub(channel)
        request = image_pb2.SetPinsRequest(cluster_id=cluster_id, digests=[image.digest], revision=1)
        await pins.SetPins(request)
        refused = await client.call("DELETE", f"/v2/{name}/manifests/{image.digest}")
        assert (refused.status, refused.code) == (403, "DENIED")
        assert cluster_id in refused.json["errors"][0]["message"]
        assert (await client.call("DELETE", f"/v2/{name}/manifests/v1")).status == 202
        await pins.SetPins(image_pb2.SetPinsRequest(cluster_id=cluster_id, revision=2))
        assert (await client.call("DELETE", f"/v2/{name}/manifests/{image.digest}")).status == 202


async def test_deleting_can_be_switched_off(scratch: Path, mongo_url: str, redis_url: str, name: str) -> None:
    directory = scratch / f"r{uuid.uuid4().hex[:7]}"
    async with running_registry(directory, mongo_url, redis_url, deletes=False) as registry:
        client, image = registry.client(), Image(b"one")
        await image.push(client, name, "v1")
        for path in ("manifests/v1", f"manifests/{image.digest}", f"blobs/{digest_of(image.config)}"):
            refused = await client.call("DELETE", f"/v2/{name}/{path}")
            assert (refused.status, refused.code) == (405, "UNSUPPORTED")


async def test_tags_come_in_pages_and_in_order(client: Client, name: str) -> None:
    image = Image(b"one")
    tags = ["v10", "v2", "a", "B", "latest", "_x"]
    for tag in tags:
        await image.push(client, name, tag)
    in_order = sorted(tags)
    assert (await tags_of(client, name)).json["tags"] == in_order
    found: list[str] = []
    params = {"n": "4"}
    while True:
        page = await tags_of(client, name, **params)
        found += page.json["tags"]
        link = page.headers.get("Link")
        if not link:
            break
        assert link.endswith('; rel="next"')
        params = {k: v[0] for k, v in parse_qs(urlsplit(link[1 : link.index(">")]).query).items()}
    assert found == in_order
    assert (await tags_of(client, name, n="0")).json["tags"] == []
    assert (await tags_of(client, name, last="latest")).json["tags"] == ["v10", "v2"]
    assert "Link" not in (await tags_of(client, name, n="6")).headers
    refused = await client.call("GET", f"/v2/{name}/tags/list", params={"n": "x"})
    assert (refused.status, refused.code) == (400, "PAGINATION_NUMBER_INVALID")


async def test_a_repository_without_tags_has_an_empty_list(client: Client, name: str) -> None:
    await client.push_blob(name, b"x")
    assert (await tags_of(client, name)).json == {"name": name, "tags": []}


async def test_the_catalog_names_repositories(client: Client, registry: Registry, name: str) -> None:
    for part in ("a", "b", "c"):
        await client.push_blob(f"{name}/{part}", b"x")
    scope = "registry:catalog:*"
    page = await client.call("GET", "/v2/_catalog", scope=scope, params={"n": "2", "last": name})
    assert page.json["repositories"] == [f"{name}/a", f"{name}/b"]
    assert 'rel="next"' in page.headers["Link"]
    refused = await registry.client("nobody").call("GET", "/v2/_catalog", scope=scope)
    assert (refused.status, refused.code) == (403, "DENIED")


async def attach(client: Client, name: str, subject: bytes, **extra: object) -> tuple[bytes, Answer]:
    await client.push_blob(name, b"{}")
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [],
        "subject": descriptor(OCI_MANIFEST, subject),
        **extra,
    }
    body = orjson.dumps(manifest)
    return body, await client.push_manifest(name, digest_of(body), body, OCI_MANIFEST)


async def test_referrers_are_listed_and_filtered(client: Client, name: str) -> None:
    image = Image(b"one")
    await image.push(client, name, "v1")
    sbom, pushed = await attach(
        client, name, image.manifest, artifactType="application/sbom", annotations={"a.b": "$c"}
    )
    assert (pushed.status, pushed.headers["OCI-Subject"]) == (201, image.digest)
    signature, _ = await attach(client, name, image.manifest, artifactType="application/signature")
    plain, _ = await attach(client, name, image.manifest)

    listed = await client.call("GET", f"/v2/{name}/referrers/{image.digest}")
    assert (listed.status, listed.headers["Content-Type"]) == (200, OCI_INDEX)
    assert "OCI-Filters-Applied" not in listed.headers
    found = {entry["digest"]: entry for entry in listed.json["manifests"]}
    assert found.keys() == {digest_of(body) for body in (sbom, signature, plain)}
    assert found[digest_of(sbom)] == {
        "mediaType": OCI_MANIFEST,
        "digest": digest_of(sbom),
        "size": len(sbom),
        "artifactType": "application/sbom",
        "annotations": {"a.b": "$c"},
    }
    assert found[digest_of(plain)]["artifactType"] == "application/vnd.oci.empty.v1+json"

    filtered = await client.call(
        "GET", f"/v2/{name}/referrers/{image.digest}", params={"artifactType": "application/sbom"}
    )
    assert filtered.headers["OCI-Filters-Applied"] == "artifactType"
    assert [entry["digest"] for entry in filtered.json["manifests"]] == [digest_of(sbom)]

    await client.call("DELETE", f"/v2/{name}/manifests/{digest_of(sbom)}")
    listed = await client.call("GET", f"/v2/{name}/referrers/{image.digest}")
    assert len(listed.json["manifests"]) == 2


async def test_a_subject_may_come_later_or_never(client: Client, name: str) -> None:
    _, pushed = await attach(client, name, b"not pushed yet")
    assert pushed.status == 201
    listed = await client.call("GET", f"/v2/{name}/referrers/{digest_of(b'not pushed yet')}")
    assert len(listed.json["manifests"]) == 1


@pytest.mark.parametrize("pushed", [True, False])
async def test_nothing_refers_to_an_unknown_digest(client: Client, name: str, pushed: bool) -> None:
    if pushed:
        await client.push_blob(name, b"x")
    listed = await client.call("GET", f"/v2/{name}/referrers/{digest_of(b'?')}")
    assert (listed.status, listed.json["manifests"]) == (200, [])
    refused = await client.call("GET", f"/v2/{name}/referrers/sha256:short")
    assert (refused.status, refused.code) == (400, "DIGEST_INVALID")


async def test_an_index_can_be_an_artifact_with_a_subject(client: Client, name: str) -> None:
    image = Image(b"one")
    await image.push(client, name, "v1")
    body = orjson.dumps(
        {
            **orjson.loads(index_of(image)),
            "subject": descriptor(OCI_MANIFEST, image.manifest),
            "artifactType": "application/bundle",
        }
    )
    pushed = await client.push_manifest(name, digest_of(body), body, OCI_INDEX)
    assert pushed.headers["OCI-Subject"] == image.digest
    listed = await client.call("GET", f"/v2/{name}/referrers/{image.digest}")
    assert [(e["mediaType"], e["artifactType"]) for e in listed.json["manifests"]] == [
        (OCI_INDEX, "application/bundle")
    ]


async def test_a_manifest_that_was_pushed_twice_counts_once(client: Client, registry: Registry, name: str) -> None:
    image = Image(b"one")
    for tag in ("a", "b", "a"):
        await image.push(client, name, tag)
    async with registry.harness.channel("registry", "admin") as channel:
        images = image_pb2_grpc.ImageServiceStub(channel)
        listed = await images.ListImages(image_pb2.ListImagesRequest(filter=f'repository = "{name}"'))
    assert len(listed.images) == 1
    found = listed.images[0]
    total = len(image.manifest) + sum(len(blob) for blob in image.blobs)
    assert (found.version_count, found.size_bytes) == (2, total)
    assert {v.tag for v in found.versions} == {"a", "b"}
    assert CONFIG in image.manifest.decode()
