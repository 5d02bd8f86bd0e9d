"""The master key is rotated while all services run, and whoever dies in between leaves a working system."""

import asyncio
import base64
import itertools
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloudly.auth.v1 import auth_pb2, auth_pb2_grpc, key_pb2, key_pb2_grpc, setting_pb2, setting_pb2_grpc
from cloudly.executions.v1 import execution_pb2, execution_pb2_grpc
from cloudly.registry.v1 import external_registry_pb2, external_registry_pb2_grpc
from cloudly_auth.config import Settings
from cloudly_auth.sealed import sealed as sealed_in_auth
from cloudly_kit.crypto import Envelope
from cloudly_kit.errors import FailedPrecondition
from cloudly_kit.master_keys import key_id
from cloudly_kit.rpc_client import ServiceChannel
from cloudly_kit.sealed_fields import sealed_in
from cloudly_kit.store import Database
from cloudly_kit.testing import ServiceHarness, free_port
from cloudly_registry.sealed import sealed as sealed_in_registry
from motor.motor_asyncio import AsyncIOMotorClient
from redis.asyncio import Redis

from tests.processes import KILLED, Process

pytestmark = pytest.mark.timeout(240)
ADMIN, PASSWORD = "root", "a long enough passphrase"
SECRET = "hcloud-0123456789"


