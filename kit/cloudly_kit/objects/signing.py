"""URLs that carry their own permission: a key, an expiry and an HMAC over both."""

import hashlib
import hmac
import time


class UrlSigner:
    """Makes and checks `<origin>/objects/<key>?expires=<unix seconds>&signature=<hex>`."""

    def __init__(self, secret: bytes, origin: str) -> None:
        self._secret = secret
        self._origin = origin.rstrip("/")

    def url(self, key: str, ttl_seconds: int) -> str:
        """A URL that reads `key` until `ttl_seconds` from now. Keys need no quoting (see `checked_key`)."""
        expires = int(time.time()) + ttl_seconds
        return f"{self._origin}/objects/{key}?expires={expires}&signature={self._signature(key, expires)}"

    def allows(self, key: str, expires: str, signature: str) -> bool:
        """Whether a URL with these parts was made here and its time is not over."""
        if not (expires.isascii() and expires.isdigit() and len(expires) < 16) or int(expires) < time.time():
            return False
        return hmac.compare_digest(self._signature(key, int(expires)).encode(), signature.encode())

    def _signature(self, key: str, expires: int) -> str:
        return hmac.new(self._secret, f"GET\n{key}\n{expires}".encode(), hashlib.sha256).hexdigest()
