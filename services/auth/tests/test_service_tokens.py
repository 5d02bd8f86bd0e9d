"""Services prove who they are with their key files."""

import time
from typing import Any

import jwt
import pytest
from cloudly.auth.v1 import auth_pb2
from cloudly_kit.errors import CredentialsInvalid, PermissionDenied
from cloudly_kit.ids import new_id
from cloudly_kit.testing import Redis, ServiceHarness
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


async def issue(auth, service: str, assertion: str) -> auth_pb2.IssueServiceTokenResponse:
    request = auth_pb2.IssueServiceTokenRequest(service=service, assertion=assertion)
    return await auth.auth().IssueServiceToken(request)


async def test_an_assertion_buys_a_token_of_ten_minutes(auth, claims: Any):
    answer = await issue(auth, "registry", auth.assertion("registry"))
    said = claims(answer.access_token)
    assert (said["typ"], said["name"], said["sub"], said["aud"]) == ("service", "registry", "registry", "service")
    assert said["exp"] - said["iat"] == 600
    assert answer.expire_time.seconds == said["exp"]
    assert "sid" not in said


async def test_each_service_may_only_what_is_its_own(auth):
    token = (await issue(auth, "backups", auth.assertion("backups"))).access_token
    with pytest.raises(PermissionDenied):
        await auth.auth(token).IssuePullToken(auth_pb2.IssuePullTokenRequest(cluster_id=new_id()))


async def test_an_assertion_works_once(auth):
    assertion = auth.assertion("registry")
    await issue(auth, "registry", assertion)
    with pytest.raises(CredentialsInvalid):
        await issue(auth, "registry", assertion)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "cloudly"},
        {"aud": ["auth", "cloudly"]},
        {"iss": "clusters"},
        {"sub": "clusters"},
        {"exp": int(time.time()) - 60},
        {"exp": int(time.time()) + 3600},
        {"iat": int(time.time()) + 3600},
        {"nbf": int(time.time()) + 3600},
        {"jti": None},
        {"exp": None},
        {"jti": 7},
    ],
    ids=lambda changes: "-".join(
        f"{name}-{type(value).__name__}" for name, value in changes.items()
    ),  # the same each time
)
async def test_an_assertion_that_says_something_else_is_refused(auth, changes: dict[str, Any]):
    kept = {name: value for name, value in changes.items() if value is not None}
    if kept == changes:
        assertion = auth.assertion("registry", **changes)
    else:
        payload = jwt.decode(auth.assertion("registry"), options={"verify_signature": False})
        for name in changes:
            del payload[name]
        assertion = jwt.encode(payload, private_key(auth, "registry"), algorithm="EdDSA")
    with pytest.raises(CredentialsInvalid):
        await issue(auth, "registry", assertion)


async def test_another_services_key_does_not_do(auth):
    now = int(time.time())
    claims = {"iss": "registry", "sub": "registry", "aud": "auth", "iat": now, "exp": now + 60, "jti": "1"}
    forged = jwt.encode(claims, private_key(auth, "backups"), algorithm="EdDSA")
    with pytest.raises(CredentialsInvalid):
        await issue(auth, "registry", forged)
    public = (auth.settings.keys_dir / "registry.pub").read_bytes()
    for assertion in (
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, "x" * 32, algorithm="HS256"),
        hs256_with(claims, public),
        "a.b.c",
        "",
    ):
        with pytest.raises(Exception, match=r"wrong|required"):
            await issue(auth, "registry", assertion)


@pytest.mark.parametrize("service", ["nobody", "../registry", "registry.pub", "", "r" * 33, "Registry", "registry\x00"])
async def test_an_unknown_service_is_refused(auth, service: str):
    with pytest.raises(Exception, match=r"wrong|required|must|at most"):
        await issue(auth, service, auth.assertion("registry", iss=service, sub=service))


async def test_a_new_service_and_a_replaced_key_are_known_without_a_restart(auth, harness: ServiceHarness):
    harness.make_keys("newcomer", "registry")
    assert (await issue(auth, "newcomer", auth.assertion("newcomer"))).access_token
    assert (await issue(auth, "registry", auth.assertion("registry"))).access_token


async def test_a_key_of_another_kind_is_refused(auth):
    rsa = generate_private_key(65537, 2048)
    pem = rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (auth.settings.keys_dir / "odd.pub").write_bytes(pem)
    now = int(time.time())
    claims = {"iss": "odd", "sub": "odd", "aud": "auth", "iat": now, "exp": now + 60, "jti": "1"}
    with pytest.raises(CredentialsInvalid):
        await issue(auth, "odd", jwt.encode(claims, rsa, algorithm="RS256"))
    (auth.settings.keys_dir / "odd.pub").write_text("no key at all")
    with pytest.raises(CredentialsInvalid):
        await issue(auth, "odd", jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA"))


async def test_without_redis_services_still_get_tokens(own_redis: Redis, harness: ServiceHarness, caller_of):
    from cloudly_auth.main import serve

    settings = caller_of.settings.model_copy(update={"redis_url": type(caller_of.settings.redis_url)(own_redis.url)})
    async with harness.running("auth", serve, settings):
        own_redis.kill()
        assert (await issue(caller_of, "registry", caller_of.assertion("registry"))).access_token


def private_key(auth, service: str) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key((auth.settings.keys_dir / f"{service}.key").read_bytes(), None)


def hs256_with(claims: dict[str, Any], public: bytes) -> str:
    """HMAC keyed with the public key: pyjwt refuses to make one, an attacker does not."""
    import hashlib
    import hmac
    import json

    def part(value: bytes) -> bytes:
        return jwt.utils.base64url_encode(value)

    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(hmac.digest(public, signed, hashlib.sha256))).decode()
