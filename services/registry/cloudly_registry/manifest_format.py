"""Manifests as bytes: which kinds there are, what they refer to, and what makes one refusable. Pure.

OCI Image Spec 1.1 (image manifest, image index) and Docker Image Manifest V2, Schema 2 (manifest, manifest list).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from cloudly_registry.errors import DigestInvalid, ManifestInvalid
from cloudly_registry.references import checked_digest

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPTED = f"{OCI_MANIFEST}, {OCI_INDEX}, {DOCKER_MANIFEST}, {DOCKER_LIST}"
"""All of them, as an Accept header asks another registry for them."""
IMAGE_CONFIGS = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)

MAX_MANIFEST_BYTES = 4 << 20
_MAX_DESCRIPTORS = 10_000


@dataclass(frozen=True)
class Descriptor:
    """What a manifest says of something that it refers to."""

    media_type: str
    digest: str
    size: int
    platform: str = ""
    """os/architecture[/variant]; empty where it is not told or not known."""
    elsewhere: bool = False
    """Whether the bytes may lie at other URLs (foreign layers): they need not be here."""
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """A manifest that was understood."""

    media_type: str
    artifact_type: str
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    children: tuple[Descriptor, ...]
    """The manifests of an index."""
    subject: Descriptor | None
    annotations: Mapping[str, str]

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Configuration and layers that have to be here."""
        return tuple(d for d in ((self.config,) if self.config else ()) + self.layers if not d.elsewhere)


def parse(media_type: str, body: bytes) -> Manifest:
    """Understand a manifest that was pushed as `media_type`.

    Raises:
        ManifestInvalid: it is of no known kind, not JSON, or not as its kind has to be.
    """
    media_type = media_type.partition(";")[0].strip()
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ManifestInvalid(f"manifest is not JSON: {error}") from None
    if not isinstance(content, dict) or content.get("schemaVersion") != 2:
        raise ManifestInvalid("manifest must be an object with schemaVersion 2")
    told = content.get("mediaType", "")
    if told and told != media_type:
        raise ManifestInvalid("the manifest's mediaType is not its Content-Type", {"mediaType": told})
    is_image, is_index = media_type in (OCI_MANIFEST, DOCKER_MANIFEST), media_type in (OCI_INDEX, DOCKER_LIST)
    if not is_image and not is_index:
        raise ManifestInvalid("unsupported manifest media type", {"mediaType": media_type[:200]}, status=415)
    if is_image and ("manifests" in content or "config" not in content):
        raise ManifestInvalid("an image manifest has a config, and no manifests")
    if is_index and ("layers" in content or "config" in content):
        raise ManifestInvalid("an index has manifests, and neither config nor layers")
    return Manifest(
        media_type=media_type,
        artifact_type=_text(content, "artifactType"),
        config=_descriptor(content["config"]) if is_image else None,
        layers=_descriptors(content, "layers"),
        children=_descriptors(content, "manifests"),
        subject=_descriptor(content["subject"]) if content.get("subject") else None,
        annotations=_annotations(content),
    )


def platform_of_config(body: bytes) -> str:
    """os/architecture[/variant] out of an image's configuration; empty where it is none."""
    try:
        return _platform(orjson.loads(body))
    except orjson.JSONDecodeError:
        return ""


def _descriptors(content: Mapping[str, Any], name: str) -> tuple[Descriptor, ...]:
    listed = content.get(name)
    if listed is None:
        listed = []
    if not isinstance(listed, list) or len(listed) > _MAX_DESCRIPTORS:
        raise ManifestInvalid(f"{name} must be a list of at most {_MAX_DESCRIPTORS} descriptors")
    return tuple(_descriptor(entry) for entry in listed)


def _descriptor(entry: Any) -> Descriptor:
    if not isinstance(entry, dict):
        raise ManifestInvalid("a descriptor must be an object")
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ManifestInvalid("a descriptor's size must be a number of bytes")
    try:
        digest = checked_digest(_text(entry, "digest"))
    except DigestInvalid as error:
        raise ManifestInvalid("a descriptor's digest is invalid", error.detail) from None
    media_type = _text(entry, "mediaType")
    if not media_type:
        raise ManifestInvalid("a descriptor must have a mediaType", {"digest": digest})
    return Descriptor(
        media_type,
        digest,
        size,
        _platform(entry.get("platform")),
        elsewhere=bool(entry.get("urls")),
        artifact_type=_text(entry, "artifactType"),
        annotations=_annotations(entry),
    )


def _platform(told: Any) -> str:
    if not isinstance(told, dict):
        return ""
    parts = [told.get("os"), told.get("architecture"), told.get("variant")]
    # Attestations are listed as unknown/unknown, so that no engine runs them.
    if not all(isinstance(part, str) and part and part != "unknown" for part in parts[:2]):
        return ""
    return "/".join(part for part in parts if isinstance(part, str) and part)


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name, "")
    if not isinstance(value, str):
        raise ManifestInvalid(f"{name} must be text")
    return value


def _annotations(content: Mapping[str, Any]) -> dict[str, str]:
    told = content.get("annotations") or {}
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise ManifestInvalid("annotations must be texts by name")
    return told
