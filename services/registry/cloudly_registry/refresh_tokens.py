"""Refresh tokens: what `docker login` keeps instead of the password (distribution's token specification, `offline_token`).

One holds the login that it was given for, sealed with the master key: only this registry can open it, and each use asks
auth about the login again. So it is worth nothing elsewhere, and ends with the password, the API token or the account,
or when the master key that sealed it is dropped.
"""

import base64
import binascii
import time

import orjson
from cloudly_kit.crypto import CannotOpen, Envelope, Sealed
from pydantic import ValidationError

from cloudly_registry.errors import Unauthorized

LIFETIME_SECONDS = 90 * 86400
_CONTEXT = "registry refresh token"
_PREFIX = "cloudly_rrt_"
_LONGEST = 4096
_NOT_OURS = "the refresh token is none of this registry's, or was sealed with a master key that is gone: log in again"


class RefreshTokens:
    """Issues and opens."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope

    def issue(self, username: str, password: str, *, seconds: int = LIFETIME_SECONDS) -> str:
        """A token for a login that was found to be right."""
        content = orjson.dumps({"username": username, "password": password, "expires": int(time.time()) + seconds})
        sealed = self._envelope.seal(content, _CONTEXT)
        parts = [sealed.master_key_id, _encoded(sealed.wrapped_key), _encoded(sealed.ciphertext)]
        return _PREFIX + _encoded(orjson.dumps(parts))

    def open(self, token: str) -> tuple[str, str]:
        """User name and password of the login that it stands for. Raises Unauthorized."""
        try:
            if len(token) > _LONGEST or not token.startswith(_PREFIX):
                raise ValueError("not a refresh token")
            key_id, wrapped, ciphertext = orjson.loads(_decoded(token.removeprefix(_PREFIX)))
            sealed = Sealed(master_key_id=key_id, wrapped_key=_decoded(wrapped), ciphertext=_decoded(ciphertext))
            content = orjson.loads(self._envelope.open(sealed, _CONTEXT))
        except (ValueError, TypeError, binascii.Error, ValidationError, CannotOpen) as error:
            raise Unauthorized(_NOT_OURS) from error
        if content["expires"] < time.time():
            raise Unauthorized("the refresh token's time is over: log in again")
        return content["username"], content["password"]


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, altchars=b"-_", validate=True)
