"""Keys: what they sign is verified by everybody, through rotations; what they did not sign is refused, cheaply."""

import asyncio
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cloudly.auth.v1 import auth_pb2, key_pb2, key_pb2_grpc
from cloudly_auth.signing_keys import RING_ID, KeyRing, KeyState
from cloudly_auth.tokens import LONGEST_LIFETIME
from cloudly_kit.crypto import CannotOpen, Envelope
from cloudly_kit.errors import CredentialsInvalid, DomainError, FailedPrecondition, PermissionDenied, TokenExpired
from cloudly_kit.identity import TokenVerifier, key_from_jwk
from cloudly_kit.store import Database
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@pytest.fixture
def ring(auth, store: Any) -> KeyRing:
    """The running auth's ring, as another replica has it."""
    return KeyRing(store.database, Envelope.load(auth.settings), longest_token=LONGEST_LIFETIME)


async def published(auth) -> dict[str, auth_pb2.Jwk]:
    return {key.kid: key for key in (await auth.auth().GetJwks(auth_pb2.GetJwksRequest())).keys}


async def test_the_published_keys_are_ed25519_jwks_and_one_of_them_signed(auth):
    keys = await published(auth)
    token = await auth.admin()
    header = jwt.get_unverified_header(token)
    assert header["alg"] == "EdDSA"
    key = keys[header["kid"]]
    assert (key.kty, key.crv, key.alg, key.use) == ("OKP", "Ed25519", "EdDSA", "sig")
    assert len(keys) == 2, "the one that signs, and the next"
    jwk = jwt.PyJWK({"kty": key.kty, "crv": key.crv, "x": key.x})
    assert jwt.decode(token, jwk, algorithms=["EdDSA"], audience="cloudly")["name"] == "root"


async def test_the_next_key_is_published_before_it_signs_and_the_old_one_after(auth, ring: KeyRing):
    before = await published(auth)
    token = await auth.admin()
    waiting = next(kid for kid in before if kid != jwt.get_unverified_header(token)["kid"])
    assert await ring.rotate() == waiting
    await until(lambda: signs_with(auth, waiting))
    assert (await auth.identity(token)).name == "root"
    assert (await auth.identity(await auth.admin())).name == "root"
    assert set(before) < set(await published(auth))


async def test_other_services_follow_a_rotation_without_a_restart(auth, ring: KeyRing):
    async def keys():
        return {kid: key_from_jwk(key.x) for kid, key in (await published(auth)).items()}

    async def is_revoked(sid: str) -> bool:
        return False

    verifier = TokenVerifier(auth.settings.public_origin, keys, is_revoked)
    old = await auth.admin()
    await verifier.verify(old)
    await ring.rotate()
    active = await ring.rotate()
    await until(lambda: signs_with(auth, active))
    verifier._fetched -= 5  # the pause that keeps forgers from having the keys fetched at their pace
    assert (await verifier.verify(await auth.admin())).name == "root"
    assert (await verifier.verify(old)).name == "root"


async def test_a_retired_key_is_published_until_its_last_token_has_ended(auth, ring: KeyRing):
    first = jwt.get_unverified_header(await auth.admin())["kid"]
    await ring.rotate()
    assert first in await published(auth)

    async def retire_earlier(by: timedelta) -> None:
        def aged(document: Any) -> Any:
            keys = [
                key.model_copy(update={"retire_time": key.retire_time - by}) if key.retire_time else key
                for key in document.keys
            ]
            return document.model_copy(update={"keys": keys})

        await ring.collection.change(RING_ID, aged)
        await asyncio.sleep(1.1)

    await retire_earlier(LONGEST_LIFETIME)
    assert first in await published(auth)
    await retire_earlier(timedelta(minutes=10))
    assert first not in await published(auth)
    await ring.rotate()
    assert first not in [key.kid for key in (await ring.collection.get(RING_ID)).keys], "and is forgotten"


async def test_a_repeated_order_to_rotate_is_one_rotation(auth, ring: KeyRing):
    ordered = datetime.now(UTC)
    await asyncio.sleep(0.01)
    active = await ring.rotate(unless_since=ordered)
    assert await ring.rotate(unless_since=ordered) == active
    assert await ring.rotate() != active


