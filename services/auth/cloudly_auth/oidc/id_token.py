"""What has to be verified of an ID token before a word of it is believed (OpenID Connect Core §3.1.3.7)."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import jwt
import structlog
from cloudly_kit.errors import CredentialsInvalid

log = structlog.get_logger()

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures only: never `none`, and no HMAC, whose key could be one that is public."""
_KEY_TYPES = {"R": "RSA", "P": "RSA", "E": "EC"}
LEEWAY_SECONDS = 60
"""By so much clocks may differ."""
_TOKEN_LENGTH = 64 * 1024
_SUBJECT_LENGTH = 255
"""OpenID Connect Core §2."""


def verified(
    token: str, keys: Sequence[Mapping[str, Any]], issuer: str, client_id: str, nonce: str, access_token: str = ""
) -> dict[str, Any]:
    """The claims of an ID token after all checks of OpenID Connect Core §3.1.3.7.

    Raises:
        CredentialsInvalid: one of them fails; the message names which.
    """
    try:
        if len(token) > _TOKEN_LENGTH:
            raise jwt.DecodeError("too long")
        header = jwt.get_unverified_header(token)
        algorithm = str(header.get("alg"))
        if algorithm not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError(f"its algorithm {algorithm[:16]!r} is not accepted")
        claims = _decoded(token, algorithm, _candidates(keys, algorithm, header.get("kid")), issuer, client_id)
    except jwt.PyJWTError as error:
        raise _refused(str(error)) from error
    audience = claims["aud"]
    if claims.get("azp", client_id) != client_id:
        raise _refused("it was made for another client (azp)")
    if isinstance(audience, list) and len(audience) > 1 and "azp" not in claims:
        raise _refused("it is for several clients and says not which (azp)")
    if claims.get("nonce") != nonce:
        raise _refused("its nonce is not that of this login")
    subject = claims["sub"]
    if not isinstance(subject, str) or not subject.isascii() or not 0 < len(subject) <= _SUBJECT_LENGTH:
        raise _refused("its subject is not 1 to 255 ASCII characters")
    if "at_hash" in claims and access_token and claims["at_hash"] != _at_hash(algorithm, access_token):
        raise _refused("it belongs to another access token (at_hash)")
    return claims


def algorithm_of(key: Mapping[str, Any]) -> str:
    """The algorithm that a key (JWK) is for, or the usual one of its kind; empty where it is not known."""
    try:
        return jwt.PyJWK(dict(key)).algorithm_name
    except jwt.PyJWTError:
        return ""


def _decoded(
    token: str, algorithm: str, keys: Sequence[Mapping[str, Any]], issuer: str, client_id: str
) -> dict[str, Any]:
    for key in keys:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                jwt.PyJWK(dict(key), algorithm).key,
                algorithms=[algorithm],
                issuer=issuer,
                audience=client_id,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "sub", "aud", "exp", "iat"], "enforce_minimum_key_length": True},
            )
        except (jwt.InvalidSignatureError, jwt.InvalidKeyError, jwt.PyJWKError):
            log.debug("auth.oidc_key_does_not_fit", kid=key.get("kid"))
        else:
            return claims
    raise jwt.InvalidSignatureError("none of the provider's keys has signed it")


def _candidates(keys: Sequence[Mapping[str, Any]], algorithm: str, kid: object) -> list[Mapping[str, Any]]:
    """The keys that may have signed: of the algorithm's kind, for signatures, and of that name where one is named."""
    kind = "OKP" if algorithm == "EdDSA" else _KEY_TYPES[algorithm[0]]
    return [
        key
        for key in keys
        if key.get("kty") == kind
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (kid is None or key.get("kid") == kid)
    ]


def _refused(why: str) -> CredentialsInvalid:
    return CredentialsInvalid(f"the identity provider's ID token is not valid: {why}")


def _at_hash(algorithm: str, access_token: str) -> str:
    # Core §3.1.3.6: the left half of the hash that the signature uses; that of Ed25519 is SHA-512.
    name = "sha512" if algorithm == "EdDSA" else f"sha{algorithm[2:]}"
    digest = hashlib.new(name, access_token.encode()).digest()
    return base64url(digest[: len(digest) // 2])


def base64url(raw: bytes) -> str:
    """Without padding, as all of OAuth writes it."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
