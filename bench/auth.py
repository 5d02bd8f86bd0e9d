"""What auth costs beside the bare libraries it stands on: tokens verified per second beside pyjwt, and logins per second
beside argon2 with the same parameters. Both sides take turns in one run on the same cores.
"""

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import jwt
from argon2 import PasswordHasher
from cloudly.auth.v1 import auth_pb2, auth_pb2_grpc
from cloudly_auth.config import Settings
from cloudly_auth.main import serve
from cloudly_auth.passwords import MEMORY_KIB, TIME_COST
from cloudly_auth.signing_keys import KeyRing
from cloudly_auth.tokens import Tokens
from cloudly_kit import logs
from cloudly_kit.identity import AUDIENCE, CLOCK_SKEW_SECONDS, Identity
from cloudly_kit.ids import new_id
from cloudly_kit.rpc_client import ServiceChannel
from cloudly_kit.runtime import Runtime
from cloudly_kit.testing import Mongo, Redis, ServiceHarness
from pydantic import SecretStr

ROUNDS = 5
TOKENS = 1_000
LOGINS = 60
TOGETHER = 16
"""Calls in flight at once."""
NAME, PASSWORD = "bench", "a long enough passphrase"


def main() -> int:
    """Measure and print."""
    directory = Path(tempfile.mkdtemp(prefix="cl-bench-"))
    logs.configure("bench", "error")
    mongo, redis = Mongo(directory / "mongo"), Redis(directory / "redis")
    mongo.start()
    redis.start()
    try:
        asyncio.run(_measure(ServiceHarness(directory, mongo.url, redis.url)))
    finally:
        mongo.stop()
        redis.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return 0


async def _measure(harness: ServiceHarness) -> None:
    harness.make_keys()
    address = f"unix:{harness.directory}/auth.sock"
    settings = harness.settings(Settings, auth_address=address, admin_account=SecretStr(f"{NAME}:{PASSWORD}"))
    async with Runtime("auth", settings) as runtime:
        keys = KeyRing(runtime.database, await runtime.envelope(), longest_token=timedelta(days=30))
        await keys.collection.ensure()
        await keys.open()
        await _tokens(settings, keys)
    async with harness.running("auth", serve, settings):
        await _logins(settings)


async def _tokens(settings: Settings, keys: KeyRing) -> None:
    signer = Tokens(settings.public_origin, keys)
    public = (await keys.public_keys())[(await keys.signer())[0]]

    async def made() -> list[str]:
        people = [
            Identity(id=new_id(), name="someone", type="human", roles=("viewer",), session_id=new_id())
            for _ in range(TOKENS)
        ]
        return [(await signer.sign(person))[0] for person in people]

    async with Runtime("registry", settings, fetch_keys=keys.public_keys) as runtime:
        verifier = runtime.verifier
        rates: dict[str, list[float]] = {"pyjwt": [], "first": [], "again": []}
        for _ in range(ROUNDS):
            tokens = await made()

            async def bare(token: str) -> None:
                jwt.decode(
                    token, public, algorithms=["EdDSA"], audience=AUDIENCE, issuer=settings.public_origin,
                    leeway=CLOCK_SKEW_SECONDS, options={"require": ["exp", "iat", "sub", "aud", "iss"]},
                )  # fmt: skip

            async def verified(token: str) -> None:
                await verifier.verify(token)

            rates["pyjwt"].append(await _rate(bare, tokens))
            rates["first"].append(await _rate(verified, tokens))
            rates["again"].append(await _rate(verified, tokens))
    middle = {name: statistics.median(values) for name, values in rates.items()}
    print(f"tokens verified per second, one core ({ROUNDS} rounds of {TOKENS}, median)")
    _line("pyjwt alone: signature and claims", middle["pyjwt"], middle["pyjwt"])
    _line("Cloudly, a token's first call: the same, and revocation asked of Redis", middle["first"], middle["pyjwt"])
    _line("Cloudly, its further calls: revocation asked of Redis", middle["again"], middle["pyjwt"])


async def _logins(settings: Settings) -> None:
    hasher = PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=1)
    hashed = hasher.hash(PASSWORD)
    request = auth_pb2.LoginRequest(username=NAME, password=PASSWORD)
    times = [""] * LOGINS
    rates: dict[str, list[float]] = {"argon2": [], "login": []}
    with ThreadPoolExecutor(settings.password_threads) as threads:
        async with ServiceChannel("auth", settings.auth_listen, None) as channel:
            stub = auth_pb2_grpc.AuthServiceStub(channel)  # type: ignore[no-untyped-call]

            async def bare(_: str) -> None:
                await asyncio.get_running_loop().run_in_executor(threads, hasher.verify, hashed, PASSWORD)

            async def login(_: str) -> None:
                await stub.Login(request)

            await login("")
            for _ in range(ROUNDS):
                rates["argon2"].append(await _rate(bare, times))
                rates["login"].append(await _rate(login, times))
    middle = {name: statistics.median(values) for name, values in rates.items()}
    print(
        f"logins per second, {settings.password_threads} threads ({ROUNDS} rounds of {LOGINS}, {TOGETHER} at once, median;"
        " caller and auth in one process)"
    )
    _line(f"argon2 alone (t={TIME_COST}, {MEMORY_KIB // 1024} MiB, p=1)", middle["argon2"], middle["argon2"])
    _line("Cloudly: gRPC, limits, user, argon2, session written, token signed", middle["login"], middle["argon2"])


async def _rate(work: Callable[[str], Awaitable[None]], items: list[str]) -> float:
    """Items per second, some in flight at once."""
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await work(item)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(TOGETHER):
            group.create_task(worker())
    return len(items) / (time.perf_counter() - began)


def _line(what: str, rate: float, base: float) -> None:
    print(f"  {rate:10,.0f}/s  {rate / base:6.2f}x  {what}")


if __name__ == "__main__":
    raise SystemExit(main())
