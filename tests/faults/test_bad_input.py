"""What strangers, forgers and clumsy clients send, through the real gateway to the real auth; and both without Redis."""

import asyncio
import hashlib
import hmac
import json
import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import jwt
import pyotp
import pytest
from cloudly_auth.config import Settings
from cloudly_auth.signing_keys import KeyRing
from cloudly_auth.tokens import LONGEST_LIFETIME
from cloudly_kit.crypto import Envelope
from cloudly_kit.store import Database
from cloudly_kit.testing import Redis, ServiceHarness, free_port
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from motor.motor_asyncio import AsyncIOMotorClient

from tests.processes import START_SECONDS, Process

pytestmark = pytest.mark.timeout(240)
ADMIN, PASSWORD = "root", "a long enough passphrase"


class World:
    """Auth and the gateway as processes, over a Redis of their own."""

    def __init__(self, harness: ServiceHarness, redis: Redis, stack: AsyncExitStack) -> None:
        address = f"unix:{harness.directory}/auth.sock"
        self.settings = harness.settings(Settings, auth_address=address, auth_listen=address)
        self.redis = redis
        self.metrics = f"http://127.0.0.1:{(metrics := free_port())}/metrics"
        self.auth = Process(
            "auth", self.settings, CLOUDLY_METRICS_LISTEN=f"127.0.0.1:{metrics}",
            SERVEZONE_ADMINACCOUNT=f"{ADMIN}:{PASSWORD}",
        )  # fmt: skip
        listen = f"127.0.0.1:{free_port()}"
        self.gateway = Process("gateway", self.settings, CLOUDLY_GATEWAY_LISTEN=listen)
        stack.push_async_callback(self.auth.stop)
        stack.push_async_callback(self.gateway.stop)
        self.http = httpx.AsyncClient(base_url=f"http://{listen}", timeout=30)
        stack.push_async_callback(self.http.aclose)

    async def ready(self) -> None:
        await self.auth.serving()
        async with asyncio.timeout(START_SECONDS):
            while True:
                try:
                    if (await self.http.get("/healthz")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.1)

    async def login(self, name: str = ADMIN, password: str = PASSWORD) -> dict[str, Any]:
        answer = await self.http.post("/api/v1/auth/login", json={"username": name, "password": password})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def get(self, path: str, token: str) -> httpx.Response:
        return await self.http.get(path, headers={"Authorization": f"Bearer {token}"})

    async def post(self, path: str, json: Any, token: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.http.post(path, json=json, headers=headers)

    async def signer(self) -> tuple[str, Ed25519PrivateKey]:
        """Auth's own signing key, as only who has the master key can read it."""
        client: Any = AsyncIOMotorClient(self.settings.mongodb_url.get_secret_value(), tz_aware=True)
        database = Database(client, f"{self.settings.mongodb_name}_auth")
        found = await KeyRing(database, Envelope.load(self.settings), longest_token=LONGEST_LIFETIME).signer()
        client.close()
        return found

    async def calls_to_auth(self, method: str) -> int:
        """How many calls of a method auth has admitted."""
        async with httpx.AsyncClient() as http:
            text = (await http.get(self.metrics)).text
        found = re.search(rf'cloudly_rpc_seconds_count{{code="OK",method="[^"]*/{method}"}} (\d+)', text)
        return int(found[1]) if found else 0


@pytest.fixture(scope="module")
async def world(scratch: Path, mongo_url: str) -> AsyncIterator[World]:
    directory = scratch / uuid.uuid4().hex[:8]
    directory.mkdir()
    redis = Redis(directory / "redis")
    redis.start()
    async with AsyncExitStack() as stack:
        harness = ServiceHarness(directory, mongo_url, redis.url)
        harness.make_keys()
        running = World(harness, redis, stack)
        await running.ready()
        yield running
    redis.stop()


def part(value: bytes) -> str:
    return jwt.utils.base64url_encode(value).decode()


def signed_hs256(header: dict[str, Any], body: str, secret: bytes) -> str:
    signed = f"{part(json.dumps({**header, 'alg': 'HS256'}).encode())}.{body}"
    return f"{signed}.{part(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


async def forgeries(world: World) -> dict[str, str]:
    """Tokens that are nearly right."""
    good = (await world.login())["accessToken"]
    head, body, signature = good.split(".")
    header, claims = jwt.get_unverified_header(good), jwt.decode(good, options={"verify_signature": False})
    (jwk,) = [
        key for key in (await world.http.get("/.well-known/jwks.json")).json()["keys"] if key["kid"] == header["kid"]
    ]
    public = jwt.PyJWK(jwk).key
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    kid, private = await world.signer()
    stranger, now = Ed25519PrivateKey.generate(), int(time.time())

    def own(**changes: Any) -> str:
        return jwt.encode({**claims, **changes}, private, algorithm="EdDSA", headers={"kid": kid})

    assert (await world.get("/api/v1/auth/identity", own())).status_code == 200, "nothing but the change is refused"
    return {
        "alg none": f"{part(json.dumps({**header, 'alg': 'none'}).encode())}.{body}.",
        "HS256 with the public key, PEM": signed_hs256(header, body, pem),
        "HS256 with the public key, raw": signed_hs256(header, body, public.public_bytes_raw()),
        "an unknown kid": jwt.encode(claims, stranger, algorithm="EdDSA", headers={"kid": "nobody"}),
        "a stranger's key under a known kid": jwt.encode(claims, stranger, algorithm="EdDSA", headers={"kid": kid}),
        "not yet valid": own(nbf=now + 3600),
        "too old": own(iat=now - 7200, nbf=now - 7200, exp=now - 3600),
        "another audience": own(aud="registry"),
        "a changed body": f"{head}.{part(json.dumps({**claims, 'roles': ['admin']}).encode())}.{signature}",
        "garbage": "x" * 300,
        "garbage in parts": "a.b.c",
        "nothing but dots": "..",
    }


async def test_forged_tokens_are_refused_and_auth_is_not_troubled(world: World):
    tokens = await forgeries(world)
    calls, fetched = await world.calls_to_auth("GetIdentity"), await world.calls_to_auth("GetJwks")
    assert calls, "the counter counts"
    for what, token in tokens.items():
        for path in ("/api/v1/auth/identity", "/api/v1/users"):
            answer = await world.get(path, token)
            assert answer.status_code == 401, f"{what}: {answer.status_code} {answer.text}"
            reason = "TOKEN_EXPIRED" if what == "too old" else "CREDENTIALS_INVALID"
            assert answer.json()["reason"] == reason, what
    for number in range(50):
        flood = jwt.encode({}, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": f"flood{number}"})
        assert (await world.get("/api/v1/users", flood)).status_code == 401
    assert await world.calls_to_auth("GetIdentity") == calls, "none was admitted"
    assert await world.calls_to_auth("GetJwks") - fetched < 10, (
        "and unknown kids have the keys fetched at a pace of our own"
    )


async def test_a_megabyte_of_anything_is_refused_and_the_next_caller_is_served(world: World):
    big = "e" * 1_000_000
    calls = await world.calls_to_auth("GetIdentity")
    for token in (big, f"{big[:500_000]}.{big[:499_999]}"):
        try:
            assert (await world.get("/api/v1/auth/identity", token)).status_code in (400, 401, 413, 431)
        except httpx.TransportError:
            continue  # the server hung up before it had read it all
    assert await world.calls_to_auth("GetIdentity") == calls
    for path, body in (
        ("/api/v1/auth/login", {"username": big, "password": "x"}),
        ("/api/v1/auth/login", {"username": "x", "password": big}),
        ("/api/v1/auth/refresh", {"refreshToken": big}),
        ("/api/v1/auth/exchange", {"token": big}),
        ("/api/v1/auth/login/complete", {"challenge": big, "code": "1"}),
    ):
        answer = await world.post(path, body)
        assert answer.status_code in (400, 413), f"{path}: {answer.status_code}"
        assert big not in answer.text
    assert (await world.login())["accessToken"]


async def test_names_in_another_case_collide_and_look_alikes_are_refused(world: World):
    token = (await world.login())["accessToken"]

    async def made(name: str) -> httpx.Response:
        return await world.post(
            "/api/v1/users", {"user": {"name": name, "roles": ["viewer"], "password": PASSWORD}}, token
        )

    assert (await made("Grace.Hopper")).status_code == 201
    for name in ("grace.hopper", "GRACE.HOPPER"):
        answer = await made(name)
        assert (answer.status_code, answer.json()["reason"]) == (409, "ALREADY_EXISTS"), name
    # Cyrillic, Greek, fullwidth, a combining accent, a zero-width joiner, another script's digit, a ligature.
    alike = ("Gr\u0430ce.Hopper", "Gr\u03b1ce.Hopper", "\uff27race.Hopper", "Grace\u0301.Hopper", "Gra\u200dce.Hopper",
             "Grace.Hopper\u0661", "Grace.Ho\ufb00er")  # fmt: skip
    for name in alike:
        answer = await made(name)
        assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_ARGUMENT"), name
    # What only is written in another case or width is the same name.
    for name in ("gRACE.hOPPER", "\uff27race.Hopper"):
        assert (await world.login(name))["identity"]["name"] == "Grace.Hopper"
    for name in ("Gr\u0430ce.Hopper", "Gr\u03b1ce.Hopper", "Gra\u200dce.Hopper"):
        answer = await world.post("/api/v1/auth/login", {"username": name, "password": PASSWORD})
        assert answer.status_code in (400, 401), name


async def test_two_tabs_that_refresh_at_once_stay_logged_in(world: World):
    refresh = (await world.login())["refreshToken"]
    for _ in range(3):
        answers = await asyncio.gather(
            *(world.post("/api/v1/auth/refresh", {"refreshToken": refresh}) for _ in range(8))
        )
        assert {answer.status_code for answer in answers} == {200}
        for answer in answers:
            assert (await world.get("/api/v1/auth/identity", answer.json()["accessToken"])).status_code == 200
        assert len({answer.json()["refreshToken"] for answer in answers}) == 1, "one line of tokens"
        refresh = answers[0].json()["refreshToken"]


async def test_without_redis_logins_and_reads_work_and_second_factors_do_not_and_it_is_logged(world: World):
    token = (await world.login())["accessToken"]
    user = {"name": "ada", "roles": ["viewer"], "password": PASSWORD}
    assert (await world.post("/api/v1/users", {"user": user}, token)).status_code == 201
    ada = (await world.login("ada"))["accessToken"]
    secret = (await world.post("/api/v1/auth/factors/totp", {}, ada)).json()["secret"]
    app = pyotp.TOTP(secret)
    confirmed = await world.post("/api/v1/auth/factors/totp/confirm", {"code": app.at(time.time() - 30)}, ada)
    assert confirmed.status_code == 200, confirmed.text
    world.redis.kill()
    try:
        fresh = (await world.login())["accessToken"]
        for known in (token, fresh):
            assert (await world.get("/api/v1/users", known)).status_code == 200
            assert (await world.get("/api/v1/auth/identity", known)).status_code == 200
        wrong = await world.post("/api/v1/auth/login", {"username": ADMIN, "password": "wrong"})
        assert wrong.status_code == 401
        challenge = (await world.login("ada"))["challenge"]["token"]
        answer = {"challenge": challenge, "code": app.now()}
        refused = await world.post("/api/v1/auth/login/complete", answer)
        assert (refused.status_code, refused.json()["reason"]) == (503, "UNAVAILABLE")
        assert "auth.attempts_not_shared" in world.auth.log.read_text()
        assert "auth.attempts_refused_without_redis" in world.auth.log.read_text()
        # A session that ends now is over a few seconds later, although nobody could be told.
        assert (await world.post("/api/v1/auth/logout", {}, fresh)).status_code == 200
        async with asyncio.timeout(60):
            while (await world.get("/api/v1/auth/identity", fresh)).status_code != 401:
                await asyncio.sleep(0.2)
    finally:
        world.redis.start()

    async def completed() -> bool:
        return (await world.post("/api/v1/auth/login/complete", answer)).status_code == 200

    async with asyncio.timeout(60):
        while not await completed():
            await asyncio.sleep(0.5)
            answer = {"challenge": (await world.login("ada"))["challenge"]["token"], "code": app.now()}
