"""Signed places in the audit log: who can write to the database and has no master key cannot make one."""

import base64
import contextlib

import orjson
from cloudly_kit.crypto import CannotOpen, Envelope
from cloudly_kit.errors import AlreadyExists
from cloudly_kit.identity import key_from_jwk
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloudly_auth.audit_store import AUDIT_KEY, AuditStore, CheckpointKey, Mark
from cloudly_auth.signing_keys import KeyRing

_PURPOSE = b"cloudly audit mark v1\n"
"""In front of what is signed, so that no signature of a token is one of a mark."""


class Marks:
    """Signs marks with auth's signing key and verifies them, also long after the key has gone from the ring."""

    def __init__(self, store: AuditStore, ring: KeyRing, envelope: Envelope) -> None:
        self._store = store
        self._ring = ring
        self._envelope = envelope
        self._known: dict[str, Ed25519PublicKey] = {}

    async def signed(self, mark: Mark) -> Mark:
        """The mark with its signature."""
        kid, private = await self._ring.signer()
        if kid not in self._known:
            await self._keep(kid, private.public_key())
        unsigned = mark.model_copy(update={"kid": kid, "signature": ""})
        signature = base64.b64encode(private.sign(_content(unsigned))).decode()
        return unsigned.model_copy(update={"signature": signature})

    async def genuine(self, mark: Mark) -> bool:
        """Whether auth signed it."""
        public = await self._public(mark.kid)
        if public is None:
            return False
        try:
            public.verify(base64.b64decode(mark.signature), _content(mark))
        except (InvalidSignature, ValueError):
            return False
        return True

    async def _keep(self, kid: str, public: Ed25519PublicKey) -> None:
        raw = public.public_bytes_raw()
        x = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        # Another replica may have kept it, or this key may have signed before this process.
        with contextlib.suppress(AlreadyExists):
            await self._store.keys.insert(
                CheckpointKey(id=kid, x=x, sealed=self._envelope.seal(raw, AUDIT_KEY.context(id=kid)))
            )
        self._known[kid] = public

    async def _public(self, kid: str) -> Ed25519PublicKey | None:
        if kid not in self._known:
            found = await self._store.keys.find(kid)
            if found is None:
                return None
            # What the seal holds counts: `x` beside it is for people.
            try:
                raw = self._envelope.open(found.sealed, AUDIT_KEY.context(id=kid))
            except CannotOpen:
                return None  # not sealed by us
            self._known[kid] = key_from_jwk(base64.urlsafe_b64encode(raw).decode().rstrip("="))
        return self._known[kid]


def _content(mark: Mark) -> bytes:
    fields = {name: getattr(mark, name) for name in ("id", "sequence", "hash", "day", "kid")}
    return _PURPOSE + orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
