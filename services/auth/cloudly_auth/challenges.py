"""Challenges of two-step logins, passkeys and proofs: sealed tokens, so that any replica can read them and a stranger who
asks for thousands stores nothing. What is stored is that one was answered: each works once.
"""

import base64
import binascii
import secrets
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

from cloudly_kit.crypto import CannotOpen, Envelope, Sealed
from cloudly_kit.errors import AlreadyExists, CredentialsInvalid, TokenExpired
from cloudly_kit.ids import derived_id
from cloudly_kit.store import Session as Transaction
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloudly_auth.factor_store import SpentChallenge
from cloudly_auth.store import AuthStore

LIFETIME = timedelta(minutes=5)
PREFIX = "cloudly_ch_"
_CONTEXT = "challenge"
_NONCE_BYTES = 32
"""WebAuthn asks for 16 random bytes at least (Level 3 §13.4.3)."""

Purpose = Literal["login", "passkey-login", "proof", "passkey", "sso-login", "sso-link"]
C = TypeVar("C", bound="Challenge")


class Challenge(BaseModel):
    """What was asked, of whom, and for what."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    purpose: Purpose
    user_id: str = ""
    """Empty where a passkey is to tell who it is."""
    epoch: int = 0
    """The user's session epoch: a new password or a sign-out everywhere voids the challenges before it."""
    audience: str = ""
    nonce: bytes = Field(default_factory=lambda: secrets.token_bytes(_NONCE_BYTES))
    expire_time: datetime = Field(default_factory=lambda: datetime.now(UTC) + LIFETIME)

    @property
    def id(self) -> str:
        """By which it is remembered as spent."""
        return derived_id("challenge", self.nonce.hex())


class Challenges:
    """Makes, reads and spends challenges."""

    def __init__(self, store: AuthStore, envelope: Envelope) -> None:
        self._store = store
        self._envelope = envelope

    def token(self, challenge: Challenge) -> str:
        """The challenge as its answerer carries it: nobody else can read or make one."""
        sealed = self._envelope.seal(challenge.model_dump_json().encode(), _CONTEXT)
        parts = (sealed.master_key_id.encode(), sealed.wrapped_key, sealed.ciphertext)
        return PREFIX + ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)

    def read(self, token: str, *purposes: Purpose) -> Challenge:
        """The challenge of a token; raises as `read_as`."""
        return self.read_as(Challenge, token, *purposes)

    def read_as(self, kind: type[C], token: str, *purposes: Purpose) -> C:
        """The challenge of a token that carries more than others do.

        Raises:
            CredentialsInvalid: it is none of ours, or for another purpose.
            TokenExpired: its time is over.
        """
        try:
            key_id, wrapped, ciphertext = (_decoded(part) for part in token.removeprefix(PREFIX).split("."))
            sealed = Sealed(master_key_id=key_id.decode(), wrapped_key=wrapped, ciphertext=ciphertext)
            challenge = kind.model_validate_json(self._envelope.open(sealed, _CONTEXT))
        except (ValueError, binascii.Error, CannotOpen, ValidationError) as error:
            raise CredentialsInvalid("this is no challenge of ours: start again") from error
        if challenge.purpose not in purposes:
            raise CredentialsInvalid("the challenge is for another purpose: start again")
        if challenge.expire_time <= datetime.now(UTC):
            raise TokenExpired("this took too long: start again")
        return challenge

    async def spend(self, challenge: Challenge, transaction: Transaction) -> None:
        """Remember, together with what it was spent on, that the challenge was answered.

        Raises:
            CredentialsInvalid: it was answered before.
        """
        try:
            await self._store.spent_challenges.insert(
                SpentChallenge(id=challenge.id, expire_time=challenge.expire_time), session=transaction
            )
        except AlreadyExists as error:
            raise CredentialsInvalid("this challenge was answered before: start again") from error


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
