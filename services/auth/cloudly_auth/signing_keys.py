"""The keys that sign tokens: one ring in the database, its private halves sealed by the master key.

A key is `next` (published, so that verifiers know it before it signs), then `active` (signs), then `retired` (published
until the last token it signed has ended). The whole ring is one document, so that every change is one compare-and-set:
two replicas that start at once make one ring, and a process killed at any line leaves a whole one.
"""

import math
import time
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import jwt
import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.crypto import Envelope, Sealed
from cloudly_kit.errors import AlreadyExists, FailedPrecondition
from cloudly_kit.identity import CLOCK_SKEW_SECONDS, PublicKeys, key_from_jwk
from cloudly_kit.ids import new_id
from cloudly_kit.sealed_fields import SealedFor
from cloudly_kit.store import Collection, Database, Document
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel

log = structlog.get_logger()

RING_ID = "signing-keys"
SIGNING_KEY = SealedFor("signing-key:{kid}")
SIGNING_SECONDS = 10.0
"""For so long a replica may go on signing with the key that another has just retired."""
SETTLED_SECONDS = 10.0
"""So long a key has to be published before a person may have it sign: verifiers ask for unknown keys every five."""
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
    sealed: Annotated[Sealed, SIGNING_KEY]
    create_time: datetime
    activate_time: datetime | None = None
    retire_time: datetime | None = None


class KeyRingDocument(Document):
    """All keys that still matter, newest first."""

    keys: list[SigningKey]
    order: str = ""
    """The request that ordered the last rotation; empty where it cannot be repeated."""

    def only(self, state: KeyState) -> SigningKey:
        """The one key in this state; there is always one next and one active."""
        return next(key for key in self.keys if key.state is state)


def key_rings(database: Database) -> Collection[KeyRingDocument]:
    """The one ring."""
    return Collection(database, "key_rings", KeyRingDocument, kind="key ring")


class KeyRing:
    """Signs, publishes and rotates."""

    def __init__(self, database: Database, envelope: Envelope, *, longest_token: timedelta) -> None:
        self.collection = key_rings(database)
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
            raw = self._envelope.open(key.sealed, SIGNING_KEY.context(kid=key.kid))
            self._private = {key.kid: Ed25519PrivateKey.from_private_bytes(raw)}
        return key.kid, self._private[key.kid]

    async def published(self) -> list[SigningKey]:
        """The keys that verify tokens: next, active, and the retired whose last token may still live."""
        ring = await self._current(PUBLISHING_SECONDS)
        return [key for key in ring.keys if not self._is_over(key, datetime.now(UTC))]

    async def public_keys(self) -> PublicKeys:
        """The published keys by id, for this process's own verifier."""
        return {key.kid: key_from_jwk(key.x) for key in await self.published()}

    def verifies_until(self, key: SigningKey) -> datetime | None:
        """When a retired key is not published any more."""
        return key.retire_time and key.retire_time + self._published_after_retirement

    async def rotate(self, *, unless_since: datetime | None = None, order: str = "", settled_seconds: float = 0) -> str:
        """Have the next key sign and a new one wait; answers the id of the key that signs.

        `unless_since`: do nothing when there was a rotation since then; `order`: nor when the last one was for this
        request, so that a repeated order is one rotation.

        Raises:
            FailedPrecondition: the next key has not been published for `settled_seconds` yet.
        """
        now = datetime.now(UTC)
        fresh = self._new_key(now)

        def turned(ring: KeyRingDocument) -> KeyRingDocument | None:
            activated = ring.only(KeyState.ACTIVE).activate_time
            if unless_since is not None and activated is not None and activated >= unless_since:
                return None
            if order and ring.order == order:
                return None
            missing = settled_seconds - (now - ring.only(KeyState.NEXT).create_time).total_seconds()
            if settled_seconds and missing > 0:
                raise FailedPrecondition(
                    f"the keys were rotated a moment ago; not everybody knows the next one yet: "
                    f"try again in {math.ceil(missing)} s"
                )
            kept = [_advanced(key, now) for key in ring.keys if not self._is_over(key, now)]
            return ring.model_copy(update={"keys": [fresh, *kept], "order": order})

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
        sealed = self._envelope.seal(private.private_bytes_raw(), SIGNING_KEY.context(kid=kid))
        return SigningKey(kid=kid, state=KeyState.NEXT, x=x, sealed=sealed, create_time=now)

    def _is_over(self, key: SigningKey, now: datetime) -> bool:
        until = self.verifies_until(key)
        return until is not None and until < now


def _advanced(key: SigningKey, now: datetime) -> SigningKey:
    if key.state is KeyState.NEXT:
        return key.model_copy(update={"state": KeyState.ACTIVE, "activate_time": now})
    if key.state is KeyState.ACTIVE:
        return key.model_copy(update={"state": KeyState.RETIRED, "retire_time": now})
    return key
