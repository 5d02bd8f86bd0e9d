"""A registry client that costs little: blocking sockets, bodies ready in memory. It pushes as Docker and containerd do."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection

from cloudly_registry.manifest_format import OCI_MANIFEST
from cloudly_registry.testing import CONFIG, LAYER

MB = 1_000_000
CHUNK = 32 << 10
"""As Go's clients send a body of unknown length."""


@dataclass(frozen=True)
class Blob:
    """Bytes and their digest."""

    data: bytes
    digest: str

    @classmethod
    def fresh(cls, size: int) -> "Blob":
        """Bytes that no registry has seen: a megabyte of noise, over and over, behind a nonce."""
        noise = os.urandom(min(size, MB))
        data = (noise * (size // len(noise) + 1))[:size]
        return cls(data, "sha256:" + hashlib.sha256(data).hexdigest())


def push(port: int, head: dict[str, str], name: str, blob: Blob, *, chunked: bool, ask_first: bool = False) -> None:
    """As Docker does: POST, one PATCH of unknown length, PUT; or as containerd does: POST, PUT."""
    connection = HTTPConnection("127.0.0.1", port, blocksize=1 << 20)
    if ask_first:
        call(connection, "HEAD", f"/v2/{name}/blobs/{blob.digest}", head, 404)
    where = call(connection, "POST", f"/v2/{name}/blobs/uploads/", head, 202)
    if chunked:
        pieces = (memoryview(blob.data)[at : at + CHUNK] for at in range(0, len(blob.data), CHUNK))
        where = call(connection, "PATCH", where, head, 202, (bytes(piece) for piece in pieces))
    path = f"{where}{'&' if '?' in where else '?'}digest={blob.digest}"
    call(connection, "PUT", path, head, 201, b"" if chunked else blob.data)
    connection.close()


def push_manifest(port: int, head: dict[str, str], name: str, layers: Sequence[Blob], tags: Sequence[str]) -> str:
    config = Blob.fresh(1000)
    push(port, head, name, config, chunked=False)
    described = [{"mediaType": LAYER, "digest": each.digest, "size": len(each.data)} for each in layers]
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config.digest, "size": len(config.data)},
            "layers": described,
        }
    ).encode()
    connection = HTTPConnection("127.0.0.1", port)
    for tag in tags:
        call(connection, "PUT", f"/v2/{name}/manifests/{tag}", {**head, "Content-Type": OCI_MANIFEST}, 201, manifest)
    connection.close()
    return "sha256:" + hashlib.sha256(manifest).hexdigest()


def call(
    connection: HTTPConnection,
    method: str,
    path: str,
    head: dict[str, str],
    expected: int,
    body: "bytes | Iterator[bytes] | None" = None,
) -> str:
    path = "/" + path.split("/", 3)[3] if path.startswith("http") else path
    if body is None or isinstance(body, bytes):
        connection.request(method, path, body=body, headers=head)
    else:
        head = {**head, "Transfer-Encoding": "chunked"}
        connection.request(method, path, body=body, headers=head, encode_chunked=True)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != expected:
        raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
    return answer.headers.get("Location", "")


def pull(port: int, head: dict[str, str], name: str, blobs: Sequence[Blob]) -> None:
    connection = HTTPConnection("127.0.0.1", port)
    buffer = bytearray(1 << 20)
    for blob in blobs:
        connection.request("GET", f"/v2/{name}/blobs/{blob.digest}", headers=head)
        answer = connection.getresponse()
        received = 0
        while count := answer.readinto(buffer):
            received += count
        if answer.status != 200 or received != len(blob.data):
            raise RuntimeError(f"pulled {received} of {len(blob.data)} bytes, status {answer.status}")
    connection.close()
