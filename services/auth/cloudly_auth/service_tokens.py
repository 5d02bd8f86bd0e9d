"""Cloudly's own services prove who they are with a key file each, and get a short token to call others with."""

import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import structlog
from cloudly_kit.errors import CredentialsInvalid
from cloudly_kit.identity import MAX_TOKEN_LENGTH, SERVICE_AUDIENCE, Identity
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cloudly_auth.tokens import Tokens

log = structlog.get_logger()

ASSERTION_AUDIENCE = "auth"
ASSERTION_LIFE = timedelta(seconds=60)
LEEWAY_SECONDS = 5
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


class ServiceTokens:
    """Trades assertions (RFC 7523 in spirit) for tokens."""

    def __init__(self, keys_dir: Path, redis: "Redis", tokens: Tokens) -> None:
        self._keys_dir = keys_dir
        self._redis = redis
        self._tokens = tokens

    async def issue(self, service: str, assertion: str) -> tuple[str, Identity]:
        """A token for the service that signed the assertion.

        Raises:
            CredentialsInvalid: not its signature, or not what an assertion has to say, or used before.
        """
        claims = self._verified(service, assertion)
        await self._use_once(service, str(claims["jti"]))
        return await self._tokens.sign(Identity(id=service, name=service, type="service", audience=SERVICE_AUDIENCE))

    def _verified(self, service: str, assertion: str) -> dict[str, Any]:
        if not _NAME.fullmatch(service) or len(assertion) > MAX_TOKEN_LENGTH:
            raise CredentialsInvalid
        try:
            claims: dict[str, Any] = jwt.decode(
                assertion,
                self._public_key(service),
                algorithms=["EdDSA"],
                audience=ASSERTION_AUDIENCE,
                issuer=service,
                subject=service,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "sub", "aud", "iat", "exp", "jti"], "strict_aud": True},
            )
        except jwt.PyJWTError as error:
            raise CredentialsInvalid from error
        if int(claims["exp"]) - time.time() > ASSERTION_LIFE.total_seconds() + LEEWAY_SECONDS:
            raise CredentialsInvalid("an assertion must end within a minute")
        return claims

    def _public_key(self, service: str) -> Ed25519PublicKey:
        # Read each time (a hundred bytes, once in ten minutes per service): a replaced key counts at once.
        try:
            key = load_pem_public_key((self._keys_dir / f"{service}.pub").read_bytes())
        except FileNotFoundError as error:
            raise CredentialsInvalid from error
        except (OSError, ValueError, UnsupportedAlgorithm) as error:
            log.exception("auth.service_key_unreadable", service=service)
            raise CredentialsInvalid from error
        if not isinstance(key, Ed25519PublicKey):
            log.error("auth.service_key_not_ed25519", service=service)
            raise CredentialsInvalid
        return key

    async def _use_once(self, service: str, jti: str) -> None:
        life = int(ASSERTION_LIFE.total_seconds()) + 2 * LEEWAY_SECONDS
        try:
            fresh = await self._redis.set(f"cloudly.auth.assertion.{service}.{jti[:128]}", "1", nx=True, ex=life)
        except (RedisError, OSError) as error:
            # Who can replay has read the memory or the wire of a service; the minute that it works for is bounded.
            log.warning("auth.replay_not_checked", service=service, error=type(error).__name__)
            return
        if not fresh:
            raise CredentialsInvalid("the assertion was used before")