class World:
    """Two replicas of auth, the registry and its worker, as processes; auth's worker comes and goes."""

    def __init__(self, harness: ServiceHarness, stack: AsyncExitStack, environment: dict[str, str]) -> None:
        account = {"admin_account": f"{ADMIN}:{PASSWORD}"}
        address = f"unix:{harness.directory}/auth-1.sock"
        self.settings = harness.settings(Settings, auth_address=address, auth_listen=address, **account)
        self.second = self.settings.model_copy(update={"auth_listen": f"unix:{harness.directory}/auth-2.sock"})
        self.environment = {
            "SERVEZONE_ADMINACCOUNT": f"{ADMIN}:{PASSWORD}",
            "CLOUDLY_REGISTRY_HTTP_LISTEN": f"127.0.0.1:{free_port()}",
            **environment,
        }
        self.stack = stack
        self.redis = Redis.from_url(self.settings.redis_url.get_secret_value())
        self.mongo: Any = AsyncIOMotorClient(self.settings.mongodb_url.get_secret_value(), tz_aware=True)
        self._channels: dict[tuple[str, str], ServiceChannel] = {}

    async def start(self) -> None:
        services = [
            self.process("auth", self.settings),
            self.process("auth", self.second),
            self.process("registry", self.settings),
        ]
        await asyncio.gather(*(service.serving() for service in services))
        self.registry = services[-1]
        self.process("registry", self.settings, worker=True)
        self.token = (await self.login(self.settings)).access_token

    def process(self, service: str, settings: Settings, **how: Any) -> Process:
        made = Process(service, settings, **how, **self.environment)
        self.stack.push_async_callback(made.stop)
        return made

    def channel(self, address: str, token: str = "") -> ServiceChannel:
        async def bearer() -> str:
            return token

        if (address, token) not in self._channels:
            made = ServiceChannel("auth", address, bearer if token else None)
            self._channels[address, token] = made
            self.stack.push_async_callback(made.close)
        return self._channels[address, token]

    async def login(self, settings: Settings) -> auth_pb2.LoginResponse:
        stub = auth_pb2_grpc.AuthServiceStub(self.channel(settings.auth_listen))
        return await stub.Login(auth_pb2.LoginRequest(username=ADMIN, password=PASSWORD))

    @property
    def keys(self) -> Any:
        return key_pb2_grpc.KeyServiceStub(self.channel(self.settings.auth_listen, self.token))

    async def registry_token(self, **form: str) -> tuple[int, Any]:
        """Status and content of what the registry's /v2/token answers to the admin."""
        url = f"http://{self.environment['CLOUDLY_REGISTRY_HTTP_LISTEN']}/v2/token"
        login = {"service": "cloudly", "client_id": "docker", "username": ADMIN, "password": PASSWORD}
        async with httpx.AsyncClient(timeout=60) as http:
            answer = await http.post(url, data={**login, **form})
            return answer.status_code, answer.json()

    def setting(self, settings: Settings) -> Any:
        return setting_pb2_grpc.SettingServiceStub(self.channel(settings.auth_listen, self.token))

    @property
    def registries(self) -> Any:
        address = self.settings.address_of("registry")
        return external_registry_pb2_grpc.ExternalRegistryServiceStub(self.channel(address, self.token))

    async def rotate(self) -> str:
        return (await self.keys.RotateMasterKey(key_pb2.RotateMasterKeyRequest())).execution.id

    async def execution(self, id: str) -> execution_pb2.Execution:
        stub = execution_pb2_grpc.ExecutionServiceStub(self.channel(self.settings.auth_listen, self.token))
        return (await stub.GetExecution(execution_pb2.GetExecutionRequest(execution_id=id))).execution

    async def ended(self, id: str) -> execution_pb2.Execution:
        async with asyncio.timeout(120):
            while (execution := await self.execution(id)).state in (
                execution_pb2.EXECUTION_STATE_QUEUED,
                execution_pb2.EXECUTION_STATE_RUNNING,
            ):
                await asyncio.sleep(0.1)
        return execution

    async def succeeded(self, id: str) -> execution_pb2.Execution:
        execution = await self.ended(id)
        assert execution.state == execution_pb2.EXECUTION_STATE_SUCCEEDED, execution
        return execution

    async def works(self) -> None:
        """Both replicas log in, show secrets and take new ones; the registry does with its own."""
        for settings in (self.settings, self.second):
            await self.login(settings)
            shown = await self.setting(settings).GetSetting(setting_pb2.GetSettingRequest(key="hetznerToken"))
            assert shown.setting.value == f"****{SECRET[-4:]}"
            value = uuid.uuid4().hex
            request = setting_pb2.SetSettingRequest(key="cloudflareToken", value=value)
            assert (await self.setting(settings).SetSetting(request)).setting.value == f"****{value[-4:]}"
        # Checking it opens the password; nobody listens there.
        checked = await self.registries.CheckExternalRegistry(
            external_registry_pb2.CheckExternalRegistryRequest(external_registry_id=self.external.id)
        )
        assert checked.external_registry.last_error

    async def fill(self) -> None:
        """Secrets in both services."""
        request = setting_pb2.SetSettingRequest(key="hetznerToken", value=SECRET)
        self.etag = (await self.setting(self.settings).SetSetting(request)).setting.etag
        wished = external_registry_pb2.ExternalRegistry(
            name="hub", url=f"http://127.0.0.1:{free_port()}", username="ada", password="a secret of the registry",
            type=external_registry_pb2.EXTERNAL_REGISTRY_TYPE_DOCKER,
        )  # fmt: skip
        create = external_registry_pb2.CreateExternalRegistryRequest(external_registry=wished)
        self.external = (await self.registries.CreateExternalRegistry(create)).external_registry

    async def sealed_with(self) -> set[str]:
        """The ids of the master keys that anything is sealed with."""
        found = set()
        for service, collections in (("auth", sealed_in_auth), ("registry", sealed_in_registry)):
            for collection in collections(Database(self.mongo, f"{self.settings.mongodb_name}_{service}")):
                async for document in collection.every():
                    found |= {sealed.master_key_id for sealed, _ in sealed_in(document)}
        return found

    async def outbox(self) -> int:
        return await Database(self.mongo, f"{self.settings.mongodb_name}_auth").raw("_outbox").count_documents({})

    @property
    def file(self) -> Path:
        return self.settings.keys_dir / "master.json"

    def current(self) -> str:
        return str(json.loads(self.file.read_text())["current"])

    def retired_long_ago(self) -> dict[str, Any]:
        """Has the earlier keys have retired long ago; what the file holds."""
        stored: dict[str, Any] = json.loads(self.file.read_text())
        long_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        self.file.write_text(json.dumps({**stored, "retired": dict.fromkeys(stored["retired"], long_ago)}))
        return stored

    async def leases_run_out(self, execution_id: str) -> None:
        """As if the time of a dead worker's leases were over."""
        leases = [f"arq:in-progress:{execution_id}", "cloudly.lease.auth.master-key"]
        leases += [key async for key in self.redis.scan_iter("arq:in-progress:auth-*")]
        await self.redis.delete(*leases)


@pytest.fixture(scope="module")
async def worlds(scratch: Path, mongo_url: str, redis_url: str) -> AsyncIterator[Any]:
    """Makes worlds that live as long as the tests of this file."""
    async with AsyncExitStack() as stack:
        numbers = itertools.count()

        async def made(**environment: str) -> World:
            directory = scratch / uuid.uuid4().hex[:8]
            directory.mkdir()
            # Queues bear the names of services, so each world has a Redis database of its own.
            harness = ServiceHarness(directory, mongo_url, f"{redis_url.rpartition('/')[0]}/{next(numbers)}")
            harness.make_keys()
            world = World(harness, stack, environment)
            await world.start()
            await world.fill()
            return world

        yield made


@pytest.fixture(scope="module")
async def world(worlds: Any) -> World:
    return await worlds()


