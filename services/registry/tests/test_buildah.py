"""A real client: buildah, and with it what podman pushes and pulls by (containers/image)."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cloudly_registry.manifest_format import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Registry

from tests.programs import run

pytestmark = pytest.mark.skipif(shutil.which("buildah") is None, reason="buildah is not installed")

AS_ADMIN = ("--tls-verify=false", "--creds", "admin:admin-password")


class Buildah:
    """The command with a store of its own: plain directories, which need no rights to mount anything."""

    def __init__(self, directory: Path, host: str) -> None:
        self.host = host
        self._directory = directory
        roots = ("--root", directory / "store", "--runroot", directory / "run")
        self._command = ("buildah", *roots, "--storage-driver", "vfs")

    async def __call__(self, *arguments: str | Path) -> str:
        return await run(*self._command, *arguments, environment={"BUILDAH_ISOLATION": "chroot"})

    async def built(self, name: str, content: str, architecture: str = "amd64") -> str:
        """Build an image of one file from nothing; its id, the digest of its configuration."""
        file = self._directory / f"{name}.txt"
        file.write_text(content)
        container = await self("from", "--name", name, "scratch")
        await self("add", container, file, "/content")
        await self("config", "--arch", architecture, "--env", "A=1", "--created-by", "tests", container)
        return (await self("commit", "--quiet", container, f"localhost/{name}")).splitlines()[-1]

    async def pushed(self, image: str, target: str, *options: str) -> str:
        """Push; the digest that buildah says it pushed."""
        told = self._directory / "digest"
        where = f"docker://{self.host}/{target}"
        await self("push", *AS_ADMIN, *options, "--digestfile", told, f"localhost/{image}", where)
        return told.read_text().strip()


@pytest.fixture
async def buildah(registry: Registry, tmp_path: Path) -> AsyncIterator[Buildah]:
    made = Buildah(tmp_path, registry.settings.http_listen)
    yield made
    await made("rm", "--all")
    await made("rmi", "--all", "--force")


@pytest.mark.parametrize(("form", "media_type"), [("oci", OCI_MANIFEST), ("v2s2", DOCKER_MANIFEST)])
async def test_what_is_built_is_pushed_and_pulled(
    buildah: Buildah, client: Client, name: str, form: str, media_type: str, tmp_path: Path
) -> None:
    await buildah.built("app", "built by buildah")
    digest = await buildah.pushed("app", f"{name}:v1", "--format", form)
    found = await client.call("GET", f"/v2/{name}/manifests/v1")
    assert (digest_of(found.body), found.headers["Content-Type"]) == (digest, media_type)
    id = await buildah("pull", "--quiet", *AS_ADMIN, f"{buildah.host}/{name}@{digest}")
    assert found.json["config"]["digest"] == f"sha256:{id}"
    container = await buildah("from", "--pull-never", id)
    mounted = Path(await buildah("mount", container))
    assert (mounted / "content").read_text() == "built by buildah"


async def test_a_list_of_platforms_is_pushed_with_its_images(
    buildah: Buildah, client: Client, name: str, tmp_path: Path
) -> None:
    await buildah("manifest", "create", "multi")
    for architecture in ("amd64", "arm64"):
        await buildah.built(architecture, f"for {architecture}", architecture)
        await buildah("manifest", "add", "multi", f"localhost/{architecture}")
    where = f"docker://{buildah.host}/{name}:v1"
    told = tmp_path / "digest"
    await buildah("manifest", "push", "--all", *AS_ADMIN, "--format", "oci", "--digestfile", told, "multi", where)
    found = await client.call("GET", f"/v2/{name}/manifests/v1")
    assert (digest_of(found.body), found.headers["Content-Type"]) == (told.read_text().strip(), OCI_INDEX)
    for entry in found.json["manifests"]:
        architecture = entry["platform"]["architecture"]
        id = await buildah("pull", "--quiet", *AS_ADMIN, "--arch", architecture, f"{buildah.host}/{name}:v1")
        manifest = await client.call("GET", f"/v2/{name}/manifests/{entry['digest']}")
        assert manifest.json["config"]["digest"] == f"sha256:{id}"
        told_by_image = json.loads(await buildah("inspect", "--type", "image", id))
        assert told_by_image["OCIv1"]["architecture"] == architecture
    assert len(found.json["manifests"]) == 2
