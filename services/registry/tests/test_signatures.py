"""Signatures of images, made by openssl, in each of the places where cosign puts them."""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from cloudly.registry.v1 import image_pb2
from cloudly.registry.v1 import signature_pb2 as pb
from cloudly.registry.v1.image_pb2_grpc import ImageServiceStub
from cloudly.registry.v1.signature_pb2_grpc import SignatureServiceStub
from cloudly_kit.errors import InvalidArgument, NotFound, PermissionDenied
from cloudly_registry import cosign
from cloudly_registry.manifest_format import OCI_INDEX, OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.testing import CONFIG, Client, Image, Registry, descriptor, index_of

KINDS = {
    "ecdsa": ("EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "ed25519": ("ED25519",),
    "rsa": ("RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
}
EMPTY = b"{}"


async def run(*arguments: str | Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()


class Key:
    """A key that openssl makes and signs with."""

    def __init__(self, directory: Path, kind: str) -> None:
        self._directory = directory
        self._kind = kind
        self._file = directory / f"{uuid.uuid4().hex}.pem"

    async def make(self) -> "Key":
        """Make it."""
        algorithm, *options = KINDS[self._kind]
        await run("openssl", "genpkey", "-algorithm", algorithm, *options, "-out", self._file)
        await run("openssl", "pkey", "-in", self._file, "-pubout", "-out", f"{self._file}.pub")
        self.public = Path(f"{self._file}.pub").read_text()
        return self

    async def sign(self, message: bytes) -> str:
        """A signature, base64."""
        source, target = self._directory / "message", self._directory / "signature"
        source.write_bytes(message)
        if self._kind == "ed25519":
            await run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self._file, "-in", source, "-out", target)
        else:
            await run("openssl", "dgst", "-sha256", "-sign", self._file, "-out", target, source)
        return base64.b64encode(target.read_bytes()).decode()


@pytest.fixture
async def key(tmp_path: Path) -> Key:
    return await Key(tmp_path, "ecdsa").make()


@pytest.fixture
async def rpc(registry: Registry) -> AsyncIterator[Any]:
    async with registry.harness.channel("registry", "viewer") as channel:
        yield SignatureServiceStub(channel)


async def image_id(registry: Registry, name: str) -> str:
    async with registry.harness.channel("registry", "viewer") as channel:
        asked = image_pb2.ListImagesRequest(filter=f'repository = "{name}"')
        return str((await ImageServiceStub(channel).ListImages(asked)).images[0].id)


async def verify(registry: Registry, rpc: Any, name: str, reference: str, *keys: str) -> pb.VerifySignaturesResponse:
    id = await image_id(registry, name)
    answer: pb.VerifySignaturesResponse = await rpc.VerifySignatures(
        pb.VerifySignaturesRequest(image_id=id, reference=reference, public_keys=keys)
    )
    return answer


def payload(digest: str, **critical: Any) -> bytes:
    """What cosign signs (its SIGNATURE_SPEC)."""
    told = {
        "identity": {"docker-reference": "localhost/team/app"},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
        **critical,
    }
    return json.dumps({"critical": told, "optional": None}).encode()


async def push_signatures(
    client: Client, name: str, reference: str, layers: list[tuple[bytes, str]], **extra: Any
) -> None:
    """A manifest with signatures, as cosign pushes it; `layers` are payloads and what was signed of them."""
    listed = []
    for content, signature in layers:
        await client.push_blob(name, content)
        listed.append(descriptor(cosign.SIMPLE_SIGNING, content, annotations={cosign.ANNOTATION: signature}))
    await push_artifact(client, name, reference, listed, **extra)


async def push_artifact(client: Client, name: str, reference: str, layers: list[Any], **extra: Any) -> None:
    await client.push_blob(name, EMPTY)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(CONFIG, EMPTY),
        "layers": layers,
        **extra,
    }
    body = orjson.dumps(manifest)
    answer = await client.push_manifest(name, reference or digest_of(body), body, OCI_MANIFEST)
    assert answer.status == 201, answer.body


@pytest.mark.parametrize("kind", KINDS)
async def test_a_signature_under_cosigns_tag(
    client: Client, registry: Registry, rpc: Any, name: str, tmp_path: Path, kind: str
) -> None:
    key, other = await Key(tmp_path, kind).make(), await Key(tmp_path, "ecdsa").make()
    image = Image(name.encode())
    await image.push(client, name, "v1")
    before = await verify(registry, rpc, name, "v1", key.public)
    assert (before.verified, before.signature_count, before.reason) == (False, 0, "it is not signed")
    signed = payload(image.digest)
    await push_signatures(client, name, cosign.signature_tag(image.digest), [(signed, await key.sign(signed))])
    after = await verify(registry, rpc, name, "v1", other.public, key.public)
    assert (after.verified, after.digest, after.signature_count) == (True, image.digest, 1)
    assert len(after.key_fingerprint) == 64
    stranger = await verify(registry, rpc, name, image.digest, other.public)
    assert (stranger.verified, stranger.reason) == (False, "it is signed, but by none of these keys")


async def test_a_signature_as_a_referrer_of_an_index(
    client: Client, registry: Registry, rpc: Any, name: str, key: Key
) -> None:
    image = Image(name.encode())
    await image.push(client, name)
    body = index_of(image)
    pushed = await client.push_manifest(name, "multi", body, OCI_INDEX)
    digest = pushed.headers["Docker-Content-Digest"]
    signed = payload(digest)
    subject = descriptor(OCI_INDEX, body)
    await push_signatures(
        client, name, "", [(signed, await key.sign(signed))], subject=subject, artifactType=cosign.ARTIFACT
    )
    assert (await verify(registry, rpc, name, "multi", key.public)).verified
    # The index is signed, not what it lists.
    assert not (await verify(registry, rpc, name, image.digest, key.public)).verified


def bundle(digest: str, predicate: str = "https://sigstore.dev/cosign/sign/v1") -> tuple[bytes, bytes]:
    """An in-toto statement, and what of it is signed (DSSE)."""
    algorithm, _, hex_digits = digest.partition(":")
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "", "digest": {algorithm: hex_digits}}],
        "predicateType": predicate,
        "predicate": {},
    }
    body = json.dumps(statement).encode()
    kind = b"application/vnd.in-toto+json"
    return body, b"DSSEv1 " + str(len(kind)).encode() + b" " + kind + b" " + str(len(body)).encode() + b" " + body


