"""People and machines as resources, over real gRPC."""

import asyncio
from typing import Any

import pytest
from cloudly.auth.v1 import auth_pb2, user_pb2
from cloudly_auth.main import serve
from cloudly_kit.errors import (
    AlreadyExists,
    CredentialsInvalid,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    StaleEtag,
    TokenRevoked,
)
from cloudly_kit.testing import ServiceHarness
from google.protobuf.field_mask_pb2 import FieldMask

NEW_PASSWORD = "another long passphrase"


async def update(auth, token: str, user_id: str, *mask: str, **fields: Any) -> user_pb2.User:
    user = user_pb2.User(id=user_id, **fields)
    request = user_pb2.UpdateUserRequest(user=user, update_mask=FieldMask(paths=mask))
    return (await auth.users(token).UpdateUser(request)).user


async def delete(auth, token: str, user_id: str, etag: str = "") -> None:
    await auth.users(token).DeleteUser(user_pb2.DeleteUserRequest(user_id=user_id, etag=etag))


async def get(auth, token: str, user_id: str) -> user_pb2.User:
    return (await auth.users(token).GetUser(user_pb2.GetUserRequest(user_id=user_id))).user


async def test_a_user_is_made_read_and_can_log_in_and_the_password_is_never_read(auth):
    token = await auth.admin()
    made = await auth.add_user("Ada", "viewer", "operator", token=token)
    assert made.name == "Ada"
    assert list(made.roles) == ["operator", "viewer"]
    assert made.type == auth_pb2.IDENTITY_TYPE_HUMAN
    assert made.etag
    assert made.password == ""
    assert await get(auth, token, made.id) == made
    assert (await auth.login("ada")).identity.id == made.id


async def test_names_in_other_case_are_taken_and_look_alikes_refused(auth):
    token = await auth.admin()
    await auth.add_user("ada.l@example.com", "viewer", token=token)
    for name in ("ADA.L@example.com", "Ada.L@Example.Com"):
        with pytest.raises(AlreadyExists):
            await auth.add_user(name, "viewer", token=token)
    for name in ("\u0430da.l@example.com", "ada.l\uff20example.com", "cluster-one", "Cluster-one", "a b", "", "x" * 65):
        with pytest.raises(InvalidArgument) as caught:
            await auth.add_user(name, "viewer", token=token)
        assert caught.value.violations[0].field == "user.name"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"roles": ["cluster"], "password": NEW_PASSWORD}, "user.roles"),
        ({"roles": ["root"], "password": NEW_PASSWORD}, "user.roles"),
        ({"roles": [], "password": NEW_PASSWORD}, "user.roles"),
        ({"roles": ["viewer"], "password": "short"}, "user.password"),
        ({"roles": ["viewer"], "password": ""}, "user.password"),
        ({"roles": ["viewer"], "password": "x" * 1025}, "user.password"),
        ({"roles": ["viewer"], "password": "Password123"}, "user.password"),
        ({"roles": ["api"], "password": NEW_PASSWORD, "type": auth_pb2.IDENTITY_TYPE_MACHINE}, "user.password"),
    ],
)
async def test_what_is_not_allowed_is_named_and_nothing_is_made(auth, fields: dict[str, Any], field: str):
    token = await auth.admin()
    request = user_pb2.CreateUserRequest(user=user_pb2.User(name="someone", **fields))
    with pytest.raises(InvalidArgument) as caught:
        await auth.users(token).CreateUser(request)
    assert [violation.field for violation in caught.value.violations] == [field]
    assert [user.name for user in (await auth.users(token).ListUsers(user_pb2.ListUsersRequest())).users] == ["root"]


async def test_a_machine_has_roles_and_cannot_log_in_with_a_password(auth):
    token = await auth.admin()
    machine = user_pb2.User(name="pipeline", roles=["api"], type=auth_pb2.IDENTITY_TYPE_MACHINE)
    made = (await auth.users(token).CreateUser(user_pb2.CreateUserRequest(user=machine))).user
    assert made.type == auth_pb2.IDENTITY_TYPE_MACHINE
    for password in (NEW_PASSWORD, "x"):
        with pytest.raises(CredentialsInvalid):
            await auth.login("pipeline", password)


@pytest.mark.parametrize("role", ["operator", "viewer", "api"])
async def test_only_admins_change_users(auth, role: str):
    token = await auth.admin()
    user = await auth.add_user("ada", role, token=token)
    own = (await auth.login("ada")).access_token
    with pytest.raises(PermissionDenied):
        await auth.add_user("bob", "admin", token=own)
    with pytest.raises(PermissionDenied):
        await update(auth, own, user.id, "roles", roles=["admin"])
    with pytest.raises(PermissionDenied):
        await delete(auth, own, user.id)


