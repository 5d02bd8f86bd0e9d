"""Passwords: which are allowed, how they are hashed (argon2id, RFC 9106), and checked without telling who exists."""

import asyncio
import base64
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cloudly_kit.errors import RateLimited

from cloudly_auth.names import folded

T = TypeVar("T")

MIN_LENGTH = 10
MAX_BYTES = 1024
TIME_COST, MEMORY_KIB = 2, 19_456
"""argon2id as OWASP's Password Storage Cheat Sheet has it, with one lane."""
WAITING_PER_THREAD = 64
"""Checks that may wait for one thread (about 1.3 s of work); more are refused, so that a flood does not fill memory."""

# Long enough for the rule on length, and still among the first that anybody tries.
_DENIED = frozenset(
    {
        "0123456789", "1234567890", "12345678910", "123456789a", "1q2w3e4r5t", "1qaz2wsx3edc", "abcdefghij",
        "adminadmin", "adminadminadmin", "administrator", "changemenow", "changemeplease", "cloudlycloudly",
        "correcthorsebatterystaple", "iloveyou123", "letmeinletmein", "letmein123", "mypassword1", "mypassword123",
        "p@ssw0rd123", "passw0rd123", "password12", "password123", "password1234", "password12345", "passwordpassword",
        "q1w2e3r4t5", "qwerty12345", "qwerty123456", "qwertyuiop", "qwertzuiop", "rootrootroot", "secret1234",
        "secretsecret", "servezone123", "testtesttest", "trustno1trustno1", "welcome123", "welcome1234", "zaq12wsxcde3",
    }
)  # fmt: skip
_LEAST_DISTINCT = 4


def weakness(password: str, username: str) -> str:
    """What is wrong with a new password, as a sentence for its owner; empty when nothing is."""
    if len(password) < MIN_LENGTH:
        return f"must have at least {MIN_LENGTH} characters"
    if len(password.encode()) > MAX_BYTES:
        return f"must have at most {MAX_BYTES} bytes"
    plain = folded(password)
    if plain.strip() == folded(username):
        return "must not be the user name"
    if len(set(plain)) < _LEAST_DISTINCT:
        return f"must have at least {_LEAST_DISTINCT} different characters"
    if plain in _DENIED:
        return "is one of the passwords that are tried first; choose another"
    return ""


class Passwords:
    """Hashes and checks passwords in a few threads of its own: argon2 releases the interpreter while it works."""

    def __init__(self, threads: int, *, time_cost: int = TIME_COST, memory_kib: int = MEMORY_KIB) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._most_pending = threads * WAITING_PER_THREAD
        self._pending = 0
        # Random bytes in the shape of a hash: costs as much to check as a real one, and nothing matches it.
        self._nobody = f"$argon2id$v=19$m={memory_kib},t={time_cost},p=1${_base64(16)}${_base64(32)}"

    async def hash(self, password: str) -> str:
        """The password's hash in PHC form, salt and parameters included."""
        return await self._in_thread(lambda: self._hasher.hash(_normalized(password)))

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Whether the password is the hashed one. Takes as long when there is none to compare with (None).

        Raises:
            RateLimited: too many checks wait already.
        """
        right = await self._in_thread(lambda: self._verify(hashed or self._nobody, _normalized(password)))
        return right and bool(hashed)

    def close(self) -> None:
        """Let the threads end."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _verify(self, hashed: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._pending >= self._most_pending:
            raise RateLimited(1, "too many passwords are being checked at this moment")
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._pending -= 1


def _normalized(password: str) -> bytes:
    # The same keys give composed or decomposed letters depending on the system (RFC 8265 §4.2.2: NFC).
    return unicodedata.normalize("NFC", password).encode()


def _base64(length: int) -> str:
    return base64.b64encode(os.urandom(length)).decode().rstrip("=")
