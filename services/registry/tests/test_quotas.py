"""Quotas: what does not fit is refused before it is sent, and what fits is not."""

import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cloudly_registry import quotas
from cloudly_registry.manifest_format import OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Answer, Client, Image, Registry

from tests.programs import run

MIB = 1 << 20


async def begin(client: Client, name: str) -> str:
    return (await client.call("POST", f"/v2/{name}/blobs/uploads/")).headers["Location"]


def assert_refused(answer: Answer, held: str, quota: str) -> None:
    assert (answer.status, answer.code) == (403, "DENIED"), answer.body
    message = answer.json["errors"][0]["message"]
    assert f"holds {held} and its quota is {quota};" in message
    assert "delete versions, or have the quota raised" in message


async def sent(pieces: list[bytes], count: list[int]) -> AsyncIterator[bytes]:
    """A body without a length, which counts what is asked of it."""
    for piece in pieces:
        count[0] += len(piece)
        yield piece


async def test_bytes_whose_length_is_told_are_refused_before_they_are_sent(
    client: Client, registry: Registry, name: str
) -> None:
    await registry.set_quota(name, 10 * MIB)
    url = await begin(client, name)
    digest = "sha256:" + "0" * 64
    heads = {"Content-Length": str(1 << 40), "Expect": "100-continue"}
    count = [0]
    for method, path, query in (
        ("PATCH", url, {}),
        ("PUT", await begin(client, name), {"digest": digest}),
        ("POST", f"/v2/{name}/blobs/uploads/", {"digest": digest}),
    ):
        body = sent([bytes(MIB)] * 100, count)
        refused = await client.call(method, path, params=query, data=body, headers=heads, expect100=True)
        assert_refused(refused, "0 bytes", "10.00 MiB")
    assert count == [0], "nothing was sent"
    assert (await client.call("GET", url)).status == 404, "the upload is gone"


async def test_bytes_of_unknown_length_are_refused_where_they_pass_the_quota_and_leave_nothing(
    client: Client, registry: Registry, name: str
) -> None:
    await registry.set_quota(name, 10 * MIB)
    before = await registry.upload_files()
    url = await begin(client, name)
    refused = await client.call("PATCH", url, data=sent([bytes(MIB)] * 40, [0]))
    assert_refused(refused, "0 bytes", "10.00 MiB")
    assert (await client.call("GET", url)).status == 404
    assert await registry.upload_files() == before

    chunked = await begin(client, name)
    for number in range(3):
        answer = await client.call("PATCH", chunked, data=bytes(4 * MIB))
        assert answer.status == (202 if number < 2 else 403)


async def test_layers_that_fit_alone_but_not_together_are_refused_until_there_is_room(
    client: Client, registry: Registry, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, other = Image(b"1" * 4 * MIB, b"2" * 4 * MIB), Image(b"3" * 4 * MIB)
    await registry.set_quota(name, 10 * MIB)
    await image.push(client, name, "v1")
    assert (await image.push(client, name, "v1")).status == 201, "what is there already costs nothing"
    layer = other.layers[0]
    refused = await client.upload(name, digest_of(layer), layer)
    assert_refused(refused, "8.01 MiB", "10.00 MiB")
    assert refused.json["errors"][0]["detail"]["wantedBytes"] > 12 * MIB

    await client.call("DELETE", f"/v2/{name}/manifests/{image.digest}")
    assert (await other.push(client, name, "v2")).status == 201, "the room of what was deleted is seen at once"
    assert (await client.upload(name, digest_of(b"4" * 4 * MIB), b"4" * 4 * MIB)).status == 201
    third = b"5" * 4 * MIB
    assert_refused(await client.upload(name, digest_of(third), third), "4.00 MiB", "10.00 MiB")
    monkeypatch.setattr(quotas, "_PUSH_SECONDS", -1.0)
    assert (await client.upload(name, digest_of(third), third)).status == 201, (
        "what was given up does not count for long"
    )


async def test_what_the_repository_has_costs_nothing_and_the_manifest_is_checked_exactly(
    client: Client, registry: Registry, name: str
) -> None:
    image = Image(b"1" * 4 * MIB)
    await image.push(client, name, "v1")
    await registry.set_quota(name, 1 * MIB)
    assert (await client.upload(name, digest_of(image.layers[0]), image.layers[0])).status == 201
    small = Image(b"small")
    refused = await client.upload(name, digest_of(small.config), small.config)
    assert_refused(refused, "4.00 MiB", "1.00 MiB")
    for blob in small.blobs:
        await client.push_blob(f"{name}/other", blob)
        mounted = await client.call(
            "POST",
            f"/v2/{name}/blobs/uploads/",
            params={"mount": digest_of(blob), "from": f"{name}/other"},
            scope=f"repository:{name}:pull,push repository:{name}/other:pull",
        )
        assert mounted.status == 201
    assert_refused(await client.push_manifest(name, "v2", small.manifest, OCI_MANIFEST), "4.00 MiB", "1.00 MiB")


async def test_a_push_that_broke_off_takes_no_room(client: Client, registry: Registry, name: str) -> None:
    await registry.set_quota(name, 10 * MIB)
    body = bytes(8 * MIB)
    cancelled = await begin(client, name)
    assert (await client.call("PATCH", cancelled, data=body)).status == 202
    assert (await client.call("DELETE", cancelled)).status == 204
    for _ in range(2):
        wrong = await client.upload(name, digest_of(b"else"), body)
        assert (wrong.status, wrong.code) == (400, "DIGEST_INVALID")
    assert (await client.upload(name, digest_of(body), body)).status == 201


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
async def test_skopeo_shows_the_message(registry: Registry, name: str, tmp_path: Path) -> None:
    await registry.set_quota(name, 10 * MIB)
    Image(random.Random(1).randbytes(32 * MIB)).write(tmp_path / "image")  # skopeo compresses what can be compressed
    where = f"docker://{registry.settings.http_listen}/{name}:v1"
    login = ("--dest-tls-verify=false", "--dest-creds", "admin:admin-password")
    told = await run("skopeo", "--insecure-policy", "copy", *login, f"dir:{tmp_path}/image", where, fails=True)
    assert "denied: the repository holds 0 bytes and its quota is 10.00 MiB" in told
    assert "have the quota raised" in told