async def test_a_repeated_create_answers_the_same_user_and_another_password_is_no_other_request(auth, store: Any):
    users = auth.users(await auth.admin())
    user = user_pb2.User(name="ada", roles=["viewer"], password=NEW_PASSWORD)
    request = user_pb2.CreateUserRequest(user=user, request_id="once")
    answers = await asyncio.gather(*(users.CreateUser(request) for _ in range(5)))
    assert len({answer.user.id for answer in answers}) == 1
    kept = await store.users.get(answers[0].user.id)
    other = user_pb2.CreateUserRequest(
        user=user_pb2.User(name="ada", roles=["viewer"], password=NEW_PASSWORD + "!"), request_id="once"
    )
    assert (await users.CreateUser(other)).user.id == kept.id, "the request's hash knows no password"
    eve = user_pb2.User(name="eve", roles=["viewer"], password=NEW_PASSWORD)
    with pytest.raises(InvalidArgument):
        await users.CreateUser(user_pb2.CreateUserRequest(user=eve, request_id="once"))


async def test_an_update_changes_what_the_mask_names_and_nothing_else(auth):
    token = await auth.admin()
    made = await auth.add_user("ada", "viewer", token=token)
    changed = await update(auth, token, made.id, "labels", labels={"team": "blue"}, roles=["admin"], disabled=True)
    assert dict(changed.labels) == {"team": "blue"}
    assert list(changed.roles) == ["viewer"]
    assert not changed.disabled
    assert changed.etag != made.etag
    same = await update(auth, token, made.id, "name", name="ada")
    assert same.name == "ada"
    for mask, fields in (
        ("name", {"name": "eve"}),
        ("nonsense", {}),
        ("type", {"type": auth_pb2.IDENTITY_TYPE_MACHINE}),
    ):
        with pytest.raises(InvalidArgument):
            await update(auth, token, made.id, mask, **fields)


async def test_a_stale_etag_is_refused_and_changes_nothing(auth):
    token = await auth.admin()
    made = await auth.add_user("ada", "viewer", token=token)
    now = await update(auth, token, made.id, "roles", roles=["operator"], etag=made.etag)
    with pytest.raises(StaleEtag) as caught:
        await update(auth, token, made.id, "roles", roles=["api"], etag=made.etag)
    assert caught.value.metadata["current_etag"] == now.etag
    with pytest.raises(StaleEtag):
        await delete(auth, token, made.id, made.etag)
    assert list((await get(auth, token, made.id)).roles) == ["operator"]


@pytest.mark.parametrize(
    ("mask", "fields"),
    [
        ("password", {"password": NEW_PASSWORD}),
        ("disabled", {"disabled": True}),
        ("roles", {"roles": ["operator"]}),
    ],
)
@pytest.mark.parametrize("audience", ["cloudly", "cloudly-legacy"])
async def test_a_new_password_being_disabled_or_fewer_roles_end_the_sessions(
    auth, mask: str, fields: dict[str, Any], audience: str
):
    token = await auth.admin()
    user = await auth.add_user("ada", "viewer", "operator", token=token)
    sessions = [await auth.login("ada", audience=audience) for _ in range(3)]
    await update(auth, token, user.id, mask, **fields)
    for session in sessions:
        with pytest.raises(TokenRevoked):
            await auth.identity(session.access_token)
        if session.refresh_token:
            with pytest.raises(TokenRevoked):
                await auth.refresh(session.refresh_token)
    assert (await auth.identity(token)).name == "root", "nobody else's"


async def test_after_a_new_password_only_the_new_one_works(auth):
    token = await auth.admin()
    user = await auth.add_user("ada", "viewer", token=token)
    await update(auth, token, user.id, "password", password=NEW_PASSWORD)
    with pytest.raises(CredentialsInvalid):
        await auth.login("ada")
    assert (await auth.login("ada", NEW_PASSWORD)).identity.id == user.id
    with pytest.raises(InvalidArgument):
        await update(auth, token, user.id, "password", password="short")
    assert (await auth.login("ada", NEW_PASSWORD)).identity.id == user.id


async def test_a_login_that_meets_a_disabling_leaves_no_living_session(auth):
    token = await auth.admin()
    user = await auth.add_user("ada", "viewer", token=token)
    logins = [asyncio.create_task(auth.login("ada")) for _ in range(6)]
    await asyncio.sleep(0.03)
    await update(auth, token, user.id, "disabled", disabled=True)
    for answer in await asyncio.gather(*logins, return_exceptions=True):
        if isinstance(answer, BaseException):
            assert isinstance(answer, CredentialsInvalid)
        else:
            with pytest.raises(TokenRevoked):
                await auth.identity(answer.access_token)


async def test_a_deleted_user_is_gone_logged_out_and_the_name_is_free(auth):
    token = await auth.admin()
    user = await auth.add_user("ada", "viewer", token=token)
    session = await auth.login("ada")
    await delete(auth, token, user.id)
    with pytest.raises(NotFound):
        await get(auth, token, user.id)
    with pytest.raises(NotFound):
        await delete(auth, token, user.id)
    with pytest.raises(TokenRevoked):
        await auth.identity(session.access_token)
    with pytest.raises(CredentialsInvalid):
        await auth.login("ada")
    again = await auth.add_user("ADA", "viewer", token=token)
    assert again.id != user.id
    with pytest.raises(TokenRevoked):
        await auth.refresh(session.refresh_token)


