"""Secrets at rest: envelope encryption with AES-256-GCM (NIST SP 800-38D).

Each record has a data key of its own, wrapped by a master key; the context (what the record is) is authenticated with it,
so that a sealed value moved to another record does not open. Master keys come from CLOUDLY_MASTER_KEY (base64 of 32 bytes),
from what CLOUDLY_MASTER_KEY_COMMAND prints (the same; run once a process, without a shell), or from
`<keys dir>/master.json`: {"current": id, "keys": {id: base64}}; the file is made at the first use.
"""

import base64
import binascii
import json
import os
import secrets
import shlex
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel

KEY_BYTES = 32
NONCE_BYTES = 12
FILE = "master.json"
VARIABLE = "CLOUDLY_MASTER_KEY"
ENVIRONMENT_KEY_ID = "environment"
COMMAND_VARIABLE = "CLOUDLY_MASTER_KEY_COMMAND"
COMMAND_KEY_ID = "command"
COMMAND_SECONDS = 30


class CannotOpen(Exception):
    """The value was sealed by another master key or for another context, or it was altered."""


class Sealed(BaseModel):
    """An encrypted value, as it is stored. Nonces stand in front of their ciphertexts."""

    master_key_id: str
    wrapped_key: bytes
    ciphertext: bytes


class Envelope:
    """Seals and opens with a set of master keys; new values are sealed with the current one."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        if current not in keys or any(len(key) != KEY_BYTES for key in keys.values()):
            message = f"master keys are {KEY_BYTES} bytes each, and the current one is among them"
            raise ValueError(message)
        self._keys = dict(keys)
        self._current = current

    @classmethod
    def load(cls, keys_dir: Path) -> Self:
        """From the environment, from a command, else from the keys directory, where a key is made if there is none.

        Raises:
            ValueError: the key or the file is malformed, the command fails, or both variables are set.
        """
        given, id_ = _given()
        path = keys_dir / FILE
        if not given and not path.exists():
            make_master_key(path)
        keys, current = _read(path) if path.exists() else ({}, "")
        if given:
            # What the file's keys sealed before stays readable, and is re-wrapped by the next rotation.
            keys, current = {**keys, id_: _decoded(given, f"the {id_}'s master key")}, id_
        return cls(keys, current)

    def seal(self, plain: bytes, context: str) -> Sealed:
        """Encrypt a value for a context."""
        data_key = AESGCM.generate_key(KEY_BYTES * 8)
        return Sealed(
            master_key_id=self._current,
            wrapped_key=_encrypt(self._keys[self._current], data_key, context),
            ciphertext=_encrypt(data_key, plain, context),
        )

    def open(self, sealed: Sealed, context: str) -> bytes:
        """Decrypt a value.

        Raises:
            CannotOpen: see there.
        """
        return _decrypt(self._data_key(sealed, context), sealed.ciphertext, context)

    def rewrap(self, sealed: Sealed, context: str) -> Sealed:
        """The same value with its data key wrapped by the current master key; the value itself is not touched."""
        if sealed.master_key_id == self._current:
            return sealed
        wrapped = _encrypt(self._keys[self._current], self._data_key(sealed, context), context)
        return sealed.model_copy(update={"master_key_id": self._current, "wrapped_key": wrapped})

    def _data_key(self, sealed: Sealed, context: str) -> bytes:
        master = self._keys.get(sealed.master_key_id)
        if master is None:
            raise CannotOpen(f"there is no master key {sealed.master_key_id!r}")
        return _decrypt(master, sealed.wrapped_key, context)


def make_master_key(path: Path) -> None:
    """Make a key file with one key, readable by its owner alone; another process that was faster wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    id_ = secrets.token_hex(4)
    content = {"current": id_, "keys": {id_: base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}}
    building = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(building, path)
    except FileExistsError:
        pass
    finally:
        building.unlink()


def _given() -> tuple[str, str]:
    """The key that was configured, and its id; empty where none was."""
    given, command = os.environ.get(VARIABLE, ""), os.environ.get(COMMAND_VARIABLE, "")
    if given and command:
        raise ValueError(f"set {VARIABLE} or {COMMAND_VARIABLE}, not both")
    return (_printed(command), COMMAND_KEY_ID) if command else (given, ENVIRONMENT_KEY_ID)


@cache
def _printed(command: str) -> str:
    """What the command prints. No shell reads it; neither its output nor what it complains about is repeated."""
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, timeout=COMMAND_SECONDS, check=False)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"{COMMAND_VARIABLE} cannot be run: {type(error).__name__}") from None
    if done.returncode or not done.stdout.strip():
        raise ValueError(f"{COMMAND_VARIABLE} ended with {done.returncode} and printed {len(done.stdout)} bytes")
    return done.stdout.decode("ascii", "replace").strip()


def _read(path: Path) -> tuple[dict[str, bytes], str]:
    try:
        stored = json.loads(path.read_text())
        return {id: _decoded(text, str(path)) for id, text in stored["keys"].items()}, str(stored["current"])
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no file of master keys") from error


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{where} holds no base64") from error


def _encrypt(key: bytes, plain: bytes, context: str) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, context.encode())


def _decrypt(key: bytes, sealed: bytes, context: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
    except InvalidTag as error:
        raise CannotOpen("sealed by another key or for another context, or altered") from error
