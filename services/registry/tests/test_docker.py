"""A real client: Docker logs in, pushes, pulls, and makes lists of platforms."""

import base64
import json
import shutil
from pathlib import Path

import pytest
from cloudly_registry.manifest_format import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Image, Registry, attested_index_of

from tests.dockerd import DockerEngine
from tests.images import WebImage, docker_archive
from tests.programs import run

pytestmark = [pytest.mark.docker, pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")]


class Docker:
    """The command, with a configuration of its own, logged in or not."""

    def __init__(self, engine: DockerEngine, configuration: Path, host: str) -> None:
        self.host = host
        self.configuration = configuration
        self._command = ("docker", "--config", configuration, "-H", engine.host)

    async def __call__(self, *arguments: str, stdin: bytes | None = None, fails: bool = False) -> str:
        return await run(*self._command, *arguments, stdin=stdin, fails=fails)

    async def login(self, user: str, password: str, *, fails: bool = False) -> str:
        return await self("login", self.host, "-u", user, "--password-stdin", stdin=password.encode(), fails=fails)

    async def load(self, text: str, target: str, padding: int = 0) -> str:
        """Make an image that serves a text, called `target`; its id, the digest of its configuration."""
        await self("load", stdin=docker_archive(WebImage(text, padding=padding), target))
        return await self("image", "inspect", "-f", "{{.Id}}", target)

    async def seen(self, image: str) -> tuple[str, str]:
        """An image's id and layers."""
        told = json.loads(await self("image", "inspect", image))[0]
        return told["Id"], told["RootFS"]["Layers"]


@pytest.fixture
async def docker(docker_engine: DockerEngine, registry: Registry, tmp_path: Path) -> Docker:
    """Logged in as the admin."""
    made = Docker(docker_engine, tmp_path / "docker", registry.settings.http_listen)
    await made.login("admin", "admin-password")
    return made


async def test_a_login_is_kept_without_its_password(docker: Docker, name: str) -> None:
    kept = json.loads((docker.configuration / "config.json").read_text())["auths"][docker.host]
    assert kept["identitytoken"].startswith("cloudly_rrt_")
    assert base64.b64decode(kept["auth"]) == b"admin:"
    assert "unauthorized" in await docker.login("admin", "wrong", fails=True)
    target = f"{docker.host}/{name}:v1"
    await docker.load("viewer", target)
    await docker.login("viewer", "viewer-password")
    assert "denied: you may not push here" in await docker("push", target, fails=True)
    await docker("logout", docker.host)
    assert "unauthorized" in await docker("pull", target, fails=True)


async def test_what_is_pushed_is_pulled_and_runs(docker: Docker, client: Client, name: str) -> None:
    target = f"{docker.host}/{name}:v1"
    id = await docker.load("pushed by docker", target)
    before = await docker.seen(target)
    digest, media_type, body = await pushed(docker, client, name, "v1")
    assert media_type in (DOCKER_MANIFEST, OCI_MANIFEST)
    assert json.loads(body)["config"]["digest"] == id
    await docker("rmi", target)
    await docker("pull", f"{docker.host}/{name}@{digest}")
    assert await docker.seen(f"{docker.host}/{name}@{digest}") == before
    words = await docker("run", "--rm", f"{docker.host}/{name}@{digest}", "/bin/busybox", "cat", "/www/index.html")
    assert words == "pushed by docker"
    # The same layers under another name are mounted, not sent again.
    other = f"{docker.host}/{name}/other:v1"
    await docker("tag", f"{docker.host}/{name}@{digest}", other)
    assert "Mounted from" in await docker("push", other)


async def pushed(docker: Docker, client: Client, name: str, tag: str) -> tuple[str, str, bytes]:
    """Push a tag; the manifest that the registry has then: digest, media type, bytes."""
    await docker("push", f"{docker.host}/{name}:{tag}")
    found = await client.call("GET", f"/v2/{name}/manifests/{tag}")
    return digest_of(found.body), found.headers["Content-Type"], found.body


async def test_a_list_of_platforms_is_made_and_pulled(docker: Docker, client: Client, name: str) -> None:
    target = f"{docker.host}/{name}"
    digests = {}
    for architecture in ("amd64", "arm64"):
        await docker.load(f"for {architecture}", f"{target}:{architecture}")
        digests[architecture] = (await pushed(docker, client, name, architecture))[0]
    await docker("manifest", "create", "--insecure", f"{target}:multi", f"{target}:amd64", f"{target}:arm64")
    await docker("manifest", "annotate", "--arch", "arm64", f"{target}:multi", f"{target}:arm64")
    digest = await docker("manifest", "push", "--insecure", "--purge", f"{target}:multi")
    found = await client.call("GET", f"/v2/{name}/manifests/multi")
    assert (found.headers["Content-Type"], digest_of(found.body)) == (DOCKER_LIST, digest.splitlines()[-1])
    assert {e["platform"]["architecture"]: e["digest"] for e in found.json["manifests"]} == digests


async def test_of_an_index_with_attestations_the_image_is_pulled(docker: Docker, client: Client, name: str) -> None:
    image = Image(b"one", b"two")
    await image.push(client, name)
    index, _ = await attested_index_of(client, name, image)
    await client.push_manifest(name, "v1", index, OCI_INDEX)
    target = f"{docker.host}/{name}:v1"
    assert f"Digest: {digest_of(index)}" in await docker("pull", target)
    assert (await docker.seen(target))[1] == [digest_of(layer) for layer in image.layers]
    assert await docker("image", "inspect", "-f", "{{.Id}}", target) in (digest_of(image.config), digest_of(index))


async def test_a_push_beyond_the_quota_is_told_why(docker: Docker, registry: Registry, name: str) -> None:
    await registry.set_quota(name, 10 << 20)
    target = f"{docker.host}/{name}:v1"
    await docker.load("large", target, padding=64 << 20)
    told = await docker("push", target, fails=True)
    assert "denied: the repository holds 0 bytes and its quota is 10.00 MiB; with this push it would hold" in told
    assert "delete versions, or have the quota raised" in told
