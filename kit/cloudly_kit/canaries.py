"""For tests: secrets that are looked for wherever they must not be, in every shape in which they could appear."""

import base64
import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

LEAST = 8
"""Shorter pieces are found by chance."""


def shapes(secret: str) -> set[bytes]:
    """The secret as it could appear: plain, escaped, encoded."""
    raw = secret.encode()
    found = {
        raw,
        json.dumps(secret)[1:-1].encode(),
        json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
        # A log line inside of another.
        json.dumps(json.dumps(secret)[1:-1])[1:-1].encode(),
        repr(secret)[1:-1].encode(),
        *(encoded(secret, safe).encode() for encoded in (quote, quote_plus) for safe in ("", "/")),
        raw.hex().encode(),
        # Whatever stands before and behind it: the letters that it alone decides.
        *(
            encode(b"x" * offset + raw)[4 * bool(offset) : -4]
            for offset in range(3)
            for encode in (base64.b64encode, base64.urlsafe_b64encode)
        ),
    }
    return {shape for shape in found if len(shape) >= LEAST}


def leaks(secrets: Mapping[str, str], places: Iterable[tuple[str, bytes]]) -> list[str]:
    """Which secret (by what it is called) is in which place, with what stands before it there."""
    known = [(kind, shape) for kind, secret in secrets.items() for shape in shapes(secret)]
    found = []
    for place, content in places:
        for kind, shape in known:
            at = content.find(shape)
            if at >= 0:
                found.append(f"{kind} in {place}, behind {content[max(0, at - 80) : at]!r}")
    return sorted(set(found))
