"""Signatures as cosign writes them, checked with public keys. Pure.

Sources: cosign's SIGNATURE_SPEC (simple signing: a layer whose blob is the payload and whose annotation is the signature)
and BUNDLE_SPEC (a sigstore bundle whose DSSE envelope holds an in-toto statement). Keys sign with ECDSA and SHA-256, with
Ed25519, or with RSA PKCS #1 v1.5 and SHA-256, which is what cosign does with keys of its own. Certificates of Fulcio
and transparency logs are not looked at: a key is what is trusted here.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from cloudly_kit.public_keys import PublicKey
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.hashes import SHA256

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
ARTIFACT = "application/vnd.dev.cosign.artifact.sig.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle"
"""The beginning: `.v0.3+json` and later follow."""
ANNOTATION = "dev.cosignproject.cosign/signature"
MAX_PAYLOAD_BYTES = 1 << 20
_TYPE = "cosign container image signature"
_STATEMENT = "application/vnd.in-toto+json"
_SIGNED = "https://sigstore.dev/cosign/sign/v1"


@dataclass(frozen=True)
class Found:
    """A signature that was found: the layer's media type, its annotations, its bytes."""

    media_type: str
    annotations: Mapping[str, str]
    content: bytes


def signature_tag(digest: str) -> str:
    """The tag under which cosign keeps the signatures of a digest."""
    return digest.replace(":", "-") + ".sig"


def is_signature(media_type: str) -> bool:
    """Whether a layer of this type is a signature that can be checked here."""
    return media_type == SIMPLE_SIGNING or media_type.startswith(BUNDLE)


def signer(found: Found, digest: str, keys: Iterable[PublicKey]) -> PublicKey | None:
    """The key that has signed this digest; None where none of them has."""
    if found.media_type == SIMPLE_SIGNING:
        signed, signature = found.content, _bytes(found.annotations.get(ANNOTATION))
        told = _told_by_payload(found.content)
    else:
        signed, signature, told = _envelope(found.content)
    if not signature or told != digest:
        return None
    return next((key for key in keys if _fits(key, signature, signed)), None)


def _fits(key: PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(SHA256()))
        else:
            key.verify(signature, signed, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _told_by_payload(payload: bytes) -> str:
    """The digest that a simple-signing payload is about; empty where it is none."""
    critical = _at(_json(payload), "critical")
    return str(_at(_at(critical, "image"), "docker-manifest-digest") or "") if _at(critical, "type") == _TYPE else ""


def _envelope(bundle: bytes) -> tuple[bytes, bytes, str]:
    """What was signed, the signature, the digest that it is about; empty where the bundle is no image's signature."""
    envelope = _at(_json(bundle), "dsseEnvelope")
    payload, kind = _bytes(_at(envelope, "payload")), _at(envelope, "payloadType")
    signatures = _at(envelope, "signatures")
    statement = _json(payload)
    subjects = _at(statement, "subject")
    if kind != _STATEMENT or _at(statement, "predicateType") != _SIGNED:
        return b"", b"", ""
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(subjects, list) or len(subjects) != 1:
        return b"", b"", ""
    digests = _at(subjects[0], "digest")
    told = next((f"{name}:{_at(digests, name)}" for name in ("sha256", "sha512") if _at(digests, name)), "")
    # DSSE's pre-authentication encoding: type and payload, each after its length.
    signed = b"DSSEv1 %d %s %d %s" % (len(_STATEMENT), _STATEMENT.encode(), len(payload), payload)
    return signed, _bytes(_at(signatures[0], "sig")), told


def _json(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None


def _at(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except binascii.Error:
        return b""
