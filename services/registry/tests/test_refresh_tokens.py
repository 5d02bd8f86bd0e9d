"""Refresh tokens: asked for, used, and worth nothing to anybody else or any longer than the login."""

from typing import Any

import aiohttp
import pytest
from cloudly_kit.crypto import Envelope
from cloudly_registry.errors import Unauthorized
from cloudly_registry.refresh_tokens import RefreshTokens
from cloudly_registry.testing import USERS, Image, Registry

ENVELOPE = Envelope.of({"a": b"a" * 32}, "a")


async def asked_for(registry: Registry, **form: str) -> tuple[int, dict[str, Any]]:
    async with registry.http.post(f"{registry.base}/v2/token", data=form) as answer:
        return answer.status, await answer.json()


async def refresh_token(registry: Registry) -> str:
    login = aiohttp.BasicAuth("op", "op-password")
    query = {"service": "test", "offline_token": "true", "client_id": "docker"}
    async with registry.http.get(f"{registry.base}/v2/token", params=query, auth=login) as answer:
        return str((await answer.json())["refresh_token"])


async def test_a_refresh_token_gets_access_to_what_the_login_may(registry: Registry, name: str) -> None:
    await Image(b"one").push(registry.client(), name, "v1")
    token = await refresh_token(registry)
    assert "op-password" not in token
    scope = f"repository:{name}:pull,push"
    status, answer = await asked_for(registry, grant_type="refresh_token", refresh_token=token, scope=scope)
    assert (status, answer["refresh_token"]) == (200, token)
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    async with registry.http.get(f"{registry.base}/v2/{name}/manifests/v1", headers=headers) as manifest:
        assert await manifest.read() == Image(b"one").manifest
    async with registry.replica() as second:
        status, _ = await asked_for(second, grant_type="refresh_token", refresh_token=token, scope=scope)
        assert status == 200


async def test_it_is_given_only_to_those_who_ask(registry: Registry) -> None:
    login = {"grant_type": "password", "username": "op", "password": "op-password"}
    assert "refresh_token" not in (await asked_for(registry, **login))[1]
    _, answer = await asked_for(registry, **login, access_type="offline")
    assert (await asked_for(registry, grant_type="refresh_token", refresh_token=answer["refresh_token"]))[0] == 200
    wrong = {**login, "password": "wrong", "access_type": "offline"}
    assert (await asked_for(registry, **wrong))[0] == 401


async def test_it_ends_with_the_login(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await refresh_token(registry)
    monkeypatch.delitem(USERS, ("op", "op-password"))
    status, answer = await asked_for(registry, grant_type="refresh_token", refresh_token=token)
    assert (status, answer["errors"][0]["code"]) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("token", ["", "x", "cloudly_rrt_", "cloudly_rrt_WzEsMiwzXQ==", "cloudly_rrt_e30=", "é" * 5000])
async def test_what_is_no_refresh_token_is_refused(registry: Registry, token: str) -> None:
    status, answer = await asked_for(registry, grant_type="refresh_token", refresh_token=token)
    assert (status, answer["errors"][0]["code"]) == (401, "UNAUTHORIZED")


def test_neither_altered_nor_foreign_nor_old_tokens_open() -> None:
    tokens = RefreshTokens(ENVELOPE)
    token = tokens.issue("ada", "päss:word")
    assert tokens.open(token) == ("ada", "päss:word")
    middle = len(token) // 2
    altered = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    foreign = RefreshTokens(Envelope.of({"b": b"b" * 32}, "b")).issue("ada", "password")
    for bad in (altered, foreign, tokens.issue("ada", "password", seconds=-1)):
        with pytest.raises(Unauthorized):
            tokens.open(bad)
