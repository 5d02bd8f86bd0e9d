"""Secrets at rest: envelope encryption with AES-256-GCM (NIST SP 800-38D).

Each record has a data key of its own, wrapped by a master key (master_keys.py); the context (what the record is) is
authenticated with it, so that a sealed value moved to another record does not open.
"""

import contextlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel

from cloudly_kit.config import ServiceSettings
from cloudly_kit.master_keys import KEY_BYTES, KeySet, MasterKeys

NONCE_BYTES = 12


class CannotOpen(Exception):
    """The value was sealed by another master key or for another context, or it was altered."""


class Sealed(BaseModel):
    """An encrypted value, as it is stored. Nonces stand in front of their ciphertexts."""

    master_key_id: str
    wrapped_key: bytes
    ciphertext: bytes


class Keys(Protocol):
    """Where an envelope has its master keys from."""

    def present(self) -> KeySet:
        """The keys as they are now."""
        ...

    def missed(self) -> None:
        """Told when a value names a key that is not among them."""
        ...


class Envelope:
    """Seals and opens with a set of master keys; new values are sealed with the current one."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    @classmethod
    def load(cls, settings: ServiceSettings) -> Self:
        """With the master keys of this process.

        Raises:
            ValueError: see MasterKeys.
        """
        return cls(MasterKeys(settings))

    @classmethod
    def of(cls, keys: Mapping[str, bytes], current: str) -> Self:
        """With these keys, which stay as they are."""
        return cls(_Fixed(KeySet(current, dict(keys))))

    def seal(self, plain: bytes, context: str) -> Sealed:
        """Encrypt a value for a context."""
        keys = self.keys.present()
        data_key = AESGCM.generate_key(KEY_BYTES * 8)
        return Sealed(
            master_key_id=keys.current,
            wrapped_key=_encrypt(keys.keys[keys.current], data_key, context),
            ciphertext=_encrypt(data_key, plain, context),
        )

    def open(self, sealed: Sealed, context: str) -> bytes:
        """Decrypt a value.

        Raises:
            CannotOpen: see there.
        """
        return _decrypt(self._data_key(sealed, context), sealed.ciphertext, context)

    def rewrap(self, sealed: Sealed, context: str) -> Sealed:
        """The same value with its data key wrapped by the current master key; the value itself is not touched.

        Raises:
            CannotOpen: see there.
        """
        keys = self.keys.present()
        if sealed.master_key_id == keys.current:
            return sealed
        wrapped = _encrypt(keys.keys[keys.current], self._data_key(sealed, context), context)
        return sealed.model_copy(update={"master_key_id": keys.current, "wrapped_key": wrapped})

    def opens(self, sealed: Sealed, context: str) -> bool:
        """Whether one of the keys opens it."""
        try:
            self._data_key(sealed, context)
        except CannotOpen:
            return False
        return True

    def _data_key(self, sealed: Sealed, context: str) -> bytes:
        keys = self.keys.present()
        named = keys.keys.get(sealed.master_key_id)
        if named is None:
            # Anybody can name a key in a token: looking is left to those who follow the keys at their pace.
            self.keys.missed()
        # Earlier versions named keys after where they came from, or by chance: a name that is not known may be any key's.
        return _unwrapped(sealed, keys.keys.values() if named is None else (named,), context)


class _Fixed:
    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def present(self) -> KeySet:
        return self._keys

    def missed(self) -> None:
        """Nothing can be done."""


def _unwrapped(sealed: Sealed, keys: Iterable[bytes], context: str) -> bytes:
    for key in keys:
        with contextlib.suppress(CannotOpen):
            return _decrypt(key, sealed.wrapped_key, context)
    raise CannotOpen(f"no master key here opens what {sealed.master_key_id!r} sealed, or it was altered or moved")


def _encrypt(key: bytes, plain: bytes, context: str) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, context.encode())


def _decrypt(key: bytes, sealed: bytes, context: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
    except InvalidTag as error:
        raise CannotOpen("sealed by another key or for another context, or altered") from error
