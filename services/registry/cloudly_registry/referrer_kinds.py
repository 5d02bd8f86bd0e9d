"""What refers to an image: a signature, an SBOM, an attestation? Told by media types and annotations. Pure.

Sources: cosign's specifications (SIGNATURE_SPEC, SBOM_SPEC, BUNDLE_SPEC), the Notary Project's signature specification,
in-toto attestations as BuildKit and cosign store them, SPDX and CycloneDX media types.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

_FALLBACK_TAG = re.compile(r"(sha256|sha512)-([0-9a-f]{64,128})(?:\.(sig|att|sbom))?")
_SUFFIXES = ("", ".sig", ".att", ".sbom")
_SIGNATURE_TYPES = (
    "application/vnd.dev.cosign.artifact.sig",
    "application/vnd.dev.cosign.simplesigning",
    "application/vnd.cncf.notary.signature",
)
_ATTESTATION_TYPES = ("application/vnd.in-toto", "application/vnd.dsse.envelope", "application/vnd.docker.attestation")
_BUNDLE = "application/vnd.dev.sigstore.bundle"
_SBOM_WORDS = ("spdx", "cyclonedx", "syft", ".sbom")
_PREDICATES = ("dev.sigstore.bundle.predicateType", "in-toto.io/predicate-type", "predicateType")
BUILDKIT_SUBJECT = "vnd.docker.reference.digest"


class ReferrerKind(StrEnum):
    """What something that refers to an image is for."""

    SIGNATURE = "signature"
    SBOM = "sbom"
    ATTESTATION = "attestation"
    OTHER = "other"


def kind_of(types: Iterable[str], annotations: Mapping[str, str]) -> ReferrerKind:
    """By the artifact type and the layers' media types (`types`) and the annotations of the manifest and its layers."""
    told = [type.lower() for type in types if type]
    predicates = [annotations[name].lower() for name in _PREDICATES if name in annotations]
    if any(word in text for word in _SBOM_WORDS for text in [*predicates, *told]):
        return ReferrerKind.SBOM
    if any(text.startswith(_SIGNATURE_TYPES) for text in told):
        return ReferrerKind.SIGNATURE
    if predicates or any(text.startswith(_ATTESTATION_TYPES) for text in told):
        return ReferrerKind.ATTESTATION
    if any(text.startswith(_BUNDLE) for text in told):
        signed = annotations.get("dev.sigstore.bundle.content", "message-signature") == "message-signature"
        return ReferrerKind.SIGNATURE if signed else ReferrerKind.ATTESTATION
    return ReferrerKind.OTHER


def fallback_tags(digest: str) -> list[str]:
    """The tags under which something that refers to `digest` lies in registries without subjects.

    The referrers tag schema (OCI Distribution 1.1) and cosign's tags.
    """
    return [digest.replace(":", "-") + suffix for suffix in _SUFFIXES]


def is_fallback_tag(tag: str) -> bool:
    """Whether a tag is of that form."""
    return _FALLBACK_TAG.fullmatch(tag) is not None


def kind_of_tag(tag: str) -> ReferrerKind:
    """What such a tag leads to."""
    match = _FALLBACK_TAG.fullmatch(tag)
    suffixes = {"sig": ReferrerKind.SIGNATURE, "att": ReferrerKind.ATTESTATION, "sbom": ReferrerKind.SBOM}
    return suffixes.get((match[3] or "") if match else "", ReferrerKind.OTHER)
