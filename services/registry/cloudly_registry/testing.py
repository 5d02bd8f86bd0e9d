"""For tests, here and elsewhere: a registry in this process, a client of it, and images made by hand."""

import asyncio
import crypt
import io
import os
import sys
import tarfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from cloudly.auth.v1 import auth_pb2
from cloudly.registry.v1 import image_pb2
from cloudly.registry.v1.image_pb2_grpc import ImageServiceStub
from cloudly_kit.errors import CredentialsInvalid, to_status
from cloudly_kit.testing import ServiceHarness, free_port
from cloudly_kit.testing_authority import Authority
from grpc_status import rpc_status

from cloudly_registry.config import Settings
from cloudly_registry.main import serve
from cloudly_registry.manifest_format import OCI_INDEX, OCI_MANIFEST
from cloudly_registry.references import digest_of

USERS = {
    ("admin", "admin-password"): "admin",
    ("op", "op-password"): "operator",
    ("viewer", "viewer-password"): "viewer",
    ("nobody", "nobody-password"): "",
}


class Auth(Authority):
    """The testing authority, which also knows passwords."""

    def __init__(self, address: str, issuer: str) -> None:
        super().__init__(address, issuer)
        self.asked: list[str] = []

    async def VerifyCredentials(
        self, request: auth_pb2.VerifyCredentialsRequest, context: Any
    ) -> auth_pb2.VerifyCredentialsResponse:
        """Look the user up in USERS."""
        self.asked.append(request.remote_address)
        role = USERS.get((request.username, request.password))
        if role is None:
            status = rpc_status.to_status(to_status(CredentialsInvalid()))  # type: ignore[no-untyped-call]
            await context.abort_with_status(status)
        identity = auth_pb2.Identity(
            id=f"id-{request.username}",
            name=request.username,
            type=auth_pb2.IDENTITY_TYPE_HUMAN,
            roles=[role] if role else [],
        )
        return auth_pb2.VerifyCredentialsResponse(identity=identity)


class Client:
    """A registry client that gets a token for each repository it works with."""

    def __init__(self, http: aiohttp.ClientSession, base: str, user: str, password: str) -> None:
        self.http = http
        self.base = base
        self.login = aiohttp.BasicAuth(user, password)

    async def token(self, *scopes: str) -> str:
        """An access token for these scopes."""
        params = [("service", "test"), *(("scope", scope) for scope in scopes)]
        answer = await self.send("GET", f"{self.base}/v2/token", params=params, auth=self.login)
        assert answer.status == 200, answer.body
        return str(answer.json["token"])

    async def call(self, method: str, path: str, *, scope: str = "", **options: Any) -> "Answer":
        """A request with a token for its repository, or for `scope`."""
        name = (
            path.removeprefix("/v2/").rpartition("/manifests/")[0] or path.removeprefix("/v2/").partition("/blobs/")[0]
        )
        name = name.partition("/tags/")[0].partition("/referrers/")[0]
        headers = dict(options.pop("headers", {}))
        headers["Authorization"] = "Bearer " + await self.token(scope or f"repository:{name}:pull,push,delete")
        return await self.send(method, self.base + path, headers=headers, allow_redirects=False, **options)

    async def send(self, method: str, url: str, **options: Any) -> "Answer":
        """A request as it is."""
        async with self.http.request(method, url, **options) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def push_blob(self, name: str, data: bytes) -> str:
        """Push a blob with POST and PUT; its digest."""
        digest = digest_of(data)
        done = await self.upload(name, digest, data)
        assert done.status == 201, done.body
        return digest

    async def upload(self, name: str, digest: str, data: bytes) -> "Answer":
        """POST and PUT; the last answer."""
        begun = await self.call("POST", f"/v2/{name}/blobs/uploads/")
        assert begun.status == 202, begun.body
        return await self.call("PUT", begun.headers["Location"], params={"digest": digest}, data=data)

    async def push_manifest(self, name: str, reference: str, body: bytes, media_type: str) -> "Answer":
        """PUT a manifest."""
        return await self.call(
            "PUT", f"/v2/{name}/manifests/{reference}", data=body, headers={"Content-Type": media_type}
        )


