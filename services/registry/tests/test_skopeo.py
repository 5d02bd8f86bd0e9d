"""A real client: skopeo pushes, inspects, copies, pulls and deletes."""

import json
import shutil
from pathlib import Path

import pytest
from cloudly_registry.manifest_format import OCI_INDEX
from cloudly_registry.testing import Client, Image, Registry, attested_index_of, index_of

from tests.programs import run

pytestmark = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")


async def skopeo(*arguments: str | Path, fails: bool = False) -> str:
    return await run("skopeo", "--insecure-policy", *arguments, fails=fails)


def destination(registry: Registry, name: str) -> str:
    return f"docker://{registry.settings.http_listen}/{name}"


TO = ("--dest-tls-verify=false", "--dest-creds", "admin:admin-password")
FROM = ("--src-tls-verify=false", "--src-creds", "viewer:viewer-password")
AS_ADMIN = ("--tls-verify=false", "--creds", "admin:admin-password")


async def test_push_inspect_pull_delete(client: Client, registry: Registry, name: str, tmp_path: Path) -> None:
    image = Image(b"one" * 100_000, b"two" * 200_000, b"three")
    image.write(tmp_path / "image")
    where = destination(registry, name)
    await skopeo("copy", "--preserve-digests", *TO, f"dir:{tmp_path}/image", f"{where}:v1")
    await skopeo("copy", "--preserve-digests", *TO, f"dir:{tmp_path}/image", f"{where}:v1")
    assert json.loads(await skopeo("list-tags", *AS_ADMIN, where))["Tags"] == ["v1"]
    inspected = json.loads(await skopeo("inspect", *AS_ADMIN, f"{where}:v1"))
    assert (inspected["Digest"], inspected["Architecture"]) == (image.digest, "amd64")
    await skopeo("copy", *FROM, f"{where}@{image.digest}", f"dir:{tmp_path}/pulled")
    for file in (tmp_path / "image").iterdir():
        assert (tmp_path / "pulled" / file.name).read_bytes() == file.read_bytes()
    await skopeo("delete", *AS_ADMIN, f"{where}:v1")
    assert "manifest unknown" in await skopeo("inspect", *AS_ADMIN, f"{where}:v1", fails=True)


async def test_all_platforms_are_copied_within_the_registry(
    client: Client, registry: Registry, name: str, tmp_path: Path
) -> None:
    amd, arm = Image(b"one", b"shared"), Image(b"two", b"shared", architecture="arm64")
    for image in (amd, arm):
        await image.push(client, name)
    body = index_of(amd, arm)
    await client.push_manifest(name, "multi", body, OCI_INDEX)
    source, target = destination(registry, name), destination(registry, f"{name}/copy")
    await skopeo("copy", "--all", "--preserve-digests", *FROM, *TO, f"{source}:multi", f"{target}:multi")
    assert (await client.call("GET", f"/v2/{name}/copy/manifests/multi")).body == body
    await skopeo("copy", "--all", *FROM, f"{target}:multi", f"dir:{tmp_path}/pulled")
    assert (tmp_path / "pulled/manifest.json").read_bytes() == body


async def test_an_index_with_attestations_is_copied_byte_for_byte(
    client: Client, registry: Registry, name: str, tmp_path: Path
) -> None:
    image = Image(b"one")
    await image.push(client, name)
    body, attestation = await attested_index_of(client, name, image)
    await client.push_manifest(name, "v1", body, OCI_INDEX)
    source, target = destination(registry, name), destination(registry, f"{name}/copy")
    await skopeo("copy", "--all", "--preserve-digests", *FROM, *TO, f"{source}:v1", f"{target}:v1")
    assert (await client.call("GET", f"/v2/{name}/copy/manifests/v1")).body == body
    await skopeo("copy", "--all", *FROM, f"{target}:v1", f"dir:{tmp_path}/pulled")
    pulled = [file.read_bytes() for file in (tmp_path / "pulled").iterdir()]
    assert {body, attestation, image.manifest, *image.blobs} <= set(pulled)


async def test_a_push_as_docker_schema_2(registry: Registry, name: str, tmp_path: Path) -> None:
    Image(b"one", b"two").write(tmp_path / "image")
    where = destination(registry, name)
    await skopeo("copy", "--format", "v2s2", *TO, f"dir:{tmp_path}/image", f"{where}:docker")
    raw = json.loads(await skopeo("inspect", "--raw", *AS_ADMIN, f"{where}:docker"))
    assert raw["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    await skopeo("copy", *FROM, f"{where}:docker", f"dir:{tmp_path}/pulled")


async def test_who_may_not_push_is_told_so(registry: Registry, name: str, tmp_path: Path) -> None:
    Image(b"one").write(tmp_path / "image")
    where = f"{destination(registry, name)}:v1"
    push = ("copy", "--dest-tls-verify=false", f"dir:{tmp_path}/image", where)
    assert "unauthorized" in await skopeo(*push, "--dest-no-creds", fails=True)
    assert "unauthorized" in await skopeo(*push, "--dest-creds", "admin:wrong", fails=True)
    assert "denied: you may not push here" in await skopeo(*push, "--dest-creds", "viewer:viewer-password", fails=True)
