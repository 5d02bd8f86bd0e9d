"""What an identity provider says is believed only as far as it can be verified."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cloudly_auth.oidc.id_token import algorithm_of, verified
from cloudly_auth.oidc.protocol import _at, _groups
from cloudly_auth.testing import TOKEN_PATH, Provider, ProviderProcess
from cloudly_kit.errors import CredentialsInvalid, FailedPrecondition, Unavailable
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NOW = int(time.time())


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("nonce", "another", "nonce"),
        ("nonce", None, "nonce"),
        ("aud", "somebody-else", "Audience"),
        ("aud", None, "aud"),
        ("aud", ["cloudly", "other"], "azp"),
        ("azp", "other", "azp"),
        ("iss", "https://elsewhere.example", "issuer"),
        ("iss", None, "iss"),
        ("exp", 1_000_000_000, "expired"),
        ("exp", None, "exp"),
        ("iat", 4_000_000_000, "not yet valid"),
        ("iat", None, "iat"),
        ("nbf", 4_000_000_000, "not yet valid"),
        ("sub", "", "subject"),
        ("sub", None, "sub"),
        ("at_hash", "AAAA", "at_hash"),
    ],
)
async def test_an_id_token_with_one_wrong_claim_is_refused(sso, provider, name: str, value: Any, why: str):
    provider.sign_by_itself()
    await sso.make()
    assert (await sso.login("ada")).access_token
    provider.claims = {name: value}
    with pytest.raises(CredentialsInvalid, match=why):
        await sso.login("ada")


async def test_an_id_token_for_several_clients_that_names_ours_is_taken(sso, provider):
    provider.sign_by_itself()
    provider.claims = {"aud": ["cloudly", "other"], "azp": "cloudly"}
    await sso.make()
    assert (await sso.login("ada")).access_token


def unsigned(token: str) -> str:
    return jwt.encode(said(token), "", algorithm="none")


def said(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def test_tokens_without_or_with_a_wrong_signature_are_refused(sso, provider):
    key = provider.sign_by_itself()
    await sso.make()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    stranger = rsa.generate_private_key(65537, 2048)

    def by_public_key(token: str) -> str:
        # pyjwt refuses to make such a token, so it is put together by hand.
        from cryptography.hazmat.primitives import hashes, hmac

        head = jwt.utils.base64url_encode(b'{"alg":"HS256","typ":"JWT","kid":"proxy"}') + b"."
        body = head + token.split(".")[1].encode()
        mac = hmac.HMAC(public, hashes.SHA256())
        mac.update(body)
        return (body + b"." + jwt.utils.base64url_encode(mac.finalize())).decode()

    forgeries = {
        "none": (unsigned, "algorithm 'none'"),
        "HMAC by the public key": (by_public_key, "algorithm 'HS256'"),
        "another's key": (
            lambda token: jwt.encode(said(token), stranger, algorithm="RS256", headers={"kid": "proxy"}),
            "none of the provider's keys",
        ),
        "an unknown key": (
            lambda token: jwt.encode(said(token), stranger, algorithm="RS256", headers={"kid": "nobody"}),
            "none of the provider's keys",
        ),
        "cut": (lambda token: token[:-4] + "AAAA", "none of the provider's keys"),
        "garbage": (lambda token: "x.y.z", "not valid"),
        "long": (lambda token: token + "A" * 70_000, "too long"),
    }
    for name, (forge, why) in forgeries.items():
        provider.forge = forge
        with pytest.raises(CredentialsInvalid, match=why):
            await sso.login("ada")
        assert name


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES256", "ES512", "EdDSA"])
def test_every_kind_of_signature_is_known_by_its_own_key_alone(algorithm: str):
    kinds = {"RS": rsa.generate_private_key(65537, 2048), "Ed": ed25519.Ed25519PrivateKey.generate()}
    kinds["PS"] = kinds["RS"]
    kinds["ES"] = ec.generate_private_key(ec.SECP521R1() if algorithm == "ES512" else ec.SECP256R1())
    key = kinds[algorithm[:2]]
    maker = jwt.get_algorithm_by_name(algorithm)
    jwk = {**maker.to_jwk(key.public_key(), as_dict=True), "kid": "k"}
    claims = {"iss": "i", "sub": "s", "aud": "c", "iat": NOW, "exp": NOW + 86400, "nonce": "n"}
    token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "k"})
    others = [{"kty": "oct", "k": "AAAA", "kid": "k"}, {"kty": "RSA", "kid": "k"}, {"nonsense": 1}]
    assert verified(token, [*others, jwk], "i", "c", "n")["sub"] == "s"
    for unfit in ({"use": "enc"}, {"alg": "RS512"}, {"kid": "other"}):
        with pytest.raises(CredentialsInvalid):
            verified(token, [*others, {**jwk, **unfit}], "i", "c", "n")
    assert algorithm_of(jwk)
    assert algorithm_of({"nonsense": 1}) == ""


def test_short_keys_are_refused():
    key = rsa.generate_private_key(65537, 1024)
    jwk = jwt.get_algorithm_by_name("RS256").to_jwk(key.public_key(), as_dict=True)
    claims = {"iss": "i", "sub": "s", "aud": "c", "iat": NOW, "exp": NOW + 86400, "nonce": "n"}
    with pytest.raises(CredentialsInvalid):
        verified(jwt.encode(claims, key, algorithm="RS256"), [jwk], "i", "c", "n")


@pytest.fixture
def own_process(scratch: Path) -> Iterator[ProviderProcess]:
    """A provider of this test's own, to be started again."""
    running = ProviderProcess(scratch)
    running.start()
    yield running
    running.stop()


