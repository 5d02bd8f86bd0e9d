"""Push and pull over real HTTP: what is pushed whole is readable, and nothing else is."""

import orjson
import pytest
from cloudly_registry.manifest_format import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.testing import CONFIG, LAYER, Client, Image, Registry, descriptor, index_of


async def test_an_image_is_pulled_as_it_was_pushed(client: Client, name: str) -> None:
    image = Image(b"one", b"two")
    pushed = await image.push(client, name, "latest")
    assert pushed.status == 201
    assert pushed.headers["Docker-Content-Digest"] == image.digest
    assert pushed.headers["Location"] == f"/v2/{name}/manifests/{image.digest}"
    for reference in ("latest", image.digest):
        pulled = await client.call("GET", f"/v2/{name}/manifests/{reference}")
        assert (pulled.status, pulled.body) == (200, image.manifest)
        assert pulled.headers["Content-Type"] == OCI_MANIFEST
        assert pulled.headers["Docker-Content-Digest"] == image.digest
        head = await client.call("HEAD", f"/v2/{name}/manifests/{reference}")
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(image.manifest)))
    for blob in image.blobs:
        pulled = await client.call("GET", f"/v2/{name}/blobs/{digest_of(blob)}")
        assert (pulled.status, pulled.body) == (200, blob)
        assert pulled.headers["Docker-Content-Digest"] == digest_of(blob)
        head = await client.call("HEAD", f"/v2/{name}/blobs/{digest_of(blob)}")
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(blob)))


async def test_a_blob_in_one_request(client: Client, name: str) -> None:
    digest = digest_of(b"monolith")
    done = await client.call("POST", f"/v2/{name}/blobs/uploads/", params={"digest": digest}, data=b"monolith")
    assert done.status == 201
    assert done.headers["Location"] == f"/v2/{name}/blobs/{digest}"
    assert (await client.call("GET", done.headers["Location"])).body == b"monolith"


async def test_sha512_digests_work_as_sha256_ones_do(client: Client, name: str) -> None:
    data = b"x" * 5000
    digest = digest_of(data, "sha512")
    begun = await client.call("POST", f"/v2/{name}/blobs/uploads/")
    moved = await client.call("PATCH", begun.headers["Location"], data=data)
    done = await client.call("PUT", moved.headers["Location"], params={"digest": digest})
    assert done.status == 201
    assert (await client.call("GET", f"/v2/{name}/blobs/{digest}")).body == data
    image = Image(b"one")
    for blob in image.blobs:
        await client.push_blob(name, blob)
    reference = digest_of(image.manifest, "sha512")
    pushed = await client.push_manifest(name, reference, image.manifest, OCI_MANIFEST)
    assert (pushed.status, pushed.headers["Docker-Content-Digest"]) == (201, reference)
    assert (await client.call("GET", f"/v2/{name}/manifests/{reference}")).body == image.manifest


async def test_an_empty_blob(client: Client, name: str) -> None:
    digest = await client.push_blob(name, b"")
    pulled = await client.call("GET", f"/v2/{name}/blobs/{digest}")
    assert (pulled.status, pulled.body) == (200, b"")


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [("bytes=0-4", 206, 0, 5), ("bytes=10-", 206, 10, 100), ("bytes=-7", 206, 93, 100), ("bytes=90-500", 206, 90, 100)],
)
async def test_ranges_of_blobs(client: Client, name: str, asked: str, status: int, start: int, end: int) -> None:
    data = bytes(range(100))
    digest = await client.push_blob(name, data)
    part = await client.call("GET", f"/v2/{name}/blobs/{digest}", headers={"Range": asked})
    assert (part.status, part.body) == (status, data[start:end])
    assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/100"


async def test_a_range_behind_the_end_is_not_satisfiable(client: Client, name: str) -> None:
    digest = await client.push_blob(name, b"abc")
    part = await client.call("GET", f"/v2/{name}/blobs/{digest}", headers={"Range": "bytes=3-5"})
    assert (part.status, part.headers["Content-Range"]) == (416, "bytes */3")


async def test_an_index_of_two_platforms(client: Client, name: str, registry: Registry) -> None:
    amd, arm = Image(b"one", b"shared"), Image(b"two", b"shared", architecture="arm64")
    for image in (amd, arm):
        await image.push(client, name)
    body = index_of(amd, arm)
    assert (await client.push_manifest(name, "multi", body, OCI_INDEX)).status == 201
    pulled = await client.call("GET", f"/v2/{name}/manifests/multi")
    assert (pulled.body, pulled.headers["Content-Type"]) == (body, OCI_INDEX)


