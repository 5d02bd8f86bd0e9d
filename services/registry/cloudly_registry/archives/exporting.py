"""From an image to an archive that `docker load`, skopeo (docker-archive and oci-archive) and podman read.

Layers go out as they are stored; engines take compressed ones in archives too. manifest.json makes it a docker-archive,
oci-layout and index.json an OCI Image Layout 1.1 of the same blobs.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass

import orjson
from cloudly_kit.errors import FailedPrecondition, InvalidArgument, NotFound
from cloudly_kit.objects import ObjectStore

from cloudly_registry.archives import tar
from cloudly_registry.archives.layouts import INDEXES, name_of
from cloudly_registry.blobs import Blobs
from cloudly_registry.documents import ImageDocument
from cloudly_registry.errors import BlobUnknown, ManifestUnknown
from cloudly_registry.manifest_format import IMAGE_CONFIGS, Descriptor, Manifest, parse
from cloudly_registry.manifests import Manifests, Stored
from cloudly_registry.references import is_digest

DEFAULT_PLATFORM = "linux/amd64"
_MOST_LEVELS = 4


@dataclass(frozen=True)
class _Section:
    """A stretch of an archive: these bytes, or an object's."""

    size: int
    body: bytes = b""
    key: str = ""


class Exporting:
    """Gives archives out."""

    def __init__(self, blobs: Blobs, manifests: Manifests, objects: ObjectStore, registry_host: str) -> None:
        self._blobs = blobs
        self._manifests = manifests
        self._objects = objects
        self._registry_host = registry_host

    async def give(
        self, image: ImageDocument, reference: str, platform: str, *, offset: int = 0, digest: str = ""
    ) -> AsyncIterator[bytes]:
        """The archive behind its first `offset` bytes, in pieces; always the same ones for the same version.

        Raises:
            NotFound: there is no such version, or none for the platform.
            FailedPrecondition: it is no container image, not `digest`, or not all of it is here; the last in the middle too.
            InvalidArgument: the archive has not so many bytes.
        """
        try:
            stored, manifest = await self._find(image.id, reference, platform, digest)
            blobs = await self._links(image.id, manifest)
        except ManifestUnknown:
            raise NotFound("image version", reference) from None
        except BlobUnknown as error:
            raise FailedPrecondition(f"its bytes are not all here: {error.message}") from error
        tag = "" if is_digest(reference) else f"{self._registry_host}/{image.repository}:{reference}"
        for section in _sections(stored, manifest, blobs, tag):
            start = min(offset, section.size)
            offset -= start
            async for piece in self._read(section, start):
                yield piece
        if offset:
            raise InvalidArgument.of(("offset", f"is {offset} bytes behind the end of the archive"))

    async def _read(self, section: "_Section", start: int) -> AsyncIterator[bytes]:
        left = section.size - start
        if not section.key:
            yield section.body[start:]
        elif left:
            async for piece in self._objects.get(section.key, start, section.size):
                left -= len(piece)
                yield piece
            if left:
                # The answer has begun; it breaks off rather than lead a reader on with what follows.
                raise FailedPrecondition(f"its bytes are not all here: {section.key} is {left} bytes short")

    async def _find(self, image_id: str, reference: str, platform: str, digest: str) -> tuple[Stored, Manifest]:
        for _ in range(_MOST_LEVELS):
            stored = await self._manifests.get(image_id, reference)
            if digest and stored.digest != digest:
                raise FailedPrecondition(f"{reference} is another version now: pull that from its beginning")
            digest = ""
            manifest = parse(stored.media_type, stored.body)
            if stored.media_type in INDEXES:
                reference = _chosen(manifest.children, platform).digest
                continue
            if manifest.config is None or manifest.config.media_type not in IMAGE_CONFIGS:
                raise FailedPrecondition("this version is no container image: pull it with a registry client")
            return stored, manifest
        raise FailedPrecondition("its indexes lie too deep in each other")

    async def _links(self, image_id: str, manifest: Manifest) -> list[tuple[str, str, int]]:
        """Digest, object and size of what the manifest refers to. Raises FailedPrecondition, BlobUnknown."""
        if any(layer.elsewhere for layer in manifest.layers):
            raise FailedPrecondition("it has layers that lie elsewhere: pull it with a registry client")
        found = []
        for digest in dict.fromkeys(blob.digest for blob in manifest.blobs):
            link = await self._blobs.get(image_id, digest)
            found.append((digest, link.key, link.size))
        return found


def _sections(
    stored: Stored, manifest: Manifest, blobs: Iterable[tuple[str, str, int]], tag: str
) -> Iterator[_Section]:
    for name, body in _head(stored):
        yield _section(tar.header(name, len(body)) + body + tar.padding(len(body)))
    for digest, key, size in blobs:
        yield _section(tar.header(name_of(digest), size))
        yield _Section(size, key=key)
        yield _section(tar.padding(size))
    for name, body in _tail(stored, manifest, tag):
        yield _section(tar.header(name, len(body)) + body + tar.padding(len(body)))
    yield _section(tar.END)


def _section(body: bytes) -> _Section:
    return _Section(len(body), body)


def _chosen(children: tuple[Descriptor, ...], platform: str) -> Descriptor:
    images = [child for child in children if child.platform]
    for child in images:
        if child.platform == platform or child.platform.startswith(f"{platform or DEFAULT_PLATFORM}/"):
            return child
        if not platform and child.platform == DEFAULT_PLATFORM:
            return child
    if platform or not images:
        known = ", ".join(child.platform for child in images) or "none"
        raise NotFound("image for the platform", f"{platform} (there are: {known})")
    return images[0]


def _head(stored: Stored) -> list[tuple[str, bytes]]:
    layout = orjson.dumps({"imageLayoutVersion": "1.0.0"})
    return [("oci-layout", layout), (name_of(stored.digest), stored.body)]


def _tail(stored: Stored, manifest: Manifest, tag: str) -> list[tuple[str, bytes]]:
    assert manifest.config is not None
    entry = {"mediaType": stored.media_type, "digest": stored.digest, "size": len(stored.body)}
    if tag:
        name = tag.rpartition(":")[2]
        entry["annotations"] = {"io.containerd.image.name": tag, "org.opencontainers.image.ref.name": name}
    docker = {
        "Config": name_of(manifest.config.digest),
        "RepoTags": [tag] if tag else [],
        "Layers": [name_of(layer.digest) for layer in manifest.layers],
    }
    return [
        ("index.json", orjson.dumps({"schemaVersion": 2, "manifests": [entry]})),
        ("manifest.json", orjson.dumps([docker])),
    ]
