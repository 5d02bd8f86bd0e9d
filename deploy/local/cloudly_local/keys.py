"""The secrets that the suite makes for itself at its first start: the services' key pairs, the first login."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Letters and digits that are not mistaken for each other when read from a screen."""


def make_key_pairs(directory: Path, identities: Iterable[str]) -> None:
    """An Ed25519 key pair for each that has none yet: `<name>.key` (PKCS 8 PEM, 0600) and `<name>.pub` (PEM)."""
    missing = [name for name in identities if not (directory / f"{name}.pub").exists()]
    if not missing:
        return
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for name in missing:
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        _write(directory / f"{name}.key", private, 0o600)
        # The public half comes last: where it is missing, the pair is made anew.
        _write(directory / f"{name}.pub", public, 0o644)


def first_login() -> str:
    """A first administrator as `user:password`; the password has 79 bits."""
    groups = ["".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4)]
    return f"admin:{'-'.join(groups)}"


def _write(file: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
