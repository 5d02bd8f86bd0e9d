"""Ids, etags and secrets: everything in the house that has to be unique or unguessable."""

import base64
import hashlib
import secrets

ID_LENGTH = 20
ETAG_LENGTH = 16


def new_id() -> str:
    """A random id: 20 lowercase base32 characters (100 bits). Not ordered by time: a part of it appears in image names."""
    return base64.b32encode(secrets.token_bytes(15)).decode().lower()[:ID_LENGTH]


def new_etag() -> str:
    """A random etag: 16 hex digits, different for every write, without meaning."""
    return secrets.token_hex(ETAG_LENGTH // 2)


def derived_id(*parts: str) -> str:
    """The id that always belongs to these parts, so that making a thing twice makes one thing."""
    # Each part is preceded by its length, so that ("a", "bc") and ("ab", "c") differ.
    joined = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return base64.b32encode(hashlib.sha256(joined).digest()).decode().lower()[:ID_LENGTH]


def new_secret(prefix: str) -> str:
    """A secret of 256 random bits as `<prefix>_<base64url>`; the prefix lets scanners and people recognise it."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def hash_secret(secret: str) -> str:
    """SHA-256 in hex: how a secret with 256 random bits is kept. Passwords need argon2 instead."""
    return hashlib.sha256(secret.encode()).hexdigest()