async def test_a_provider_with_new_keys_needs_nothing_done(auth, sso, own_process):
    provider = Provider(own_process)
    await provider.start()
    try:
        rotating = type(sso)(auth, provider)
        await rotating.make()
        first = await rotating.login("ada")
        await asyncio.to_thread(own_process.stop)
        await asyncio.to_thread(own_process.start)
        assert (await rotating.login("ada")).identity.id == first.identity.id
    finally:
        await provider.close()


async def test_answers_that_are_no_answers_are_told_as_the_providers_fault(sso, provider):
    await sso.make()
    endless = web.Response(body=b'{"keys": [' + b" " * 1_000_000 + b"]}")
    redirect = web.Response(status=302, headers={"location": "https://elsewhere.example/"})
    for path, answer, why in (
        ("/jwks", endless, "more than 512 KiB"),
        ("/jwks", redirect, "redirects"),
        ("/jwks", web.json_response({"keys": 1}), "holds no keys"),
        ("/jwks", web.json_response([]), "without a JSON object"),
        (TOKEN_PATH, redirect, "redirects"),
        (TOKEN_PATH, web.Response(text="<html>"), "without a JSON object"),
        (TOKEN_PATH, web.json_response({}), "no ID token"),
        (TOKEN_PATH, web.json_response({}, status=500), "answers 500"),
    ):
        provider.answers = {path: answer}
        with pytest.raises(Unavailable, match=why):
            await sso.login("ada")
    provider.answers = {TOKEN_PATH: web.json_response({"error": "invalid_client"}, status=401)}
    with pytest.raises(FailedPrecondition, match="client id or secret"):
        await sso.login("ada")


async def test_what_a_provider_publishes_must_be_its_own_and_safe(sso, provider, monkeypatch):
    from cloudly_auth.oidc import protocol

    monkeypatch.setattr(protocol, "_AWAY_SECONDS", 0.0)
    await sso.make()
    good = {
        "issuer": provider.issuer,
        "authorization_endpoint": f"{provider.issuer}/a",
        "token_endpoint": f"{provider.issuer}/t",
        "jwks_uri": f"{provider.issuer}/k",
    }
    for changes, why in (
        ({"issuer": f"{provider.issuer}/"}, "calls itself"),
        ({"token_endpoint": "http://idp.example.com/t"}, "token_endpoint must begin with https"),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri must be an https URL"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
        ({"token_endpoint": None}, "token_endpoint"),
    ):
        provider.answers = {"/.well-known/openid-configuration": web.json_response({**good, **changes})}
        with pytest.raises(Unavailable, match=why):
            await sso.start()


def test_groups_are_found_wherever_providers_put_them():
    claims = {
        "groups": ["a", 1, "b"],
        "realm_access": {"roles": ["c"]},
        "https://example.com/groups": "d",
        "project:roles": {"e": {"1": "x"}},
    }
    found = {
        path: _groups(_at(claims, path)) for path in (*claims, "realm_access.roles", "realm_access.none", "none.x")
    }
    assert found["groups"] == ["a", "b"]
    assert found["realm_access.roles"] == ["c"]
    assert found["https://example.com/groups"] == ["d"]
    assert found["project:roles"] == ["e"]
    assert found["realm_access.none"] == found["none.x"] == []
