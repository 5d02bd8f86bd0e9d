"""OCI Distribution 1.1, one test an end point, named with its number in the specification."""

import pytest
from cloudly_registry.manifest_format import OCI_INDEX, OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Image, Registry, descriptor

from tests.ranges import answers_ranges_as_it_has_to

ABSENT = digest_of(b"absent")


async def test_end_1_this_is_a_registry(client: Client) -> None:
    assert (await client.call("GET", "/v2/", scope="repository:x:pull")).status == 200


async def test_end_2_a_blob_is_pulled_whole_in_part_or_not_again(client: Client, name: str) -> None:
    digest = await client.push_blob(name, b"0123456789")
    where = f"/v2/{name}/blobs/{digest}"
    for method, body in (("GET", b"0123456789"), ("HEAD", b"")):
        whole = await client.call(method, where)
        assert (whole.status, whole.body, whole.headers["Content-Length"]) == (200, body, "10")
        assert (whole.headers["Docker-Content-Digest"], whole.headers["ETag"]) == (digest, f'"{digest}"')
    part = await client.call("GET", where, headers={"Range": "bytes=2-4"})
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert (await client.call("GET", where, headers={"Range": "bytes=10-"})).status == 416
    same = await client.call("GET", where, headers={"If-None-Match": f'"{digest}"'})
    assert (same.status, same.body) == (304, b"")
    for reference, status, code in ((ABSENT, 404, "BLOB_UNKNOWN"), ("sha256:abc", 400, "DIGEST_INVALID")):
        refused = await client.call("GET", f"/v2/{name}/blobs/{reference}")
        assert (refused.status, refused.code) == (status, code)


async def test_end_2_range_headers_that_do_not_count_are_passed_over(client: Client, name: str) -> None:
    await answers_ranges_as_it_has_to(client, name)


async def test_end_3_a_manifest_is_pulled_by_tag_and_by_digest(client: Client, name: str) -> None:
    image = Image(b"one")
    await image.push(client, name, "v1")
    for reference in ("v1", image.digest):
        for method, body in (("GET", image.manifest), ("HEAD", b"")):
            found = await client.call(method, f"/v2/{name}/manifests/{reference}")
            assert (found.status, found.body) == (200, body)
            assert found.headers["Content-Length"] == str(len(image.manifest))
            assert (found.headers["Docker-Content-Digest"], found.headers["Content-Type"]) == (
                image.digest,
                OCI_MANIFEST,
            )
    for reference in ("v2", ABSENT):
        assert (await client.call("HEAD", f"/v2/{name}/manifests/{reference}")).status == 404


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_end_4a_5_6_chunks_in_order_become_a_blob(client: Client, name: str, algorithm: str) -> None:
    digest = digest_of(b"hello world", algorithm)
    begun = await client.call("POST", f"/v2/{name}/blobs/uploads/", params={"digest-algorithm": algorithm})
    assert begun.status == 202
    moved = await client.call("PATCH", begun.headers["Location"], data=b"hello", headers={"Content-Range": "0-4"})
    assert (moved.status, moved.headers["Range"]) == (202, "0-4")
    early = await client.call("PATCH", moved.headers["Location"], data=b"x", headers={"Content-Range": "7-7"})
    assert (early.status, early.headers["Range"]) == (416, "0-4")
    done = await client.call(
        "PUT", early.headers["Location"], data=b" world", params={"digest": digest}, headers={"Content-Range": "5-10"}
    )
    assert (done.status, (await client.call("GET", done.headers["Location"])).body) == (201, b"hello world")


async def test_end_4b_a_blob_in_one_request(client: Client, name: str) -> None:
    where = f"/v2/{name}/blobs/uploads/"
    done = await client.call("POST", where, params={"digest": digest_of(b"hello")}, data=b"hello")
    assert (done.status, (await client.call("GET", done.headers["Location"])).body) == (201, b"hello")
    wrong = await client.call("POST", where, params={"digest": ABSENT}, data=b"hello")
    assert (wrong.status, wrong.code) == (400, "DIGEST_INVALID")
    assert (await client.call("GET", f"/v2/{name}/blobs/{ABSENT}")).status == 404


async def test_end_4c_an_unknown_algorithm_is_refused(client: Client, name: str) -> None:
    refused = await client.call("POST", f"/v2/{name}/blobs/uploads/", params={"digest-algorithm": "md5"})
    assert (refused.status, refused.code) == (400, "DIGEST_INVALID")