@pytest.fixture
async def worker(world: World) -> AsyncIterator[Process]:
    """A worker of auth that lives as long as the test."""
    process = world.process("auth", world.settings, worker=True)
    yield process
    await process.stop()


async def test_a_rotation_seals_everything_anew_and_disturbs_nobody(world: World, worker: Process):
    before, news = world.current(), await world.outbox()
    execution = await world.succeeded(await world.rotate())
    assert world.current() != before
    assert await world.sealed_with() == {world.current()}
    result = execution.result.fields
    assert result["key"].string_value == world.current()
    assert {name: int(value.number_value) for name, value in result["rewrapped"].struct_value.fields.items()} == {
        "auth": 4,  # two signing keys, the audit log's, the setting
        "registry": 1,
    }
    shown = await world.setting(world.second).GetSetting(setting_pb2.GetSettingRequest(key="hetznerToken"))
    assert shown.setting.etag == world.etag
    assert await world.outbox() == news
    external = await world.registries.GetExternalRegistry(
        external_registry_pb2.GetExternalRegistryRequest(external_registry_id=world.external.id)
    )
    assert external.external_registry.etag == world.external.etag
    await world.works()


async def test_the_keys_are_listed_and_the_earlier_one_is_dropped_when_nothing_can_need_it(
    world: World, worker: Process
):
    await world.succeeded(await world.rotate())
    keys = (await world.keys.ListMasterKeys(key_pb2.ListMasterKeysRequest())).master_keys
    assert keys[0].id == world.current()
    assert keys[0].state == key_pb2.MASTER_KEY_STATE_CURRENT
    assert dict(keys[0].sealed_values_by_service)["registry"] == 1
    earlier = keys[1:]
    assert {(key.state, key.sealed_values, key.source) for key in earlier} == {
        (key_pb2.MASTER_KEY_STATE_EARLIER, 0, "keys file")
    }
    drop = key_pb2.DropPreviousMasterKeysRequest()
    with pytest.raises(FailedPrecondition, match="logins that are under way"):
        await world.keys.DropPreviousMasterKeys(drop)
    stored = world.retired_long_ago()
    # A process that has not followed yet wrote a last value.
    old = next(id for id in stored["keys"] if id != world.current())
    late = Envelope.of({old: base64.b64decode(stored["keys"][old])}, old)
    settings = sealed_in_auth(Database(world.mongo, f"{world.settings.mongodb_name}_auth"))[0]
    await settings.change(
        "hetznerToken",
        lambda found: found.model_copy(update={"sealed": late.seal(SECRET.encode(), "setting:hetznerToken")}),
    )
    with pytest.raises(FailedPrecondition, match="1 values of auth are sealed with earlier keys"):
        await world.keys.DropPreviousMasterKeys(drop)
    await world.succeeded(await world.rotate())
    world.retired_long_ago()
    await world.succeeded((await world.keys.DropPreviousMasterKeys(drop)).execution.id)
    assert [*json.loads(world.file.read_text())["keys"]] == [world.current()]
    await world.works()
    with pytest.raises(FailedPrecondition, match="no earlier master key"):
        await world.keys.DropPreviousMasterKeys(drop)


async def test_a_docker_login_lasts_until_the_key_it_was_sealed_with_is_dropped(world: World, worker: Process):
    """What `docker login` keeps: in no database, so no rotation seals it anew."""
    status, login = await world.registry_token(grant_type="password", access_type="offline")
    assert status == 200
    old = {"grant_type": "refresh_token", "refresh_token": login["refresh_token"]}
    await world.succeeded(await world.rotate())
    assert (await world.registry_token(**old))[0] == 200
    _, login = await world.registry_token(grant_type="password", access_type="offline")
    new = {"grant_type": "refresh_token", "refresh_token": login["refresh_token"]}
    world.retired_long_ago()
    await world.succeeded(
        (await world.keys.DropPreviousMasterKeys(key_pb2.DropPreviousMasterKeysRequest())).execution.id
    )
    async with asyncio.timeout(60):
        while (told := await world.registry_token(**old))[0] == 200:
            await asyncio.sleep(0.1)
    status, problem = told
    assert status == 401
    assert problem["errors"][0]["code"] == "UNAUTHORIZED"
    assert "master key that is gone: log in again" in problem["errors"][0]["message"]
    assert (await world.registry_token(**new))[0] == 200
    assert (await world.registry_token(grant_type="password", access_type="offline"))[0] == 200