async def test_users_are_listed_in_pages_filtered_and_ordered(auth):
    token = await auth.admin()
    for name in ("dora", "ada", "Carl", "bob"):
        await auth.add_user(name, "viewer", token=token)
    machine = user_pb2.User(name="pipeline", roles=["api"], type=auth_pb2.IDENTITY_TYPE_MACHINE, disabled=True)
    users = auth.users(token)
    await users.CreateUser(user_pb2.CreateUserRequest(user=machine))

    async def names(**fields: Any) -> list[str]:
        found, page_token = [], ""
        while True:
            page = await users.ListUsers(user_pb2.ListUsersRequest(page_size=2, page_token=page_token, **fields))
            found += [user.name for user in page.users]
            page_token = page.next_page_token
            if not page_token:
                return found

    assert await names(order_by="name") == ["ada", "bob", "Carl", "dora", "pipeline", "root"]
    assert await names(order_by="name desc") == ["root", "pipeline", "dora", "Carl", "bob", "ada"]
    assert await names(filter='type = "MACHINE"') == ["pipeline"]
    assert await names(filter='type = "HUMAN" AND disabled = false', order_by="name") == [
        "ada",
        "bob",
        "Carl",
        "dora",
        "root",
    ]
    for wrong in (
        {"filter": 'password_hash = "x"'},
        {"order_by": "password_hash"},
        {"page_token": "x"},
        {"filter": "nonsense"},
    ):
        with pytest.raises(DomainError) as caught:
            await users.ListUsers(user_pb2.ListUsersRequest(**wrong))
        assert caught.value.info.http_status == 400


async def test_the_last_enabled_admin_cannot_be_deleted_disabled_or_demoted(auth):
    token = await auth.admin()
    root = (await auth.identity(token)).id
    machine = user_pb2.User(name="robot", roles=["admin"], type=auth_pb2.IDENTITY_TYPE_MACHINE)
    await auth.users(token).CreateUser(user_pb2.CreateUserRequest(user=machine))
    disabled = user_pb2.User(name="asleep", roles=["admin"], password=NEW_PASSWORD, disabled=True)
    await auth.users(token).CreateUser(user_pb2.CreateUserRequest(user=disabled))
    with pytest.raises(FailedPrecondition):
        await delete(auth, token, root)
    with pytest.raises(FailedPrecondition):
        await update(auth, token, root, "disabled", disabled=True)
    with pytest.raises(FailedPrecondition):
        await update(auth, token, root, "roles", roles=["operator"])
    assert (await auth.identity(token)).id == root, "and the refused change ended no session"
    await auth.add_user("second", "admin", token=token)
    await delete(auth, token, root)
    assert (await auth.login("second")).identity.name == "second"


async def test_of_twenty_admins_deleted_at_once_on_two_replicas_one_remains(
    harness: ServiceHarness, replica: Any, auth, store: Any
):
    token = await auth.admin()
    admins = [(await auth.identity(token)).id]
    admins += [(await auth.add_user(f"admin{n}", "admin", token=token)).id for n in range(19)]
    # A service's own token: it lives on when the admins are gone.
    service = await auth.service("clusters")
    async with harness.running("auth", serve, replica(2)):
        here, there = auth.users(service), auth.at(replica(2)).users(service)
        calls = [
            (here if n % 2 else there).DeleteUser(user_pb2.DeleteUserRequest(user_id=admin))
            for n, admin in enumerate(admins)
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert [type(error) for error in refused] == [FailedPrecondition]
    assert len(await store.admins()) == 1


async def test_two_admins_who_demote_each_other_leave_one(auth, store: Any):
    token = await auth.admin()
    root = (await auth.identity(token)).id
    for _ in range(3):
        other = await auth.add_user("other", "admin", token=token)
        service = await auth.service("clusters")
        await asyncio.gather(
            update(auth, service, root, "roles", roles=["viewer"]),
            update(auth, service, other.id, "disabled", disabled=True),
            return_exceptions=True,
        )
        assert len(await store.admins()) == 1
        await update(auth, service, root, "roles", roles=["admin"])
        await delete(auth, service, other.id)
        token = await auth.admin()


async def test_the_registry_asks_whether_a_name_and_a_password_are_right(auth):
    token = await auth.admin()
    user = await auth.add_user("ada", "viewer", token=token)
    registry = auth.auth(await auth.service("registry"))
    asked = auth_pb2.VerifyCredentialsRequest(
        username="ada", password="a long enough passphrase", remote_address="192.0.2.7"
    )
    identity = (await registry.VerifyCredentials(asked)).identity
    assert (identity.id, identity.name, list(identity.roles)) == (user.id, "ada", ["viewer"])
    asked.password = "wrong"
    with pytest.raises(CredentialsInvalid):
        await registry.VerifyCredentials(asked)
    for other in (token, await auth.service("clusters")):
        with pytest.raises(PermissionDenied):
            await auth.auth(other).VerifyCredentials(asked)
