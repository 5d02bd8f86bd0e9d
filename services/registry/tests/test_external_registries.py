"""External registries: what is told of them, what is kept secret, and whether they are found to work for real."""

import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cloudly.registry.v1 import external_registry_pb2 as pb
from cloudly.registry.v1.external_registry_pb2_grpc import ExternalRegistryServiceStub
from cloudly_kit.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied, StaleEtag
from cloudly_registry.testing import Registry, docker_registry
from google.protobuf.field_mask_pb2 import FieldMask

WORKING, DENIED = pb.EXTERNAL_REGISTRY_STATUS_WORKING, pb.EXTERNAL_REGISTRY_STATUS_DENIED
UNKNOWN, UNREACHABLE = pb.EXTERNAL_REGISTRY_STATUS_UNKNOWN, pb.EXTERNAL_REGISTRY_STATUS_UNREACHABLE


@asynccontextmanager
async def stub(registry: Registry, *roles: str, token: str = "") -> AsyncIterator[Any]:
    async with registry.harness.channel("registry", *roles, token=token) as channel:
        yield ExternalRegistryServiceStub(channel)


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def named(**fields: Any) -> pb.CreateExternalRegistryRequest:
    fields = {"name": f"r{uuid.uuid4().hex[:8]}", "url": "https://ghcr.test", **fields}
    return pb.CreateExternalRegistryRequest(external_registry=pb.ExternalRegistry(**fields))


async def test_a_password_is_kept_sealed_and_never_told(registry: Registry) -> None:
    async with stub(registry, "admin") as admin, stub(registry, "viewer") as viewer:
        asked = named(url="https://ghcr.test:5000/v2/", username="robot", password="hunter2-hunter2")
        made = (await admin.CreateExternalRegistry(asked)).external_registry
        assert (made.server, made.has_password, made.password, made.status) == ("ghcr.test:5000", True, "", UNKNOWN)
        read = await viewer.GetExternalRegistry(pb.GetExternalRegistryRequest(external_registry_id=made.id))
        assert b"hunter2" not in read.SerializeToString()
        with pytest.raises(PermissionDenied):
            await viewer.CreateExternalRegistry(named())
        with pytest.raises(AlreadyExists):
            await admin.CreateExternalRegistry(named(name=made.name))
        for wrong in (
            {"url": "https://robot:secret@ghcr.test"},
            {"username": "robot"},
            {"url": "ftp://ghcr.test"},
        ):
            with pytest.raises(InvalidArgument):
                await admin.CreateExternalRegistry(named(**wrong))
        from motor.motor_asyncio import AsyncIOMotorClient

        mongo: Any = AsyncIOMotorClient(registry.settings.mongodb_url.get_secret_value())
        raw = await mongo[f"{registry.settings.mongodb_name}_registry"]["external_registries"].find_one(
            {"_id": made.id}
        )
        assert "hunter2" not in repr(raw)
        mongo.close()


async def test_agents_get_the_default_login_of_a_server_and_only_services_may_ask(registry: Registry) -> None:
    server = f"{uuid.uuid4().hex[:8]}.test"
    service = registry.auth.issue(name="clusters", type="service", audience="service")
    async with stub(registry, "admin") as admin, stub(registry, token=service) as clusters:

        async def told() -> dict[str, str]:
            answer = await clusters.GetPullLogins(pb.GetPullLoginsRequest(servers=[server, "unknown.test"]))
            return {one.server: f"{one.username}:{one.password}" for one in answer.logins}

        await admin.CreateExternalRegistry(named(url=f"https://{server}"))
        assert await told() == {}
        one = named(url=f"https://{server}", username="one", password="1")
        first = (await admin.CreateExternalRegistry(one)).external_registry
        two = named(url=f"https://{server}", username="two", password="2", is_default=True)
        second = (await admin.CreateExternalRegistry(two)).external_registry
        assert await told() == {server: "two:2"}
        changed = pb.ExternalRegistry(id=first.id, etag=first.etag, is_default=True, password="new")
        mask = FieldMask(paths=["is_default", "password"])
        await admin.UpdateExternalRegistry(
            pb.UpdateExternalRegistryRequest(external_registry=changed, update_mask=mask)
        )
        assert await told() == {server: "one:new"}
        other = await admin.GetExternalRegistry(pb.GetExternalRegistryRequest(external_registry_id=second.id))
        assert not other.external_registry.is_default
        with pytest.raises(StaleEtag):
            await admin.UpdateExternalRegistry(
                pb.UpdateExternalRegistryRequest(external_registry=changed, update_mask=mask)
            )
        await admin.DeleteExternalRegistry(pb.DeleteExternalRegistryRequest(external_registry_id=first.id))
        assert await told() == {server: "two:2"}
        with pytest.raises(NotFound):
            await admin.CheckExternalRegistry(pb.CheckExternalRegistryRequest(external_registry_id=first.id))
        with pytest.raises(PermissionDenied):
            await admin.GetPullLogins(pb.GetPullLoginsRequest(servers=[server]))


async def checked(registry: Registry, **fields: Any) -> pb.ExternalRegistry:
    async with stub(registry, "admin") as admin:
        made = (await admin.CreateExternalRegistry(named(**fields))).external_registry
        asked = pb.CheckExternalRegistryRequest(external_registry_id=made.id)
        answer: pb.ExternalRegistry = (await admin.CheckExternalRegistry(asked)).external_registry
        assert answer.check_time.seconds
        return answer


async def test_a_check_logs_in_with_the_token_dance_of_a_real_registry(registry: Registry) -> None:
    url = registry.base
    assert (await checked(registry, url=url, username="op", password="op-password")).status == WORKING
    wrong = await checked(registry, url=url, username="op", password="not-the-password")
    assert wrong.status == DENIED
    assert "does not take the login" in wrong.last_error
    assert "not-the-password" not in wrong.last_error
    assert (await checked(registry, url=url)).status == DENIED


async def test_a_check_knows_basic_logins_open_registries_and_what_is_none(registry: Registry) -> None:
    async def basic(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") == aiohttp.BasicAuth("u", "p").encode():
            return web.Response(text="{}")
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="here"'})

    async def plain(request: web.Request) -> web.Response:
        return web.Response(text="{}", status=200 if request.path == "/v2/" else 404)

    async def page(request: web.Request) -> web.Response:
        return web.Response(status=404)

    async with serving(basic) as url:
        assert (await checked(registry, url=url, username="u", password="p")).status == WORKING
        assert (await checked(registry, url=url, username="u", password="x")).status == DENIED
        assert "set user name" in (await checked(registry, url=url)).last_error
    async with serving(plain) as url:
        assert (await checked(registry, url=url)).status == WORKING
    async with serving(page) as url:
        assert (await checked(registry, url=url)).status == UNREACHABLE
    gone = await checked(registry, url=url)
    assert gone.status == UNREACHABLE
    assert "cannot be reached" in gone.last_error


@pytest.mark.skipif(shutil.which("docker-registry") is None, reason="docker-registry is not installed")
async def test_a_check_of_the_reference_registry(registry: Registry, tmp_path: Path) -> None:
    async with docker_registry(tmp_path, "robot", "secret") as url:
        assert (await checked(registry, url=url, username="robot", password="secret")).status == WORKING
        assert (await checked(registry, url=url, username="robot", password="other")).status == DENIED
        assert (await checked(registry, url=url)).status == DENIED
