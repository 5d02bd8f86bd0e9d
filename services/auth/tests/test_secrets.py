"""No secret in a log, an error, Redis or the database: each kind is sent through every path, and then looked for."""

import asyncio
import sys
from typing import Any

import pytest
import redis.asyncio
from cloudly.auth.v1 import auth_pb2, user_pb2
from cloudly_kit import logs
from cloudly_kit.canaries import leaks
from cloudly_kit.errors import DomainError
from cloudly_kit.ids import new_id
from cloudly_kit.testing import ServiceHarness

PASSWORD = 'canary "Passwort\\ ünd/+ %'


@pytest.fixture
def captured(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """The real logs of the process, at their most talkative."""
    import structlog

    before = structlog.get_config()
    path = tmp_path / "log"
    with path.open("w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        logs.configure("auth", "debug")
        yield path
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


async def test_no_secret_is_anywhere_but_with_its_owner(captured, auth, harness: ServiceHarness, store: Any):
    secrets, told = await everything(auth)
    log = captured.read_bytes()
    assert b"auth.user_created" in log
    assert b"rpc.audited" in log
    assert b"auth.refresh_token_reused" in log
    client = redis.asyncio.Redis.from_url(harness.redis_url)
    cache = repr([(key, await client.dump(key)) for key in await client.keys()]).encode()
    await client.aclose()
    kept = []
    for name in await store.database.client[store.database.name].list_collection_names():
        kept += [repr(raw).encode() async for raw in store.database.raw(name).find({})]
    named = {f"{kind} ({number})": secret for number, (kind, secret) in enumerate(secrets)}
    places = [("the log", log), ("Redis", cache), ("the database", b"\n".join(kept)), ("an error", told)]
    assert leaks(named, places) == []


async def everything(auth) -> tuple[list[tuple[str, str]], bytes]:
    """Call whatever takes or gives a secret, rightly and wrongly; answers the secrets and the errors' texts."""
    token = await auth.admin()
    users = auth.users(token)
    errors: list[str] = []

    async def tried(call: Any) -> None:
        answer = (await asyncio.gather(call, return_exceptions=True))[0]
        if isinstance(answer, DomainError):
            errors.append(repr((answer.message, answer.metadata, answer.violations)))

    ada = await auth.add_user("ada", "viewer", password=PASSWORD, token=token)
    await tried(auth.add_user("ada", "viewer", password=PASSWORD, token=token))
    await tried(auth.add_user("bob", "nonsense", password=PASSWORD, token=token))
    request = user_pb2.CreateUserRequest(
        user=user_pb2.User(name="eve", roles=["api"], password=PASSWORD), request_id="r"
    )
    await users.CreateUser(request)
    await users.UpdateUser(user_pb2.UpdateUserRequest(user=user_pb2.User(id=ada.id, password=PASSWORD + "2")))
    await tried(auth.login("ada", PASSWORD))
    await tried(auth.login("nobody", PASSWORD))
    await tried(auth.login("ada", PASSWORD + "2", audience="nonsense"))
    first = await auth.login("ada", PASSWORD + "2")
    legacy = await auth.login("ada", PASSWORD + "2", audience="cloudly-legacy")
    second = await auth.refresh(first.refresh_token)
    third = await auth.refresh(second.refresh_token)
    await tried(auth.refresh(first.refresh_token))
    await tried(auth.identity(third.access_token))
    await tried(auth.identity(third.access_token + "x"))
    cluster = new_id()
    code, later = await auth.jump_code(cluster), await auth.jump_code(cluster, overlap_seconds=60)
    await tried(auth.exchange(code))
    machine = await auth.exchange(later)
    clusters, registry = await auth.service("clusters"), await auth.service("registry")
    pull = await auth.auth(clusters).IssuePullToken(auth_pb2.IssuePullTokenRequest(cluster_id=cluster))
    assertion = auth.assertion("tasks")
    ask = auth_pb2.IssueServiceTokenRequest(service="tasks", assertion=assertion)
    await auth.auth().IssueServiceToken(ask)
    await tried(auth.auth().IssueServiceToken(ask))
    for password in (PASSWORD, PASSWORD + "2"):
        asked = auth_pb2.VerifyCredentialsRequest(username="ada", password=password)
        await tried(auth.auth(registry).VerifyCredentials(asked))
    secrets = [
        ("a password", PASSWORD),
        ("an access token", token),
        ("an access token", first.access_token),
        ("a legacy token", legacy.access_token),
        *(("a refresh token", part) for one in (first, second, third) for part in one.refresh_token.split(".")[1:]),
        *(("a jump code", one.removeprefix("cloudly_jc_")) for one in (code, later)),
        ("a machine's token", machine.access_token),
        ("a pull token", pull.password),
        ("an assertion", assertion),
        ("a service's token", clusters),
    ]
    # Of a token only the signature is secret: who has the rest has nothing.
    return [(kind, one.rsplit(".", 1)[-1] if "token" in kind else one) for kind, one in secrets], "".join(
        errors
    ).encode()