async def test_what_no_key_opens_is_told_before_anything_is_begun(world: World):
    before = world.file.read_bytes()
    settings = sealed_in_auth(Database(world.mongo, f"{world.settings.mongodb_name}_auth"))[0]
    stranger = Envelope.of({"gone": b"g" * 32}, "gone")
    found = await settings.get("hetznerToken")
    sealed = stranger.seal(b"x", "setting:hetznerToken")
    broken = await settings.replace(found.model_copy(update={"sealed": sealed}))
    try:
        with pytest.raises(
            FailedPrecondition, match=r"1 sealed values in auth .*settings/hetznerToken.*master-keys\.md"
        ):
            await world.rotate()
        keys = (await world.keys.ListMasterKeys(key_pb2.ListMasterKeysRequest())).master_keys
        assert (keys[-1].id, keys[-1].state) == ("gone", key_pb2.MASTER_KEY_STATE_ABSENT)
    finally:
        await settings.replace(found.model_copy(update={"etag": broken.etag}))
    assert world.file.read_bytes() == before


async def test_one_rotation_at_a_time_and_a_repeated_order_is_one(world: World):
    request = key_pb2.RotateMasterKeyRequest(request_id=uuid.uuid4().hex)
    made = (await world.keys.RotateMasterKey(request)).execution
    assert (await world.keys.RotateMasterKey(request)).execution.id == made.id
    with pytest.raises(FailedPrecondition, match=f"under way.*{made.id}"):
        await world.rotate()
    worker = world.process("auth", world.settings, worker=True)
    await world.succeeded(made.id)
    assert (await world.keys.RotateMasterKey(request)).execution.id == made.id
    await worker.stop()


@pytest.mark.parametrize(
    "place",
    [
        "master_keys.written",
        "master_keys.added",
        "master_keys.promoted",
        "sealed_values.before_write",
        "sealed_values.rewrapped:2",
    ],
)
async def test_a_worker_killed_anywhere_leaves_a_working_system_and_the_next_one_finishes(world: World, place: str):
    before = world.current()
    id = await world.rotate()
    assert await world.process("auth", world.settings, worker=True, crashpoint=place).ended() == KILLED
    await world.works()
    await world.leases_run_out(id)
    worker = world.process("auth", world.settings, worker=True)
    execution = await world.succeeded(id)
    assert execution.attempt > 1
    stored = json.loads(world.file.read_text())
    assert stored["current"] != before
    assert len(stored["keys"]) == len(stored["retired"]) + 1, "no key was made in vain"
    assert await world.sealed_with() == {world.current()}
    await world.works()
    await worker.stop()


async def test_a_service_that_is_away_is_waited_for_and_a_killed_drop_is_finished(world: World):
    id = await world.rotate()
    await world.registry.stop()
    worker = world.process("auth", world.settings, worker=True)
    async with asyncio.timeout(60):
        while "auth.master_key.waits" not in worker.log.read_text():
            await asyncio.sleep(0.1)
    assert (await world.execution(id)).state == execution_pb2.EXECUTION_STATE_RUNNING
    world.registry = world.process("registry", world.settings)
    await world.registry.serving()
    assert (await world.succeeded(id)).attempt == 1
    await worker.stop()
    world.retired_long_ago()
    request = key_pb2.DropPreviousMasterKeysRequest()
    id = (await world.keys.DropPreviousMasterKeys(request)).execution.id
    dying = world.process("auth", world.settings, worker=True, crashpoint="master_keys.dropped")
    assert await dying.ended() == KILLED
    await world.leases_run_out(id)
    worker = world.process("auth", world.settings, worker=True)
    assert (await world.succeeded(id)).result["dropped"]
    assert [*json.loads(world.file.read_text())["keys"]] == [world.current()]
    await world.works()
    await worker.stop()


async def test_where_keys_are_given_the_one_in_front_is_rotated_to(worlds: Any, scratch: Path):
    old, new = b"o" * 32, b"n" * 32
    path = scratch / f"master-keys-{uuid.uuid4().hex}"

    def give(*keys: bytes) -> None:
        path.write_text("\n".join(base64.b64encode(key).decode() for key in keys))

    give(old)
    world = await worlds(CLOUDLY_MASTER_KEY_FILE=str(path))
    world.process("auth", world.settings, worker=True)
    assert await world.sealed_with() == {key_id(old)}
    with pytest.raises(FailedPrecondition, match="put a new key in front"):
        await world.rotate()
    give(new, old)
    await world.succeeded(await world.rotate())
    assert await world.sealed_with() == {key_id(new)}
    with pytest.raises(FailedPrecondition, match="come from the file: take earlier ones out there"):
        await world.keys.DropPreviousMasterKeys(key_pb2.DropPreviousMasterKeysRequest())
    give(new)
    await world.works()
    assert not world.file.exists()
