"""Whether a digest was signed by one of some keys: finds the signatures in its repository and has them checked."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import structlog
from cloudly_kit.errors import InvalidArgument, NotFound
from cloudly_kit.public_keys import PublicKey, fingerprint, parse

from cloudly_registry import cosign, manifest_format
from cloudly_registry.blobs import Blobs
from cloudly_registry.cosign import Found
from cloudly_registry.documents import ImageDocument
from cloudly_registry.errors import ManifestUnknown
from cloudly_registry.manifests import Manifests
from cloudly_registry.references import is_digest

log = structlog.get_logger()

_MOST = 100
"""Signatures of one digest that are looked at."""


@dataclass(frozen=True)
class Verdict:
    """What came of looking."""

    digest: str
    key_fingerprint: str
    """Of the key that has signed; empty where none has."""
    signature_count: int
    reason: str


class Signatures:
    """Signatures of all repositories."""

    def __init__(self, manifests: Manifests, blobs: Blobs) -> None:
        self._manifests = manifests
        self._blobs = blobs

    async def verify(self, image: ImageDocument, reference: str, pems: Sequence[str]) -> Verdict:
        """Whether one of the keys has signed what a tag or digest means.

        Raises:
            NotFound: there is no such version.
            InvalidArgument: one of the keys is none.
        """
        keys = _keys(pems)
        try:
            digest = reference if is_digest(reference) else (await self._manifests.get(image.id, reference)).digest
            await self._manifests.get(image.id, digest)
        except ManifestUnknown:
            raise NotFound("image version", reference) from None
        count = 0
        async for found in self._signatures(image.id, digest):
            count += 1
            key = cosign.signer(found, digest, keys)
            if key is not None:
                return Verdict(digest, fingerprint(key), count, "")
            if count >= _MOST:
                break
        reason = "it is signed, but by none of these keys" if count else "it is not signed"
        return Verdict(digest, "", count, reason)

    async def _signatures(self, image_id: str, digest: str) -> AsyncIterator[Found]:
        tagged = await self._manifest(image_id, cosign.signature_tag(digest))
        if tagged is not None:
            async for found in self._layers(image_id, tagged):
                yield found
        last = ""
        while rows := await self._manifests.referrers(image_id, digest, last, _MOST):
            for row in rows:
                if row.artifact_type == cosign.ARTIFACT or row.artifact_type.startswith(cosign.BUNDLE):
                    manifest = await self._manifest(image_id, row.digest)
                    if manifest is not None:
                        async for found in self._layers(image_id, manifest):
                            yield found
            last = rows[-1].digest

    async def _manifest(self, image_id: str, reference: str) -> manifest_format.Manifest | None:
        try:
            stored = await self._manifests.get(image_id, reference)
        except ManifestUnknown:
            return None
        return manifest_format.parse(stored.media_type, stored.body)

    async def _layers(self, image_id: str, manifest: manifest_format.Manifest) -> AsyncIterator[Found]:
        for layer in manifest.layers:
            if cosign.is_signature(layer.media_type) and layer.size <= cosign.MAX_PAYLOAD_BYTES:
                content = await self._blobs.read(image_id, layer.digest, layer.size)
                yield Found(layer.media_type, layer.annotations, content)


def _keys(pems: Sequence[str]) -> list[PublicKey]:
    keys, wrong = [], []
    for index, pem in enumerate(pems):
        try:
            keys.append(parse(pem))
        except ValueError as error:
            wrong.append((f"public_keys[{index}]", str(error)))
    if wrong:
        raise InvalidArgument.of(*wrong)
    return keys
