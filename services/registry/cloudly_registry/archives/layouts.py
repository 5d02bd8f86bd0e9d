"""What an archive says is in it: `docker save` since 1.10 (manifest.json) or an OCI Image Layout 1.1 (index.json). Pure.

Both are often there: then the layout counts, because it has the manifest that was pushed or built, with its digest.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from cloudly_registry.archives.tar import ArchiveInvalid
from cloudly_registry.manifest_format import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST
from cloudly_registry.references import digest_of

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
INDEXES = (OCI_INDEX, DOCKER_LIST)
_COMPRESSED = {b"\x1f\x8b": "+gzip", b"\x28\xb5\x2f\xfd": "+zstd"}


class Part(Protocol):
    """A file of an archive, as far as it has to be known here."""

    size: int
    head: bytes
    """Its first bytes."""
    body: bytes | None
    """All of it, where it is small and JSON."""


@dataclass(frozen=True)
class Wanted:
    """What has to be stored: `blobs` by digest, then the manifests in this order, the last one tagged."""

    blobs: Mapping[str, Part]
    manifests: tuple[tuple[str, bytes], ...]
    """Media type and body."""


def read(parts: Mapping[str, Part]) -> Wanted:
    """What the archive with these files holds. Raises ArchiveInvalid where that is not exactly one image."""
    if "index.json" in parts and (found := _layout(parts)) is not None:
        return found
    if "manifest.json" in parts:
        return _docker(parts)
    raise ArchiveInvalid("it has neither a manifest.json nor an OCI layout: save an image with `docker save`")


def _docker(parts: Mapping[str, Part]) -> Wanted:
    listed = _json(parts, "manifest.json", list)
    if len(listed) != 1:
        raise ArchiveInvalid(f"it holds {len(listed)} images: save one")
    image = listed[0]
    try:
        config_name, layer_names = str(image["Config"]), [str(name) for name in image["Layers"]]
        config = _part(parts, config_name)
        diffs = [str(diff) for diff in _json(parts, config_name, dict)["rootfs"]["diff_ids"]]
    except (KeyError, TypeError) as error:
        raise ArchiveInvalid(f"manifest.json or the configuration is malformed ({error})") from error
    if len(diffs) != len(layer_names):
        raise ArchiveInvalid("its manifest.json and its configuration tell different numbers of layers")
    body = config.body or b""
    config_digest = digest_of(body)
    blobs = {config_digest: config}
    layers = []
    for name, diff in zip(layer_names, diffs, strict=True):
        layer = _part(parts, name)
        # In newer archives the name is the digest, of the layer as it is; in older ones it is uncompressed.
        digest = digest_in(name) or diff
        blobs[digest] = layer
        layers.append({"mediaType": _layer_type(layer), "digest": digest, "size": layer.size})
    manifest = orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config_digest, "size": len(body)},
            "layers": layers,
        }
    )
    return Wanted(blobs, ((OCI_MANIFEST, manifest),))


def _layout(parts: Mapping[str, Part]) -> Wanted | None:
    """What the layout holds; None where it is not whole, as engines write it that keep another form inside."""
    roots = {entry["digest"]: entry for entry in _descriptors(_json(parts, "index.json", dict), "manifests")}
    if len(roots) > 1:
        raise ArchiveInvalid(f"it holds {len(roots)} images: save one")
    blobs: dict[str, Part] = {}
    manifests: list[tuple[str, bytes]] = []
    for root in roots.values():
        if not _collect(parts, root, blobs, manifests):
            return None
    return Wanted(blobs, tuple(manifests)) if manifests else None


def _collect(
    parts: Mapping[str, Part], entry: dict[str, Any], blobs: dict[str, Part], manifests: list[tuple[str, bytes]]
) -> bool:
    """Add a manifest behind all that it refers to; False where something is missing."""
    media_type, name = str(entry.get("mediaType", "")), name_of(str(entry["digest"]))
    if name not in parts or len(manifests) > 100:
        return False
    content = _json(parts, name, dict)
    body = parts[name].body or b""
    if media_type in INDEXES:
        present = [child for child in _descriptors(content, "manifests") if name_of(child["digest"]) in parts]
        whole = len(present) == len(content["manifests"])
        if not whole and len(present) != 1:
            return False
        if not all(_collect(parts, child, blobs, manifests) for child in present):
            return False
        if whole:
            manifests.append((media_type, body))
        return True
    for blob in (*_descriptors({"c": [content.get("config")]}, "c"), *_descriptors(content, "layers")):
        if name_of(blob["digest"]) not in parts:
            return False
        blobs[blob["digest"]] = parts[name_of(blob["digest"])]
    manifests.append((media_type, body))
    return True


def _descriptors(content: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    return list(_checked(content.get(field), field))


def _checked(listed: Any, field: str) -> Iterator[dict[str, Any]]:
    for entry in listed if isinstance(listed, list) else [None]:
        if not isinstance(entry, dict) or not isinstance(entry.get("digest"), str):
            raise ArchiveInvalid(f"{field} of a manifest or index is malformed")
        yield entry


def _part(parts: Mapping[str, Part], name: str) -> Part:
    if name not in parts:
        raise ArchiveInvalid(f"{name[:200]!r} is missing")
    return parts[name]


def _json(parts: Mapping[str, Part], name: str, kind: type[Any]) -> Any:
    body = _part(parts, name).body
    try:
        content = orjson.loads(body or b"")
    except orjson.JSONDecodeError as error:
        raise ArchiveInvalid(f"{name[:200]!r} is no JSON, or larger than 4 MiB") from error
    if not isinstance(content, kind):
        raise ArchiveInvalid(f"{name[:200]!r} is malformed")
    return content


def _layer_type(layer: Part) -> str:
    return LAYER + next((suffix for magic, suffix in _COMPRESSED.items() if layer.head.startswith(magic)), "")


def name_of(digest: str) -> str:
    """Where a layout has the blob of this digest."""
    return "blobs/" + digest.replace(":", "/", 1)


def digest_in(name: str) -> str:
    """The digest that a file of a layout has in its name."""
    blobs, _, rest = name.partition("/")
    algorithm, _, hex_digits = rest.partition("/")
    return f"{algorithm}:{hex_digits}" if blobs == "blobs" and algorithm in ("sha256", "sha512") else ""