class Answer:
    """An HTTP answer, read to its end."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        """The code of the first error."""
        return str(self.json["errors"][0]["code"])


class Registry:
    """The running service."""

    def __init__(self, harness: ServiceHarness, settings: Settings, http: aiohttp.ClientSession) -> None:
        self.harness = harness
        self.settings = settings
        self.http = http
        self.base = f"http://{settings.http_listen}"
        self.auth: Auth = harness.authority  # type: ignore[assignment]
        self.ended: Callable[[], Awaitable[int]] | None = None
        """Waits for the end of a replica in a process of its own; its exit code."""

    def client(self, user: str = "admin") -> Client:
        """A client with a user's login."""
        return Client(self.http, self.base, user, f"{user}-password")

    async def set_quota(self, name: str, quota_bytes: int) -> None:
        """Give a repository a quota; it is made where it is missing."""
        await self.client().call("POST", f"/v2/{name}/blobs/uploads/")
        async with self.harness.channel("registry", "admin") as channel:
            images = ImageServiceStub(channel)
            listed = await images.ListImages(image_pb2.ListImagesRequest(filter=f'repository = "{name}"'))
            wished = image_pb2.Image(id=listed.images[0].id, quota_bytes=quota_bytes)
            await images.UpdateImage(image_pb2.UpdateImageRequest(image=wished))

    async def upload_files(self) -> list[Path]:
        """What uploads that have not ended keep on the disk."""
        uploads = self.settings.data_dir / "objects/.uploads"

        def look() -> list[Path]:
            # Directories go while they are looked at: os.walk bears that, Path.rglob raises.
            return [Path(where) / name for where, _, names in os.walk(uploads) for name in names]

        return await asyncio.to_thread(look)

    @asynccontextmanager
    async def replica(self, **overrides: Any) -> AsyncIterator["Registry"]:
        """A second process's worth of the same registry, on the same data."""
        listen = f"127.0.0.1:{free_port()}"
        other = self.settings.model_copy(
            update={
                "http_listen": listen,
                "registry_listen": f"unix:{self.harness.directory}/registry-{uuid.uuid4().hex[:4]}.sock",
                **overrides,
            }
        )
        async with self.harness.running("registry", serve, other):
            yield Registry(self.harness, other, self.http)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """Its worker, in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from cloudly_registry.main import worker; worker()",
            env={**os.environ, **self.settings.as_environment()},
            stderr=(self.harness.directory / "worker.log").open("ab"),
        )
        try:
            yield
        finally:
            process.terminate()
            await process.wait()

    @asynccontextmanager
    async def process(self, **environment: str) -> AsyncIterator["Registry"]:
        """A replica in a process of its own, to be killed (`CLOUDLY_CRASHPOINT=…`)."""
        other = self.settings.model_copy(
            update={
                "http_listen": f"127.0.0.1:{free_port()}",
                "registry_listen": f"unix:{self.harness.directory}/registry-{uuid.uuid4().hex[:4]}.sock",
            }
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from cloudly_registry.main import main; main()",
            env={**os.environ, **other.as_environment(), **environment},
            stderr=(self.harness.directory / "process.log").open("ab"),
        )
        try:
            registry = Registry(self.harness, other, self.http)
            async with asyncio.timeout(30):
                while not await registry.answers():
                    if process.returncode is not None:
                        raise RuntimeError((self.harness.directory / "process.log").read_text())
                    await asyncio.sleep(0.05)
            registry.ended = process.wait
            yield registry
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def answers(self) -> bool:
        """Whether somebody serves there."""
        try:
            async with self.http.get(f"{self.base}/v2/") as answer:
                return answer.status == 401
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def running_registry(
    directory: Path, mongo_url: str, redis_url: str, **overrides: Any
) -> AsyncIterator[Registry]:
    """A registry with nothing in it; overrides are settings by field name."""
    directory.mkdir()
    harness = ServiceHarness(directory, mongo_url, redis_url)
    harness.make_keys()
    port = free_port()
    harness.authority = Auth(  # type: ignore[abstract]  # the other methods answer UNIMPLEMENTED
        f"unix:{directory}/auth-test.sock", f"http://127.0.0.1:{port}"
    )
    settings = harness.settings(
        Settings, http_listen=f"127.0.0.1:{port}", public_url="127.0.0.1", public_port=port, **overrides
    )
    async with AsyncExitStack() as stack:
        await harness.authority.start()
        stack.push_async_callback(harness.authority.stop)
        await stack.enter_async_context(harness.running("registry", serve, settings))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Registry(harness, settings, http)


@asynccontextmanager
async def docker_registry(directory: Path, user: str, password: str) -> AsyncIterator[str]:
    """Debian's registry, which wants a Basic login, with its files in a directory."""
    port = free_port()
    hashed = crypt.crypt(password, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))  # noqa: S324 - bcrypt, as htpasswd has it
    (directory / "htpasswd").write_text(f"{user}:{hashed}\n")
    (directory / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\nauth: {{htpasswd: {{realm: here, path: {directory}/htpasswd}}}}\n"
    )
    log = (directory / "log").open("wb")
    process = await asyncio.create_subprocess_exec(
        "docker-registry", "serve", str(directory / "config.yml"), stdout=log, stderr=log
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(20):
            while True:
                try:
                    async with http.get(f"{url}/v2/") as answer:
                        assert answer.status == 401
                        break
                except aiohttp.ClientConnectionError:
                    assert process.returncode is None, (directory / "log").read_text()
                    await asyncio.sleep(0.05)
        yield url
    finally:
        process.terminate()
        await process.wait()
        log.close()


CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def layer(content: bytes, name: str = "file") -> bytes:
    """A tar archive with one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


class Image:
    """An OCI image of some layers, in memory."""

    def __init__(self, *contents: bytes, architecture: str = "amd64", **extra: Any) -> None:
        self.layers = [layer(content) for content in contents]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(part) for part in self.layers]},
        }
        self.config = orjson.dumps(config)
        self.manifest = orjson.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": descriptor(CONFIG, self.config),
                "layers": [descriptor(LAYER, part) for part in self.layers],
                **extra,
            }
        )
        self.digest = digest_of(self.manifest)

    @property
    def blobs(self) -> list[bytes]:
        """Everything that has to be there before the manifest."""
        return [self.config, *self.layers]

    async def push(self, client: Client, name: str, reference: str = "") -> Answer:
        """Push all of it."""
        for blob in self.blobs:
            await client.push_blob(name, blob)
        return await client.push_manifest(name, reference or self.digest, self.manifest, OCI_MANIFEST)

    def write(self, directory: Path) -> None:
        """Write it as skopeo's `dir:` transport reads it."""
        directory.mkdir(parents=True)
        (directory / "version").write_text("Directory Transport Version: 1.1\n")
        (directory / "manifest.json").write_bytes(self.manifest)
        for blob in self.blobs:
            (directory / digest_of(blob).partition(":")[2]).write_bytes(blob)


def descriptor(media_type: str, content: bytes, **extra: Any) -> dict[str, Any]:
    """What a manifest says of content."""
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **extra}


