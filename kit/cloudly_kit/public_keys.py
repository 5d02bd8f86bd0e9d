"""Public keys as people give them: PEM, of the kinds that images are signed with."""

import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

PublicKey = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey
_SHORTEST_RSA = 2048
_CURVES = ("secp256r1", "secp384r1", "secp521r1")


def parse(pem: str) -> PublicKey:
    """The key.

    Raises:
        ValueError: it is no public key in PEM, or of a kind or size that nothing is signed with.
    """
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("must be a public key in PEM (-----BEGIN PUBLIC KEY-----)") from None
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key
    if isinstance(key, RSAPublicKey) and key.key_size >= _SHORTEST_RSA:
        return key
    if isinstance(key, Ed25519PublicKey):
        return key
    raise ValueError(f"must be an ECDSA (P-256, P-384, P-521), Ed25519 or RSA key of {_SHORTEST_RSA} bits or more")


def fingerprint(key: PublicKey) -> str:
    """SHA-256 of the key as it stands in certificates (SubjectPublicKeyInfo), hex."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
