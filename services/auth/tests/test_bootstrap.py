"""The first admin."""

import asyncio
from typing import Any

import pytest
from cloudly.auth.v1 import sso_pb2, sso_pb2_grpc, user_pb2
from cloudly_auth.bootstrap import BadAdminAccount, parse
from cloudly_auth.main import serve
from cloudly_kit.errors import CredentialsInvalid
from cloudly_kit.testing import ServiceHarness
from pydantic import SecretStr

PASSWORD = "a long enough passphrase"
OTHER_PASSWORD = "another long passphrase"


def test_the_setting_is_a_name_and_a_password_that_may_hold_colons():
    assert parse("admin:a:b:c") == ("admin", "a:b:c")
    assert parse("admin:change-me") == ("admin", "change-me")


@pytest.mark.parametrize(
    "setting", ["admin", ":secret", "admin:", ":", "ad min:secret", "\u0430dmin:secret", "cluster-x:secret"]
)
def test_a_malformed_setting_is_told_without_its_password(setting: str):
    with pytest.raises(BadAdminAccount, match="SERVEZONE_ADMINACCOUNT") as caught:
        parse(setting)
    assert "secret" not in str(caught.value)


async def test_a_malformed_setting_stops_the_start_only_while_it_is_needed(
    harness: ServiceHarness, replica: Any, caller_of
):
    nonsense = SecretStr("nonsense")
    with pytest.raises(BadAdminAccount):
        async with harness.running("auth", serve, replica(1, admin_account=nonsense)):
            pass
    async with harness.running("auth", serve, replica(2)):
        pass
    async with harness.running("auth", serve, replica(3, admin_account=nonsense)):
        assert (await caller_of.at(replica(3)).login()).identity.name == "root"


async def test_the_seeds_own_example_works(harness: ServiceHarness, replica: Any, caller_of):
    async with harness.running("auth", serve, replica(1, admin_account=SecretStr("admin:change-me"))):
        answer = await caller_of.at(replica(1)).login("admin", "change-me")
        assert list(answer.identity.roles) == ["admin"]


async def test_the_login_options_say_whether_there_is_an_admin_yet(harness: ServiceHarness, replica: Any, caller_of):
    async def works(settings: Any) -> bool:
        calls = sso_pb2_grpc.SsoServiceStub(caller_of.at(settings).channel())
        options = await calls.ListLoginOptions(sso_pb2.ListLoginOptionsRequest())
        assert options.HasField("password")
        return bool(options.password)

    nobody = replica(1, admin_account=SecretStr(""))
    async with harness.running("auth", serve, nobody):
        assert not await works(nobody)
    async with harness.running("auth", serve, replica(2)):
        assert await works(replica(2))


async def test_it_is_used_only_while_nobody_can_administer(harness: ServiceHarness, replica: Any, caller_of, store):
    async with harness.running("auth", serve, replica(1)):
        assert (await caller_of.at(replica(1)).login()).access_token
    async with harness.running("auth", serve, replica(2, admin_account=SecretStr(f"other:{OTHER_PASSWORD}"))):
        later = caller_of.at(replica(2))
        with pytest.raises(CredentialsInvalid):
            await later.login("other", OTHER_PASSWORD)
        assert (await later.login()).access_token
    assert len(await store.admins()) == 1


async def test_a_changed_password_is_not_set_back_by_a_restart(harness: ServiceHarness, replica: Any, caller_of):
    async with harness.running("auth", serve, replica(1)):
        first = caller_of.at(replica(1))
        answer = await first.login()
        user = user_pb2.User(id=answer.identity.id, password=OTHER_PASSWORD)
        await first.users(answer.access_token).UpdateUser(user_pb2.UpdateUserRequest(user=user))
    async with harness.running("auth", serve, replica(2)):
        later = caller_of.at(replica(2))
        with pytest.raises(CredentialsInvalid):
            await later.login()
        assert (await later.login("root", OTHER_PASSWORD)).access_token


@pytest.mark.parametrize("names", [("root", "root", "root"), ("one", "two", "three")])
async def test_replicas_that_start_at_once_make_one_admin_and_one_ring_of_keys(
    harness: ServiceHarness, replica: Any, caller_of, store, names: tuple[str, ...]
):
    started, over = asyncio.Barrier(len(names) + 1), asyncio.Event()

    async def run(number: int) -> None:
        account = SecretStr(f"{names[number]}:{PASSWORD}")
        async with harness.running("auth", serve, replica(number, admin_account=account)):
            await started.wait()
            await over.wait()

    async with asyncio.TaskGroup() as group:
        for number in range(len(names)):
            group.create_task(run(number))
        await started.wait()
        admins = await store.admins()
        assert len(admins) == 1
        replicas = [caller_of.at(replica(number)) for number in range(len(names))]
        for one in replicas:
            token = (await one.login(admins[0].name, PASSWORD)).access_token
            for other in replicas:
                assert (await other.identity(token)).name == admins[0].name
        over.set()