async def test_an_admin_lists_and_rotates_the_keys_once_the_next_one_is_known_to_verifiers(
    auth, ring: KeyRing, age_next_key: Any
):
    token = await auth.admin()
    stub = key_pb2_grpc.KeyServiceStub(auth.channel(token))

    async def states() -> dict[str, list[str]]:
        keys = (await stub.ListSigningKeys(key_pb2.ListSigningKeysRequest())).signing_keys
        assert all(key.HasField("expire_time") == (key.state == key_pb2.SIGNING_KEY_STATE_RETIRED) for key in keys)
        found: dict[str, list[str]] = {"NEXT": [], "ACTIVE": [], "RETIRED": []}
        for key in keys:
            found[key_pb2.SigningKeyState.Name(key.state).removeprefix("SIGNING_KEY_STATE_")].append(key.kid)
        return found

    before = await states()
    with pytest.raises(FailedPrecondition, match="try again in"):
        await stub.RotateSigningKeys(key_pb2.RotateSigningKeysRequest())
    assert await states() == before
    await age_next_key()
    await stub.RotateSigningKeys(key_pb2.RotateSigningKeysRequest())
    after = await states()
    assert (after["ACTIVE"], after["RETIRED"]) == (before["NEXT"], before["ACTIVE"])
    assert len(after["NEXT"]) == 1
    await until(lambda: signs_with(auth, after["ACTIVE"][0]))
    assert (await auth.identity(token)).name == "root"
    await auth.add_user("seer", "viewer")
    seer = key_pb2_grpc.KeyServiceStub(auth.channel((await auth.login("seer")).access_token))
    assert (await seer.ListSigningKeys(key_pb2.ListSigningKeysRequest())).signing_keys
    with pytest.raises(PermissionDenied, match=r"keys\.manage"):
        await seer.RotateSigningKeys(key_pb2.RotateSigningKeysRequest())


async def test_rotations_at_once_leave_one_active_and_one_next(auth, ring: KeyRing, store: Any):
    others = [KeyRing(store.database, Envelope.load(auth.settings), longest_token=LONGEST_LIFETIME) for _ in range(4)]
    await asyncio.gather(*(other.rotate() for other in others))
    states = [key.state for key in (await ring.collection.get(RING_ID)).keys]
    assert states.count(KeyState.ACTIVE) == states.count(KeyState.NEXT) == 1
    assert states.count(KeyState.RETIRED) == 4
    assert (await auth.identity(await auth.admin())).name == "root"


async def test_private_keys_are_sealed_in_the_database(auth, store: Any):
    ring = KeyRing(store.database, Envelope.load(auth.settings), longest_token=LONGEST_LIFETIME)
    _, private = await ring.signer()
    raw = await store.database.raw("key_rings").find_one({"_id": RING_ID})
    assert private.private_bytes_raw() not in str(raw).encode("latin-1", "replace")
    for key in raw["keys"]:
        for value in key["sealed"].values():
            assert private.private_bytes_raw() not in (value if isinstance(value, bytes) else str(value).encode())


async def test_a_wrong_master_key_is_told_at_the_start(database: Database):
    one, other = (Envelope.of({name: name.encode() * 32}, name) for name in "ab")
    ring = KeyRing(database, one, longest_token=LONGEST_LIFETIME)
    await ring.collection.ensure()
    await ring.open()
    with pytest.raises(CannotOpen, match="no master key here opens what 'a' sealed"):
        await KeyRing(database, other, longest_token=LONGEST_LIFETIME).open()


# ---------------------------------------------------------------------------------------------- what is refused


def part(value: bytes) -> str:
    return jwt.utils.base64url_encode(value).decode()


