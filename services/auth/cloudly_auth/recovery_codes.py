"""Recovery codes: ten, each worth one login when the other factors are lost; kept hashed, shown once."""

import base64
import hmac
import secrets
from collections.abc import Sequence

from cloudly_kit.ids import hash_secret

COUNT = 10
_BYTES = 10
"""80 bits: beyond guessing and beyond searching for a hash, so a fast hash is enough."""
_LENGTH = _BYTES * 8 // 5
_GROUP = 4
_LOOK_ALIKES = str.maketrans("018", "olb")
"""Digits that base32 does not have, for the letters that people copy them from."""


def new_codes() -> list[str]:
    """Ten codes such as `k3wd-7pqa-x2mn-45tz`."""
    return [_shown(base64.b32encode(secrets.token_bytes(_BYTES)).decode().lower()) for _ in range(COUNT)]


def hashed(user_id: str, code: str) -> str:
    """How a code is kept; the same code of another user is another hash."""
    return hash_secret(f"{user_id}.{_bare(code)}")


def looks_like_one(code: str) -> bool:
    """Whether it can be a recovery code at all."""
    return len(_bare(code)) == _LENGTH


def without(hashes: Sequence[str], user_id: str, code: str) -> list[str] | None:
    """The hashes that are left once this code is used; None when it is none of them."""
    used = hashed(user_id, code)
    left = [known for known in hashes if not hmac.compare_digest(known, used)]
    return left if len(left) < len(hashes) else None


def _bare(code: str) -> str:
    return "".join(code.lower().split()).replace("-", "").translate(_LOOK_ALIKES)


def _shown(code: str) -> str:
    return "-".join(code[i : i + _GROUP] for i in range(0, len(code), _GROUP))
