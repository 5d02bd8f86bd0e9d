"""A real client: oras-py pushes files as artifacts, attaches some to others, and pulls them."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import oras.client
import oras.oci
import pytest
from cloudly_registry.manifest_format import OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Image, Registry

T = TypeVar("T")
HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
SBOM = "application/spdx+json"


class Oras:
    """The client, in threads: it blocks, and the registry runs in this process."""

    def __init__(self, host: str, user: str, directory: Path) -> None:
        self.host = host
        self._directory = directory
        # With tokens it would go on using the first one, which is for pulling only.
        self._client = oras.client.OrasClient(hostname=host, insecure=True, auth_backend="basic")
        self._client.auth.set_basic_auth(user, f"{user}-password")

    async def push(self, target: str, *files: str, **options: Any) -> Any:
        where = f"{self.host}/{target}"
        return await self._do(
            self._client.push, target=where, files=list(files), disable_path_validation=True, **options
        )

    async def pull(self, target: str, allowed: str = "") -> dict[str, bytes]:
        """The files of an artifact by name."""
        out = self._directory / "pulled"
        types = [allowed] if allowed else None
        files = await self._do(
            self._client.pull, target=f"{self.host}/{target}", outdir=str(out), allowed_media_type=types
        )
        return {Path(file).name: Path(file).read_bytes() for file in files}

    async def tags(self, name: str) -> list[str]:
        return await self._do(self._client.get_tags, f"{self.host}/{name}")

    async def _do(self, work: Callable[..., T], *arguments: Any, **options: Any) -> T:
        return await asyncio.wait_for(asyncio.to_thread(work, *arguments, **options), 60)


@pytest.fixture
def client_of(registry: Registry, tmp_path: Path) -> Callable[[str], Oras]:
    return lambda user: Oras(registry.settings.http_listen, user, tmp_path)


def written(directory: Path, name: str, content: bytes) -> str:
    (directory / name).write_bytes(content)
    return str(directory / name)


@pytest.mark.parametrize("chunked", [False, True])
async def test_files_are_pushed_and_pulled(
    client_of: Callable[[str], Oras], client: Client, name: str, tmp_path: Path, chunked: bool
) -> None:
    large = random.Random(1).randbytes(3 << 20)
    first, second = written(tmp_path, "policy.rego", b"package main\n"), written(tmp_path, "data.bin", large)
    files = (f"{first}:application/vnd.openpolicyagent.policy.layer.v1+rego", second)
    client_of_op = client_of("op")
    await client_of_op.push(f"{name}:v1", *files, do_chunked=chunked, chunk_size=1 << 20)
    found = await client.call("GET", f"/v2/{name}/manifests/v1")
    assert found.headers["Content-Type"] == OCI_MANIFEST
    assert found.json["layers"][0]["mediaType"] == "application/vnd.openpolicyagent.policy.layer.v1+rego"
    viewer = client_of("viewer")
    assert await viewer.pull(f"{name}:v1") == {"policy.rego": b"package main\n", "data.bin": large}
    assert await viewer.tags(name) == ["v1"]
    with pytest.raises(ValueError, match="Forbidden"):
        await viewer.push(f"{name}:v2", first)


async def test_a_helm_chart_is_pushed_and_pulled(
    client_of: Callable[[str], Oras], client: Client, name: str, tmp_path: Path
) -> None:
    config = written(tmp_path, "config.json", b'{"name":"shop","version":"1.2.0","apiVersion":"v2"}')
    chart = written(tmp_path, "shop-1.2.0.tgz", random.Random(2).randbytes(5000))
    admin = client_of("admin")
    await admin.push(f"{name}:1.2.0", f"{chart}:{HELM_CHART}", manifest_config=f"{config}:{HELM_CONFIG}")
    found = (await client.call("GET", f"/v2/{name}/manifests/1.2.0")).json
    assert (found["config"]["mediaType"], found["layers"][0]["mediaType"]) == (HELM_CONFIG, HELM_CHART)
    kept = await client.call("GET", f"/v2/{name}/blobs/{found['config']['digest']}")
    assert kept.body == Path(config).read_bytes()
    assert await admin.pull(f"{name}:1.2.0") == {"shop-1.2.0.tgz": Path(chart).read_bytes()}


async def test_an_sbom_is_attached_to_an_image_and_found_by_it(
    client_of: Callable[[str], Oras], client: Client, name: str, tmp_path: Path
) -> None:
    image = Image(b"one")
    await image.push(client, name, "v1")
    sbom = written(tmp_path, "sbom.json", b'{"spdxVersion":"SPDX-2.3"}')
    subject = oras.oci.Subject(OCI_MANIFEST, image.digest, len(image.manifest))
    config = written(tmp_path, "empty.json", b"{}")
    admin = client_of("admin")
    pushed = await admin.push(f"{name}:sbom", f"{sbom}:{SBOM}", subject=subject, manifest_config=f"{config}:{SBOM}")
    assert pushed.headers["OCI-Subject"] == image.digest
    body = (await client.call("GET", f"/v2/{name}/manifests/sbom")).body
    referrers = (await client.call("GET", f"/v2/{name}/referrers/{image.digest}")).json["manifests"]
    assert [(entry["digest"], entry["artifactType"]) for entry in referrers] == [(digest_of(body), SBOM)]
    assert await admin.pull(f"{name}@{digest_of(body)}") == {"sbom.json": Path(sbom).read_bytes()}
