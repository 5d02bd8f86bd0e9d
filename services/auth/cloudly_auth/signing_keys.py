"""The keys that sign tokens: one ring in the database, its private halves sealed by the master key.

A key is `next` (published, so that verifiers know it before it signs), then `active` (signs), then `retired` (published
until the last token it signed has ended). The whole ring is one document, so that every change is one compare-and-set:
two replicas that start at once make one ring, and a process killed at any line leaves a whole one.
"""

import time
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import jwt
import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.crypto import Envelope, Sealed
from cloudly_kit.errors import AlreadyExists
from cloudly_kit.identity import CLOCK_SKEW_SECONDS, PublicKeys, key_from_jwk
from cloudly_kit.ids import new_id
from cloudly_kit.store import Collection, Database, Document
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel

log = structlog.get_logger()

RING_ID = "signing-keys"
SIGNING_SECONDS = 10.0
"""For so long a replica may go on signing with the key that another has just retired."""
PUBLISHING_SECONDS = 1.0
"""So old may a published ring be: a verifier that meets a new key asks for it at once."""


class KeyState(StrEnum):
    """Where a key is in its life."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRED = "retired"


class SigningKey(BaseModel):
    """An Ed25519 key; `x` is the public half as in a JWK (RFC 8037 §2)."""

    kid: str
    state: KeyState
    x: str
    sealed: Sealed
    create_time: datetime
    activate_time: datetime | None = None
    retire_time: datetime | None = None


class KeyRingDocument(Document):
    """All keys that still matter, newest first."""

    keys: list[SigningKey]

    def only(self, state: KeyState) -> SigningKey:
        """The one key in this state; there is always one next and one active."""
        return next(key for key in self.keys if key.state is state)


class KeyRing:
    """Signs, publishes and rotates."""

    def __init__(self, database: Database, envelope: Envelope, *, longest_token: timedelta) -> None:
        self.collection: Collection[KeyRingDocument] = Collection(
            database, "key_rings", KeyRingDocument, kind="key ring"
        )
        self._envelope = envelope
        # Kept a little beyond the last token, for verifiers whose clocks are behind.
        self._published_after_retirement = longest_token + timedelta(seconds=CLOCK_SKEW_SECONDS, minutes=5)
        self._ring: KeyRingDocument | None = None
        self._read = 0.0
        self._private: dict[str, Ed25519PrivateKey] = {}

    async def open(self) -> None:
        """Make the ring where there is none yet; of two replicas that do so at once one wins and both use its keys."""
        if await self.collection.find(RING_ID) is None:
            now = datetime.now(UTC)
            active = self._new_key(now).model_copy(update={"state": KeyState.ACTIVE, "activate_time": now})
            try:
                await self.collection.insert(KeyRingDocument(id=RING_ID, keys=[self._new_key(now), active]))
            except AlreadyExists:
                log.info("auth.keys_made_elsewhere")
            else:
                log.info("auth.keys_made", active=active.kid)
        # Unreadable keys (a wrong master key) are told now, not at the first login.
        await self.signer()

    async def signer(self) -> tuple[str, Ed25519PrivateKey]:
        """The active key and its id."""
        key = (await self._current(SIGNING_SECONDS)).only(KeyState.ACTIVE)
        if key.kid not in self._private:
            raw = self._envelope.open(key.sealed, _context(key.kid))
            self._private = {key.kid: Ed25519PrivateKey.from_private_bytes(raw)}
        return key.kid, self._private[key.kid]

    async def published(self) -> list[SigningKey]:
        """The keys that verify tokens: next, active, and the retired whose last token may still live."""
        ring = await self._current(PUBLISHING_SECONDS)
        return [key for key in ring.keys if not self._is_over(key, datetime.now(UTC))]

    async def public_keys(self) -> PublicKeys:
        """The published keys by id, for this process's own verifier."""
        return {key.kid: key_from_jwk(key.x) for key in await self.published()}

    async def rotate(self, *, unless_since: datetime | None = None) -> str:
        """Have the next key sign and a new one wait; answers the id of the key that signs.

        `unless_since`: do nothing when there was a rotation since then, so that a repeated order is one rotation.
        """
        now = datetime.now(UTC)
        fresh = self._new_key(now)

        def turned(ring: KeyRingDocument) -> KeyRingDocument | None:
            activated = ring.only(KeyState.ACTIVE).activate_time
            if unless_since is not None and activated is not None and activated >= unless_since:
                return None
            kept = [_advanced(key, now) for key in ring.keys if not self._is_over(key, now)]
            return ring.model_copy(update={"keys": [fresh, *kept]})

        crashpoint("auth.keys.rotate.before_write")
        ring = await self.collection.change(RING_ID, turned)
        crashpoint("auth.keys.rotate.after_write")
        self._keep(ring)
        active = ring.only(KeyState.ACTIVE)
        log.info("auth.keys_rotated", active=active.kid, published=len(ring.keys))
        return active.kid

    async def _current(self, at_most_old: float) -> KeyRingDocument:
        if self._ring is None or time.monotonic() - self._read > at_most_old:
            self._keep(await self.collection.get(RING_ID))
        assert self._ring is not None
        return self._ring

    def _keep(self, ring: KeyRingDocument) -> None:
        self._ring, self._read = ring, time.monotonic()

    def _new_key(self, now: datetime) -> SigningKey:
        private = Ed25519PrivateKey.generate()
        kid = new_id()
        x = jwt.utils.base64url_encode(private.public_key().public_bytes_raw()).decode()
        sealed = self._envelope.seal(private.private_bytes_raw(), _context(kid))
        return SigningKey(kid=kid, state=KeyState.NEXT, x=x, sealed=sealed, create_time=now)

    def _is_over(self, key: SigningKey, now: datetime) -> bool:
        return key.retire_time is not None and key.retire_time + self._published_after_retirement < now


def _advanced(key: SigningKey, now: datetime) -> SigningKey:
    if key.state is KeyState.NEXT:
        return key.model_copy(update={"state": KeyState.ACTIVE, "activate_time": now})
    if key.state is KeyState.ACTIVE:
        return key.model_copy(update={"state": KeyState.RETIRED, "retire_time": now})
    return key


def _context(kid: str) -> str:
    return f"signing-key:{kid}"
