"""A real client: podman logs in, builds, pushes and pulls, makes lists of platforms, and runs what it pulled."""

import json
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cloudly_registry.manifest_format import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Registry

from tests.images import BUSYBOX
from tests.programs import run

pytestmark = [
    pytest.mark.skipif(shutil.which("podman") is None, reason="podman is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="podman without root needs user namespaces of the host"),
]
LIMITS = ("--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000")
"""Of itself podman asks for more than a container in a container may have."""


class Podman:
    """The command with a store and a login of its own: plain directories, which need no rights to mount anything."""

    def __init__(self, directory: Path, host: str) -> None:
        self.host = host
        self._directory = directory
        self._login = directory / "auth.json"
        roots = ("--root", directory / "store", "--runroot", directory / "run")
        self._command = ("podman", *roots, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs")

    async def __call__(self, *arguments: str | Path, stdin: bytes | None = None, fails: bool = False) -> str:
        environment = {"REGISTRY_AUTH_FILE": str(self._login), "BUILDAH_ISOLATION": "chroot"}
        command = (*self._command, "--events-backend", "none", *arguments)
        return await run(*command, stdin=stdin, environment=environment, fails=fails)

    async def login(self, user: str, password: str, *, fails: bool = False) -> str:
        """`podman login`."""
        asked = ("login", "--tls-verify=false", "-u", user, "--password-stdin", self.host)
        return await self(*asked, stdin=password.encode(), fails=fails)

    async def built(self, tag: str, content: str, architecture: str = "amd64") -> None:
        """Build an image that prints a text."""
        context = self._directory / "context"
        context.mkdir(exist_ok=True)
        shutil.copy(BUSYBOX, context / "busybox")
        (context / "content").write_text(content)
        (context / "Containerfile").write_text(
            'FROM scratch\nCOPY busybox content /\nCMD ["/busybox", "cat", "/content"]\n'
        )
        await self("build", "--quiet", "--platform", f"linux/{architecture}", "-t", tag, context)

    async def pushed(self, image: str, target: str, *options: str) -> str:
        """Push; the digest that podman says it pushed."""
        told = self._directory / "digest"
        await self("push", "--tls-verify=false", *options, "--digestfile", told, image, f"{self.host}/{target}")
        return told.read_text().strip()

    async def pulled(self, target: str, *options: str, fails: bool = False) -> str:
        """Pull; the image's id, the last line."""
        told = await self("pull", "--quiet", "--tls-verify=false", *options, f"{self.host}/{target}", fails=fails)
        return told.splitlines()[-1]


@pytest.fixture
async def podman(registry: Registry, scratch: Path) -> AsyncIterator[Podman]:
    """Logged in as the admin."""
    directory = scratch / f"p{uuid.uuid4().hex[:7]}"  # podman takes short paths alone
    directory.mkdir()
    made = Podman(directory, registry.settings.http_listen)
    await made.login("admin", "admin-password")
    yield made
    await made("rmi", "--all", "--force")


async def test_logins_decide_who_pushes_and_who_pulls(podman: Podman, name: str) -> None:
    await podman.built("app", "hello")
    await podman.pushed("app", f"{name}:v1")
    await podman.login("viewer", "viewer-password")
    await podman.pulled(f"{name}:v1")
    refused = await podman("push", "--tls-verify=false", "app", f"{podman.host}/{name}:v2", fails=True)
    assert "denied" in refused
    await podman("logout", podman.host)
    assert "unauthorized" in await podman("pull", "--tls-verify=false", f"{podman.host}/{name}:v1", fails=True)
    assert "invalid username/password" in await podman.login("admin", "wrong", fails=True)


@pytest.mark.parametrize(("form", "media_type"), [("oci", OCI_MANIFEST), ("v2s2", DOCKER_MANIFEST)])
async def test_what_is_built_is_pushed_pulled_and_run(
    podman: Podman, client: Client, name: str, form: str, media_type: str
) -> None:
    await podman.built("app", f"built by podman as {form}")
    digest = await podman.pushed("app", f"{name}:v1", "--format", form)
    found = await client.call("GET", f"/v2/{name}/manifests/v1")
    assert (digest_of(found.body), found.headers["Content-Type"]) == (digest, media_type)
    await podman("rmi", "--all", "--force")
    id = await podman.pulled(f"{name}@{digest}")
    assert found.json["config"]["digest"] == f"sha256:{id}"
    assert await podman("run", "--rm", "--network=none", *LIMITS, id) == f"built by podman as {form}"


async def test_a_list_of_platforms_is_pushed_with_its_images(
    podman: Podman, client: Client, name: str, tmp_path: Path
) -> None:
    await podman("manifest", "create", "multi")
    for architecture in ("amd64", "arm64"):
        await podman.built(architecture, f"for {architecture}", architecture)
        await podman("manifest", "add", "multi", f"containers-storage:localhost/{architecture}:latest")
    told, where = tmp_path / "digest", f"docker://{podman.host}/{name}:v1"
    push = ("manifest", "push", "--all", "--tls-verify=false", "--format", "oci", "--digestfile", told)
    await podman(*push, "multi", where)
    found = await client.call("GET", f"/v2/{name}/manifests/v1")
    assert (digest_of(found.body), found.headers["Content-Type"]) == (told.read_text().strip(), OCI_INDEX)
    assert len(found.json["manifests"]) == 2
    for entry in found.json["manifests"]:
        architecture = entry["platform"]["architecture"]
        id = await podman.pulled(f"{name}:v1", "--platform", f"linux/{architecture}")
        manifest = await client.call("GET", f"/v2/{name}/manifests/{entry['digest']}")
        assert manifest.json["config"]["digest"] == f"sha256:{id}"
        assert json.loads(await podman("image", "inspect", id))[0]["Architecture"] == architecture