def signed_hs256(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    signed = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


async def forgeries(auth, ring: KeyRing) -> dict[str, str]:
    good = await auth.admin()
    header, claims = jwt.get_unverified_header(good), jwt.decode(good, options={"verify_signature": False})
    kid, private = await ring.signer()
    head, body, signature = good.split(".")
    public = private.public_key()
    stranger = Ed25519PrivateKey.generate()
    brought = {"kty": "OKP", "crv": "Ed25519", "x": part(stranger.public_key().public_bytes_raw())}

    def own(**changes: Any) -> str:
        kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(kept, private, algorithm="EdDSA", headers={"kid": kid})

    now = int(time.time())
    unsigned = f"{part(json.dumps({**header, 'alg': 'none'}).encode())}.{body}."
    return {
        "alg none": unsigned,
        "alg none with the signature": unsigned + signature,
        "alg None": f"{part(json.dumps({**header, 'alg': 'None'}).encode())}.{body}.",
        "HS256 with the public key, raw": signed_hs256({**header, "alg": "HS256"}, claims, public.public_bytes_raw()),
        "HS256 with the public key, PEM": signed_hs256(
            {**header, "alg": "HS256"}, claims, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        ),
        "HS256 with the public key, JWK": signed_hs256(
            {**header, "alg": "HS256"}, claims, part(public.public_bytes_raw()).encode()
        ),
        "a stranger's key under a known kid": jwt.encode(claims, stranger, algorithm="EdDSA", headers={"kid": kid}),
        "an unknown kid": jwt.encode(claims, stranger, algorithm="EdDSA", headers={"kid": "a" * 20}),
        "a key of its own": jwt.encode(
            claims, stranger, algorithm="EdDSA",
            headers={"kid": kid, "jwk": brought},
        ),
        "no kid": jwt.encode(claims, private, algorithm="EdDSA"),
        "a kid that is no text": f"{part(json.dumps({**header, 'kid': 7}).encode())}.{body}.{signature}",
        "another issuer": own(iss="http://evil.example"),
        "no issuer": own(iss=None),
        "another audience": own(aud="registry"),
        "two audiences": own(aud=["cloudly", "registry"]),
        "no audience": own(aud=None),
        "no end": own(exp=None),
        "an end that is no number": own(exp="tomorrow"),
        "not yet valid": own(nbf=now + 3600),
        "issued in the future": own(iat=now + 3600),
        "another kind of caller": own(typ="god"),
        "a changed body": f"{head}.{part(json.dumps({**claims, 'roles': ['admin', 'x']}).encode())}.{signature}",
        "a cut signature": good[:-4],
        "two parts": f"{head}.{body}",
        "four parts": f"{good}.{body}",
        "nothing": ".",
        "dots": "..",
        "garbage": "x" * 300,
        "garbage in parts": "a.b.c",
        "no JSON": f"{part(b'nonsense')}.{part(b'nonsense')}.{signature}",
        "JSON that is no object": f"{part(b'[1]')}.{part(b'[1]')}.{signature}",
        "deep JSON": f"{part(b'[' * 2000)}.{body}.{signature}",
        "nine thousand characters": "e" * 9_000,
    }  # fmt: skip


async def test_tokens_that_auth_did_not_sign_so_are_refused(auth, ring: KeyRing):
    for what, token in (await forgeries(auth, ring)).items():
        answer = await asyncio.gather(auth.identity(token), return_exceptions=True)
        assert isinstance(answer[0], CredentialsInvalid), what


async def test_an_expired_token_is_told_to_be_expired(auth, ring: KeyRing):
    claims = jwt.decode(await auth.admin(), options={"verify_signature": False})
    kid, private = await ring.signer()
    now = int(time.time())
    for exp in (now - 11, now - 86_400, 1, 0, -1):
        old = jwt.encode({**claims, "iat": 0, "nbf": 0, "exp": exp}, private, algorithm="EdDSA", headers={"kid": kid})
        with pytest.raises(TokenExpired):
            await auth.identity(old)


async def test_a_megabyte_of_token_is_refused_and_the_server_goes_on(auth):
    for token in ("x" * 1_000_000, "a." * 500_000):
        with pytest.raises(DomainError):
            await auth.identity(token)
    assert (await auth.identity(await auth.admin())).name == "root"


async def test_many_unknown_kids_do_not_have_the_keys_fetched_each_time():
    fetched = 0
    signer = Ed25519PrivateKey.generate()

    async def keys():
        nonlocal fetched
        fetched += 1
        return {"known": signer.public_key()}

    async def is_revoked(sid: str) -> bool:
        return False

    verifier = TokenVerifier("http://localhost", keys, is_revoked)
    for number in range(200):
        token = jwt.encode({"sub": "x"}, signer, algorithm="EdDSA", headers={"kid": f"unknown{number}"})
        with pytest.raises(CredentialsInvalid):
            await verifier.verify(token)
    assert fetched == 1


async def signs_with(auth, kid: str) -> bool:
    return jwt.get_unverified_header(await auth.admin())["kid"] == kid


async def until(holds: Any, seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.2)