def index_of(*images: Image) -> bytes:
    """An index of images."""
    entries = []
    for image in images:
        architecture = orjson.loads(image.config)["architecture"]
        platform = {"os": "linux", "architecture": architecture}
        entries.append(descriptor(OCI_MANIFEST, image.manifest, platform=platform))
    return orjson.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})


async def attested_index_of(client: Client, name: str, image: Image) -> tuple[bytes, bytes]:
    """An index as BuildKit makes it, of an image and an SBOM about it (which is pushed); index and SBOM's manifest."""
    statement = b'{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document"}'
    predicate = {"in-toto.io/predicate-type": "https://spdx.dev/Document"}
    config = orjson.dumps({"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": {"type": "layers"}})
    attestation = orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(CONFIG, config),
            "layers": [descriptor("application/vnd.in-toto+json", statement, annotations=predicate)],
        }
    )
    for blob in (config, statement):
        await client.push_blob(name, blob)
    await client.push_manifest(name, digest_of(attestation), attestation, OCI_MANIFEST)
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.digest}
    nowhere = {"os": "unknown", "architecture": "unknown"}
    platform = {"os": "linux", "architecture": orjson.loads(image.config)["architecture"]}
    entries = [
        descriptor(OCI_MANIFEST, image.manifest, platform=platform),
        descriptor(OCI_MANIFEST, attestation, platform=nowhere, annotations=about),
    ]
    return orjson.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}), attestation