@pytest.mark.parametrize("predicate", ["https://sigstore.dev/cosign/sign/v1", "https://spdx.dev/Document"])
async def test_a_signature_as_a_sigstore_bundle(
    client: Client, registry: Registry, rpc: Any, name: str, key: Key, predicate: str
) -> None:
    image = Image(name.encode())
    await image.push(client, name, "v1")
    statement, signed = bundle(image.digest, predicate)
    envelope = {
        "payload": base64.b64encode(statement).decode(),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": await key.sign(signed)}],
    }
    kind = f"{cosign.BUNDLE}.v0.3+json"
    content = json.dumps({"mediaType": kind, "verificationMaterial": {}, "dsseEnvelope": envelope}).encode()
    await client.push_blob(name, content)
    subject = descriptor(OCI_MANIFEST, image.manifest)
    await push_artifact(client, name, "", [descriptor(kind, content)], subject=subject, artifactType=kind)
    # An SBOM that the key has signed is no signature of the image.
    assert (await verify(registry, rpc, name, "v1", key.public)).verified is (predicate.endswith("sign/v1"))


async def test_signatures_that_do_not_fit_count_but_let_nothing_through(
    client: Client, registry: Registry, rpc: Any, name: str, key: Key
) -> None:
    image, other = Image(name.encode()), Image(b"other" + name.encode())
    await image.push(client, name, "v1")
    right, foreign = payload(image.digest), payload(other.digest)
    wrong_type = payload(image.digest, type="something else")
    wrong = [
        (foreign, await key.sign(foreign)),  # of another image, moved here
        (right, await key.sign(foreign)),
        (wrong_type, await key.sign(wrong_type)),
        (right + b" ", "not base64"),
        (b"no JSON", await key.sign(b"no JSON")),
        (b"[]", await key.sign(b"[]")),
    ]
    await push_signatures(client, name, cosign.signature_tag(image.digest), wrong)
    verdict = await verify(registry, rpc, name, "v1", key.public)
    assert (verdict.verified, verdict.signature_count) == (False, len(wrong))
    # One that fits among them is enough.
    await push_signatures(client, name, cosign.signature_tag(image.digest), [*wrong, (right, await key.sign(right))])
    assert (await verify(registry, rpc, name, "v1", key.public)).verified


async def test_who_may_ask_and_for_what(client: Client, registry: Registry, rpc: Any, name: str, key: Key) -> None:
    await Image(b"one").push(client, name, "v1")
    with pytest.raises(InvalidArgument):
        await verify(registry, rpc, name, "v1", "no key")
    with pytest.raises(InvalidArgument):
        await verify(registry, rpc, name, "v1")
    with pytest.raises(NotFound):
        await verify(registry, rpc, name, "v2", key.public)
    async with registry.harness.channel("registry", "cluster") as channel:
        with pytest.raises(PermissionDenied):
            await verify(registry, SignatureServiceStub(channel), name, "v1", key.public)