async def test_end_7_a_manifest_is_taken_with_tags_and_refused_without_its_blobs(client: Client, name: str) -> None:
    image, other = Image(b"one"), Image(b"two")
    await image.push(client, name)
    headers = {"Content-Type": OCI_MANIFEST}
    where = f"/v2/{name}/manifests/{image.digest}"
    tagged = await client.call("PUT", where, params=[("tag", "a"), ("tag", "b")], data=image.manifest, headers=headers)
    assert (tagged.status, tagged.headers["OCI-Tag"], tagged.headers["Location"]) == (201, "a, b", where)
    for tag in ("a", "b"):
        assert (await client.call("GET", f"/v2/{name}/manifests/{tag}")).body == image.manifest
    refused = await client.push_manifest(name, "v1", other.manifest, OCI_MANIFEST)
    assert (refused.status, refused.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    large = await client.push_manifest(name, "v1", b" " * 5_000_000, OCI_MANIFEST)
    assert large.status == 413
    assert (await client.call("GET", f"/v2/{name}/manifests/v1")).status == 404


async def test_end_8a_8b_tags_are_listed_in_order_and_in_pages(client: Client, name: str) -> None:
    image = Image(b"one")
    for tag in ("b", "a", "C"):
        await image.push(client, name, tag)
    where = f"/v2/{name}/tags/list"
    assert (await client.call("GET", where)).json == {"name": name, "tags": ["C", "a", "b"]}
    page = await client.call("GET", where, params={"n": "2"})
    assert page.json["tags"] == ["C", "a"]
    assert page.headers["Link"] == f'<{where}?n=2&last=a>; rel="next"'
    rest = await client.call("GET", where, params={"last": "a"})
    assert (rest.json["tags"], "Link" in rest.headers) == (["b"], False)
    none = await client.call("GET", where, params={"n": "0"})
    assert (none.json["tags"], "Link" in none.headers) == ([], False)


async def test_end_9_10_tags_manifests_and_blobs_are_deleted(client: Client, name: str) -> None:
    image = Image(b"one")
    await image.push(client, name, "v1")
    for path in ("manifests/v1", f"manifests/{image.digest}", f"blobs/{digest_of(image.config)}"):
        for status in (202, 404):
            assert (await client.call("DELETE", f"/v2/{name}/{path}")).status == status, path
        assert (await client.call("GET", f"/v2/{name}/{path}")).status == 404


async def test_end_11_a_blob_is_mounted_with_and_without_its_source(client: Client, name: str) -> None:
    digest = await client.push_blob(f"{name}/base", name.encode())
    scope = f"repository:{name}:pull,push repository:{name}/base:pull"
    for params in ({"mount": digest, "from": f"{name}/base"}, {"mount": digest}):
        mounted = await client.call("POST", f"/v2/{name}/blobs/uploads/", params=params, scope=scope)
        assert (mounted.status, mounted.headers["Location"]) == (201, f"/v2/{name}/blobs/{digest}")
        assert (await client.call("DELETE", f"/v2/{name}/blobs/{digest}")).status == 202


async def test_end_12a_12b_what_refers_to_a_manifest_is_listed_and_filtered(client: Client, name: str) -> None:
    base = Image(b"base")
    subject = descriptor(OCI_MANIFEST, base.manifest)
    for number, kind in enumerate(("application/vnd.example.sbom", "application/vnd.example.signature")):
        artifact = Image(b"%d" % number, subject=subject, artifactType=kind, annotations={"n": str(number)})
        pushed = await artifact.push(client, name)
        assert (pushed.status, pushed.headers["OCI-Subject"]) == (201, base.digest)
    where = f"/v2/{name}/referrers/{base.digest}"
    listed = await client.call("GET", where)
    assert (listed.status, listed.headers["Content-Type"], len(listed.json["manifests"])) == (200, OCI_INDEX, 2)
    sboms = await client.call("GET", where, params={"artifactType": "application/vnd.example.sbom"})
    assert sboms.headers["OCI-Filters-Applied"] == "artifactType"
    assert [entry["annotations"] for entry in sboms.json["manifests"]] == [{"n": "0"}]
    assert (await client.call("GET", f"/v2/{name}/referrers/{ABSENT}")).json["manifests"] == []
    assert (await client.call("GET", f"/v2/{name}/referrers/nonsense")).status == 400


async def test_end_13_14_an_upload_tells_where_it_stands_and_is_cancelled(client: Client, name: str) -> None:
    begun = await client.call("POST", f"/v2/{name}/blobs/uploads/")
    where = begun.headers["Location"]
    await client.call("PATCH", where, data=b"hello")
    status = await client.call("GET", where)
    assert (status.status, status.headers["Range"], status.headers["Location"]) == (204, "0-4", where)
    assert (await client.call("DELETE", where)).status == 204
    assert (await client.call("GET", where)).code == "BLOB_UPLOAD_UNKNOWN"


async def test_deletes_that_are_switched_off_are_unsupported(client: Client, registry: Registry, name: str) -> None:
    image = Image(b"one")
    await image.push(client, name, "v1")
    async with registry.replica(deletes=False) as closed:
        for path in ("manifests/v1", f"manifests/{image.digest}", f"blobs/{digest_of(image.config)}"):
            refused = await closed.client().call("DELETE", f"/v2/{name}/{path}")
            assert (refused.status, refused.code) == (405, "UNSUPPORTED")
