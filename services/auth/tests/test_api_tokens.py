"""API tokens: what they may, what they are traded for, and how they end."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloudly.auth.v1 import access_pb2, access_pb2_grpc, api_token_pb2_grpc, auth_pb2, user_pb2
from cloudly.auth.v1 import api_token_pb2 as pb
from cloudly_auth.config import Settings
from cloudly_auth.main import serve
from cloudly_kit.errors import (
    AlreadyExists,
    CredentialsInvalid,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    RateLimited,
    TokenExpired,
    TokenRevoked,
)
from cloudly_kit.ids import new_id
from google.protobuf.field_mask_pb2 import FieldMask

Claims = Callable[[str], dict[str, Any]]
PASSWORD = "a long enough passphrase"


def tokens(auth, token: str) -> Any:
    return api_token_pb2_grpc.ApiTokenServiceStub(auth.channel(token))


async def make(auth, session: str, name: str = "pipeline", **fields: Any) -> pb.CreateApiTokenResponse:
    wanted = pb.ApiToken(name=name, **fields)
    return await tokens(auth, session).CreateApiToken(pb.CreateApiTokenRequest(token=wanted))


async def change(auth, user: user_pb2.User, *paths: str) -> None:
    request = user_pb2.UpdateUserRequest(user=user, update_mask=FieldMask(paths=paths))
    await auth.users(await auth.admin()).UpdateUser(request)


async def revoke(auth, session: str, id: str) -> None:
    await tokens(auth, session).RevokeApiToken(pb.RevokeApiTokenRequest(token_id=id))


async def revoked(auth, access_token: str, claims: Claims) -> bool:
    """As auth says it to services whose Redis is away."""
    registry = auth.auth(await auth.service("registry"))
    request = auth_pb2.CheckRevocationRequest(session_id=claims(access_token)["sid"])
    return (await registry.CheckRevocation(request)).revoked


async def test_a_token_is_shown_once_and_acts_for_its_owner_within_its_scope(auth, store: Any, claims: Claims):
    await auth.add_user("ada", "operator", "viewer")
    session = (await auth.login("ada")).access_token
    cluster = new_id()
    made = await make(auth, session, roles=["operator"], permissions=["workloads.*"], cluster_ids=[cluster])
    assert made.secret.startswith("cloudly_pat_")
    assert len(made.secret) >= len("cloudly_pat_") + 43
    assert abs(made.token.expire_time.seconds - time.time() - 90 * 86_400) < 60
    kept = str((await store.api_tokens.get(made.token.id)).model_dump())
    assert made.secret.removeprefix("cloudly_pat_") not in kept
    said = claims((await auth.exchange(made.secret)).access_token)
    assert (said["typ"], said["name"], said["roles"]) == ("human", "ada", ["operator"])
    assert said["scope"] == f"workloads.* cluster:{cluster}"
    assert said["exp"] - said["iat"] == 600
    seen = (await tokens(auth, session).GetApiToken(pb.GetApiTokenRequest(token_id=made.token.id))).token
    assert seen.owner_name == "ada"
    assert time.time() - seen.last_use_time.seconds < 60
    assert seen.last_use_address
    listed = await tokens(auth, session).ListApiTokens(pb.ListApiTokensRequest())
    assert [token.id for token in listed.tokens] == [made.token.id]
    with pytest.raises(AlreadyExists):
        await make(auth, session)


async def test_a_repeated_create_shows_no_secret_again(auth):
    session = await auth.admin()
    request = pb.CreateApiTokenRequest(token=pb.ApiToken(name="one"), request_id="r1")
    first = await tokens(auth, session).CreateApiToken(request)
    again = await tokens(auth, session).CreateApiToken(request)
    assert (again.token.id, again.secret) == (first.token.id, "")


async def test_a_token_is_refused_what_its_scope_leaves_out_and_everything_that_needs_a_login(auth):
    session = await auth.admin()
    reading = (await auth.exchange((await make(auth, session, permissions=["users.read"])).secret)).access_token
    assert (await auth.users(reading).ListUsers(user_pb2.ListUsersRequest())).users
    assert (await auth.identity(reading)).scope == "users.read"
    with pytest.raises(PermissionDenied):
        await auth.users(reading).CreateUser(user_pb2.CreateUserRequest(user=user_pb2.User(name="eve", roles=["api"])))
    all_of_it = (await auth.exchange((await make(auth, session, "all")).secret)).access_token
    with pytest.raises(PermissionDenied, match="log in"):
        await make(auth, all_of_it, "offspring")
    with pytest.raises(PermissionDenied):
        await auth.auth(all_of_it).Logout(auth_pb2.LogoutRequest())
    limited = (await auth.exchange((await make(auth, session, "limited", cluster_ids=[new_id()])).secret)).access_token
    with pytest.raises(PermissionDenied, match="limited to cluster"):
        await auth.users(limited).ListUsers(user_pb2.ListUsersRequest())


async def test_a_token_has_at_most_what_its_owner_has_at_the_time_of_use(auth, claims: Claims):
    ada = await auth.add_user("ada", "operator", "viewer")
    session = (await auth.login("ada")).access_token
    with pytest.raises(InvalidArgument, match="not a role of ada"):
        await make(auth, session, roles=["admin"])
    made = await make(auth, session)
    before = (await auth.exchange(made.secret, "cloudly-legacy")).access_token
    ada.ClearField("roles")
    ada.ClearField("etag")
    ada.roles.append("viewer")
    await change(auth, ada, "roles")
    assert await revoked(auth, before, claims), "what was bought with more roles ends with them"
    after = (await auth.exchange(made.secret)).access_token
    assert claims(after)["roles"] == ["viewer"]
    assert not await revoked(auth, after, claims)
    ada.disabled = True
    await change(auth, ada, "disabled")
    assert await revoked(auth, after, claims)
    with pytest.raises(CredentialsInvalid):
        await auth.exchange(made.secret)
    ada.disabled = False
    await change(auth, ada, "disabled")
    assert not await revoked(auth, (await auth.exchange(made.secret)).access_token, claims)


async def test_a_program_with_a_dead_token_shuts_out_no_other_at_its_address(auth):
    session = await auth.admin()
    good, dead = await make(auth, session, "good"), await make(auth, session, "dead")
    await revoke(auth, session, dead.token.id)

    async def tries() -> None:
        while True:
            with pytest.raises(CredentialsInvalid):
                await auth.exchange(dead.secret)

    with pytest.raises(RateLimited):
        await tries()
    assert (await auth.exchange(good.secret)).access_token
    assert (await auth.login("root")).access_token


async def test_revoking_ends_the_token_and_what_it_bought(auth):
    session = await auth.admin()
    made = await make(auth, session)
    bought = (await auth.exchange(made.secret)).access_token
    await revoke(auth, session, made.token.id)
    with pytest.raises(CredentialsInvalid):
        await auth.exchange(made.secret)
    with pytest.raises(TokenRevoked):
        await auth.identity(bought)
    assert (await make(auth, session)).secret != made.secret, "the name is free again"


async def test_deleting_a_user_ends_their_tokens(auth, store: Any, claims: Claims):
    ada = await auth.add_user("ada", "viewer")
    made = await make(auth, (await auth.login("ada")).access_token)
    bought = (await auth.exchange(made.secret)).access_token
    await auth.users(await auth.admin()).DeleteUser(user_pb2.DeleteUserRequest(user_id=ada.id))
    assert await revoked(auth, bought, claims)
    with pytest.raises(CredentialsInvalid):
        await auth.exchange(made.secret)
    assert await store.api_tokens.find(made.token.id) is None


async def test_others_tokens_are_an_admins_to_see_make_and_end(auth):
    robot = (await auth.users(await auth.admin()).CreateUser(user_pb2.CreateUserRequest(
        user=user_pb2.User(name="robot", type=auth_pb2.IDENTITY_TYPE_MACHINE, roles=["api"])
    ))).user  # fmt: skip
    await auth.add_user("ada", "operator")
    admin, ada = await auth.admin(), (await auth.login("ada")).access_token
    made = await make(auth, admin, owner_id=robot.id)
    assert (await auth.exchange(made.secret)).identity.name == "robot"
    for owner in (robot.id, "-"):
        with pytest.raises(PermissionDenied):
            await tokens(auth, ada).ListApiTokens(pb.ListApiTokensRequest(owner_id=owner))
        everybody = await tokens(auth, admin).ListApiTokens(pb.ListApiTokensRequest(owner_id=owner))
        assert [token.owner_name for token in everybody.tokens] == ["robot"]
    with pytest.raises(PermissionDenied):
        await make(auth, ada, owner_id=robot.id)
    with pytest.raises(NotFound):
        await revoke(auth, ada, made.token.id)
    await revoke(auth, admin, made.token.id)
    with pytest.raises(PermissionDenied, match="only users"):
        cluster = (await auth.exchange(await auth.jump_code(new_id()))).access_token
        await make(auth, cluster)


async def test_wishes_that_cannot_be_are_told(auth, harness, settings: Settings, replica):
    session = await auth.admin()
    for wrong in (
        {"permissions": ["nonsense.write"]},
        {"permissions": ["*"]},
        {"name": " padded"},
        {"cluster_ids": ["not-an-id"]},
        {"expire_time": datetime.now(UTC) - timedelta(days=1)},
        {"expire_time": datetime.now(UTC) + timedelta(days=1), "never_expires": True},
    ):
        with pytest.raises(InvalidArgument):
            await make(auth, session, **{"name": "wrong", **wrong})
    assert (await make(auth, session, "endless", never_expires=True)).token.never_expires
    bounded = replica(2, token_max_days=30)
    async with harness.running("auth", serve, bounded):
        there = auth.at(bounded)
        with pytest.raises(InvalidArgument, match="at most 30 days"):
            await make(there, session, "x", never_expires=True)
        with pytest.raises(InvalidArgument, match="at most 30 days"):
            await make(there, session, "x", expire_time=datetime.now(UTC) + timedelta(days=31))
        assert (await make(there, session, "x")).token.expire_time.seconds < time.time() + 31 * 86_400


async def test_a_token_that_has_run_out_is_told_so_and_buys_nothing_longer_than_itself(
    auth, store: Any, claims: Claims
):
    made = await make(auth, await auth.admin(), expire_time=datetime.now(UTC) + timedelta(seconds=300))
    said = claims((await auth.exchange(made.secret, "cloudly-legacy")).access_token)
    assert said["exp"] - said["iat"] <= 300
    past = timedelta(seconds=301)
    await store.api_tokens.change(
        made.token.id, lambda token: token.model_copy(update={"expire_time": token.expire_time - past})
    )
    with pytest.raises(TokenExpired):
        await auth.exchange(made.secret)


async def test_a_token_is_a_password_for_the_registry_under_its_owners_name_or_token(auth):
    made = await make(auth, await auth.admin(), permissions=["registry.pull"], repositories=["team/app"])
    registry = auth.auth(await auth.service("registry"))

    async def login(name: str, secret: str = made.secret) -> auth_pb2.Identity:
        request = auth_pb2.VerifyCredentialsRequest(username=name, password=secret, remote_address="192.0.2.7")
        return (await registry.VerifyCredentials(request)).identity

    assert (await login("Root")).scope == (await login("token")).scope == "registry.pull repository:team/app"
    with pytest.raises(CredentialsInvalid):
        await login("somebody")
    with pytest.raises(RateLimited):
        for _ in range(60):
            with pytest.raises(CredentialsInvalid):
                await login("token", "cloudly_pat_" + "x" * 43)


async def test_what_somebody_may_do_can_be_asked(auth):
    ada = await auth.add_user("ada", "operator")
    session, admin = (await auth.login("ada")).access_token, await auth.admin()

    async def ask(token: str, *permissions: str, user_id: str = "") -> dict[str, tuple[bool, list[str]]]:
        request = access_pb2.TestPermissionsRequest(permissions=permissions, user_id=user_id)
        answer = await access_pb2_grpc.AccessServiceStub(auth.channel(token)).TestPermissions(request)
        return {result.permission: (result.allowed, list(result.limits)) for result in answer.results}

    expected = {"workloads.write": (True, []), "users.write": (False, [])}
    assert await ask(session, *expected) == await ask(admin, *expected, user_id=ada.id) == expected
    cluster = new_id()
    made = await make(auth, session, permissions=["workloads.*"], cluster_ids=[cluster])
    limited = (await auth.exchange(made.secret)).access_token
    assert await ask(limited, "workloads.write", "clusters.write") == {
        "workloads.write": (True, [f"cluster:{cluster}"]),
        "clusters.write": (False, []),
    }
    assert len(await ask(admin)) > 15, "without a question, everything there is"
    with pytest.raises(InvalidArgument):
        await ask(admin, "nonsense.write")
    api = await auth.add_user("robot", "api")
    with pytest.raises(PermissionDenied):
        await ask((await auth.login("robot")).access_token, user_id=ada.id)
    api.disabled = True
    await change(auth, api, "disabled")
    assert await ask(admin, "workloads.write", user_id=api.id) == {"workloads.write": (False, [])}