async def test_a_docker_manifest_keeps_its_media_type(client: Client, name: str) -> None:
    blob = await client.push_blob(name, b"{}")
    config = {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": blob, "size": 2}
    body = orjson.dumps({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": []})
    assert (await client.push_manifest(name, "docker", body, DOCKER_MANIFEST)).status == 201
    assert (await client.call("GET", f"/v2/{name}/manifests/docker")).headers["Content-Type"] == DOCKER_MANIFEST


async def test_a_manifest_without_its_blobs_is_refused(client: Client, name: str) -> None:
    image = Image(b"one", b"two")
    await client.push_blob(name, image.config)
    await client.push_blob(name, image.layers[0])
    refused = await client.push_manifest(name, "latest", image.manifest, OCI_MANIFEST)
    assert (refused.status, refused.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert refused.json["errors"][0]["detail"] == [{"digest": digest_of(image.layers[1])}]
    assert (await client.call("GET", f"/v2/{name}/manifests/latest")).code == "MANIFEST_UNKNOWN"
    assert (await client.call("GET", f"/v2/{name}/manifests/{image.digest}")).code == "MANIFEST_UNKNOWN"


async def test_an_index_without_its_manifests_is_refused(client: Client, name: str) -> None:
    image, absent = Image(b"one"), Image(b"two")
    await image.push(client, name)
    refused = await client.push_manifest(name, "multi", index_of(image, absent), OCI_INDEX)
    assert (refused.status, refused.code) == (404, "MANIFEST_BLOB_UNKNOWN")


async def test_a_blob_of_one_repository_is_not_readable_through_another(client: Client, name: str) -> None:
    digest = await client.push_blob(f"{name}/secret", b"secret")
    await client.push_blob(name, b"other")
    for method in ("GET", "HEAD"):
        assert (await client.call(method, f"/v2/{name}/blobs/{digest}")).status == 404
    refused = await client.push_manifest(
        name,
        "steal",
        orjson.dumps(
            {
                "schemaVersion": 2,
                "config": descriptor(CONFIG, b"other"),
                "layers": [descriptor(LAYER, b"secret")],
            }
        ),
        OCI_MANIFEST,
    )
    assert refused.code == "MANIFEST_BLOB_UNKNOWN"


async def test_a_manifest_of_one_repository_is_not_readable_through_another(client: Client, name: str) -> None:
    image = Image(b"one")
    await image.push(client, f"{name}/secret", "latest")
    await client.push_blob(name, b"x")
    assert (await client.call("GET", f"/v2/{name}/secret/manifests/{image.digest}")).status == 200
    assert (await client.call("GET", f"/v2/{name}/manifests/{image.digest}")).code == "MANIFEST_UNKNOWN"


async def test_a_manifest_under_a_wrong_digest_is_refused(client: Client, name: str) -> None:
    image = Image(b"one")
    await image.push(client, name)
    refused = await client.push_manifest(name, digest_of(b"x"), image.manifest, OCI_MANIFEST)
    assert (refused.status, refused.code) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"no json", OCI_MANIFEST),
        (b"[]", OCI_MANIFEST),
        (b"{}", OCI_MANIFEST),
        (b'{"schemaVersion":1}', OCI_MANIFEST),
        (b'{"schemaVersion":2}', OCI_MANIFEST),
        (b'{"schemaVersion":2,"config":{}}', OCI_MANIFEST),
        (b'{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:1","size":1}}', OCI_MANIFEST),
        (b'{"schemaVersion":2,"config":"x"}', OCI_MANIFEST),
        (b'{"schemaVersion":2,"mediaType":"' + OCI_INDEX.encode() + b'","manifests":[]}', OCI_MANIFEST),
        (b'{"schemaVersion":2,"manifests":[],"layers":[]}', OCI_INDEX),
        (b'{"schemaVersion":2,"manifests":[],"annotations":{"a":1}}', OCI_INDEX),
        (b'{"schemaVersion":2}', "application/octet-stream"),
        (b'{"schemaVersion":2}', ""),
    ],
)
async def test_what_is_no_manifest_is_refused(client: Client, name: str, body: bytes, media_type: str) -> None:
    refused = await client.push_manifest(name, "bad", body, media_type)
    assert refused.status in (400, 415)
    assert refused.code == "MANIFEST_INVALID"


async def test_a_manifest_of_five_megabytes_is_refused(client: Client, name: str) -> None:
    refused = await client.push_manifest(name, "big", b" " * (5 << 20), OCI_MANIFEST)
    assert (refused.status, refused.code) == (413, "SIZE_INVALID")

    async def chunked():
        for _ in range(5):
            yield b" " * (1 << 20)

    refused = await client.call(
        "PUT", f"/v2/{name}/manifests/big", data=chunked(), headers={"Content-Type": OCI_MANIFEST}
    )
    assert refused.status == 413


@pytest.mark.parametrize(
    "path", ["UPPER", "a//b", "a/", "-a", "a..b", "a_", "%C3%A4", "a%20b", "a" * 256, "a/../b", "a/./b", "a/%2e%2e/b"]
)
async def test_a_repository_outside_of_the_grammar_is_refused(client: Client, registry: Registry, path: str) -> None:
    from yarl import URL

    token = await client.token("repository:x:pull,push")
    headers = {"Authorization": f"Bearer {token}"}
    for method, end in (("POST", "blobs/uploads/"), ("GET", "tags/list")):
        url = URL(f"{registry.base}/v2/{path}/{end}", encoded=True)
        async with registry.http.request(method, url, headers=headers) as answer:
            assert answer.status in (400, 404), url
            assert (await answer.json())["errors"][0]["code"] in ("NAME_INVALID", "UNKNOWN")


@pytest.mark.parametrize("tag", ["-a", ".a", "a" * 129, "a+b", "ä"])
async def test_a_tag_outside_of_the_grammar_is_refused(client: Client, name: str, tag: str) -> None:
    image = Image(b"one")
    refused = await client.push_manifest(name, tag, image.manifest, OCI_MANIFEST)
    assert (refused.status, refused.code) == (400, "MANIFEST_INVALID")


@pytest.mark.parametrize("digest", ["sha256:abc", "md5:" + "0" * 32, "sha256:" + "A" * 64, "sha256:" + "g" * 64])
async def test_a_digest_outside_of_the_grammar_is_refused(client: Client, name: str, digest: str) -> None:
    await client.push_blob(name, b"x")
    assert (await client.call("GET", f"/v2/{name}/blobs/{digest}")).code == "DIGEST_INVALID"
    assert (await client.call("GET", f"/v2/{name}/manifests/{digest}")).code == "DIGEST_INVALID"
    begun = await client.call("POST", f"/v2/{name}/blobs/uploads/")
    refused = await client.call("PUT", begun.headers["Location"], params={"digest": digest}, data=b"x")
    assert (refused.status, refused.code) == (400, "DIGEST_INVALID")


async def test_an_unknown_repository_is_said_to_be_unknown(client: Client, name: str) -> None:
    for path in ("tags/list", "manifests/latest", f"blobs/{digest_of(b'x')}"):
        refused = await client.call("GET", f"/v2/{name}/{path}")
        assert (refused.status, refused.code) == (404, "NAME_UNKNOWN")


async def test_an_unknown_method_is_unsupported(client: Client, name: str) -> None:
    refused = await client.call("POST", f"/v2/{name}/manifests/latest", data=b"")
    assert (refused.status, refused.code) == (405, "UNSUPPORTED")


async def test_the_same_blob_pushed_twice_is_kept_once(client: Client, name: str, registry: Registry) -> None:
    data = name.encode() * 1000
    digest = await client.push_blob(name, data)
    await client.push_blob(f"{name}/other", data)
    await client.push_blob(name, data)
    files = [p for p in (registry.settings.data_dir / "objects/registry").rglob("*") if p.is_file()]
    assert [p.stat().st_size for p in files if p.read_bytes() == data] == [len(data)]
    for each in (name, f"{name}/other"):
        assert (await client.call("GET", f"/v2/{each}/blobs/{digest}")).body == data


async def test_a_blob_is_mounted_from_another_repository(client: Client, name: str) -> None:
    digest = await client.push_blob(f"{name}/base", b"base")
    scopes = f"repository:{name}:pull,push repository:{name}/base:pull"
    mounted = await client.call(
        "POST", f"/v2/{name}/blobs/uploads/", params={"mount": digest, "from": f"{name}/base"}, scope=scopes
    )
    assert (mounted.status, mounted.headers["Location"]) == (201, f"/v2/{name}/blobs/{digest}")
    assert (await client.call("GET", f"/v2/{name}/blobs/{digest}")).body == b"base"


async def test_a_mount_of_what_is_not_there_or_not_allowed_becomes_an_upload(client: Client, name: str) -> None:
    digest = await client.push_blob(f"{name}/base", b"base")
    own = f"repository:{name}:pull,push"
    both = f"{own} repository:{name}/base:pull"
    for params, scope in (
        ({"mount": digest_of(b"absent"), "from": f"{name}/base"}, both),
        ({"mount": digest, "from": f"{name}/absent"}, both),
        ({"mount": digest, "from": f"{name}/base"}, own),
        ({"mount": digest_of(b"absent")}, both),
    ):
        begun = await client.call("POST", f"/v2/{name}/blobs/uploads/", params=params, scope=scope)
        assert begun.status == 202
        assert "/blobs/uploads/" in begun.headers["Location"]
    assert (await client.call("GET", f"/v2/{name}/blobs/{digest}")).status == 404


async def test_if_none_match_saves_the_body(client: Client, name: str) -> None:
    image = Image(b"one")
    await image.push(client, name, "latest")
    again = await client.call("GET", f"/v2/{name}/manifests/latest", headers={"If-None-Match": f'"{image.digest}"'})
    assert (again.status, again.body) == (304, b"")


async def test_a_tag_that_is_moved_through_another_replica_is_seen_at_once(
    client: Client, name: str, registry: Registry
) -> None:
    old, new = Image(b"old"), Image(b"new")
    await old.push(client, name, "latest")
    async with registry.replica() as second:
        other = second.client()
        assert (await other.call("GET", f"/v2/{name}/manifests/latest")).body == old.manifest
        await new.push(other, name, "latest")
        assert (await client.call("GET", f"/v2/{name}/manifests/latest")).body == new.manifest
        assert (await client.call("GET", f"/v2/{name}/manifests/{old.digest}")).body == old.manifest
