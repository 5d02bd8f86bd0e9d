"""Logins, refreshes and their ends, over real gRPC."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cloudly.auth.v1 import auth_pb2, user_pb2
from cloudly_auth.config import Settings
from cloudly_auth.main import serve
from cloudly_auth.sessions import GRACE
from cloudly_kit.errors import (
    CredentialsInvalid,
    CredentialsMissing,
    DomainError,
    InvalidArgument,
    TokenExpired,
    TokenRevoked,
)
from cloudly_kit.testing import ServiceHarness
from google.protobuf.field_mask_pb2 import FieldMask

from .test_audit import until_listed

Claims = Callable[[str], dict[str, Any]]
Replica = Callable[..., Settings]


async def test_a_login_answers_who_one_is_and_a_token_that_says_so(auth, claims: Claims):
    answer = await auth.login()
    assert answer.identity.name == "root"
    assert list(answer.identity.roles) == ["admin"]
    assert answer.identity.type == auth_pb2.IDENTITY_TYPE_HUMAN
    said = claims(answer.access_token)
    assert said["iss"] == "http://localhost:8080"
    assert (said["aud"], said["typ"], said["sub"], said["name"]) == ("cloudly", "human", answer.identity.id, "root")
    assert said["exp"] - said["iat"] == 600
    assert answer.identity.expire_time.seconds == said["exp"]
    assert said["sid"] == answer.identity.session_id
    identity = await auth.identity(answer.access_token)
    assert identity == answer.identity


async def test_the_user_name_may_be_written_in_any_case(auth):
    assert (await auth.login("ROOT")).identity.name == "root"


async def test_a_legacy_login_lasts_a_day_and_has_no_refresh_token(auth, claims: Claims):
    answer = await auth.login(audience="cloudly-legacy")
    said = claims(answer.access_token)
    assert (said["aud"], said["exp"] - said["iat"]) == ("cloudly-legacy", 86_400)
    assert answer.refresh_token == ""
    assert (await auth.identity(answer.access_token)).name == "root"


@pytest.mark.parametrize("audience", ["registry", "service", "CLOUDLY", "other"])
async def test_other_audiences_cannot_be_asked_for(auth, audience: str):
    with pytest.raises(InvalidArgument) as caught:
        await auth.login(audience=audience)
    assert caught.value.violations[0].field == "audience"


async def test_an_unknown_user_a_wrong_password_and_a_disabled_user_answer_alike(auth):
    token = await auth.admin()
    user = await auth.add_user("gone", "viewer", token=token)
    await auth.users(token).UpdateUser(
        user_pb2.UpdateUserRequest(
            user=user_pb2.User(id=user.id, disabled=True), update_mask=FieldMask(paths=["disabled"])
        )
    )
    seen = set()
    for name, password in [
        ("nobody", "wrong password"),
        ("root", "wrong password"),
        ("gone", "a long enough passphrase"),
    ]:
        with pytest.raises(CredentialsInvalid) as caught:
            await auth.login(name, password)
        seen.add((caught.value.reason, caught.value.message, tuple(caught.value.metadata.items())))
    assert len(seen) == 1


async def test_nobody_is_told_who_they_are_without_a_token(auth):
    with pytest.raises(CredentialsMissing):
        await auth.auth().GetIdentity(auth_pb2.GetIdentityRequest())


async def test_a_refresh_answers_the_next_pair(auth, claims: Claims):
    first = await auth.login()
    second = await auth.refresh(first.refresh_token)
    third = await auth.refresh(second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert claims(third.access_token)["sid"] == claims(first.access_token)["sid"]
    assert (await auth.identity(third.access_token)).name == "root"


async def test_two_tabs_that_refresh_at_once_get_one_line_of_tokens_and_stay_logged_in(auth):
    first = await auth.login()
    answers = await asyncio.gather(*(auth.refresh(first.refresh_token) for _ in range(12)))
    assert len({answer.refresh_token for answer in answers}) == 1
    following = await asyncio.gather(*(auth.refresh(answers[0].refresh_token) for _ in range(3)))
    assert (await auth.identity(following[0].access_token)).name == "root"


async def test_a_lost_answer_can_be_asked_for_again_within_the_grace(auth):
    first = await auth.login()
    lost = await auth.refresh(first.refresh_token)
    again = await auth.refresh(first.refresh_token)
    assert again.refresh_token == lost.refresh_token


async def test_an_old_refresh_token_ends_the_session_for_everybody_who_holds_it(auth):
    first = await auth.login()
    second = await auth.refresh(first.refresh_token)
    third = await auth.refresh(second.refresh_token)
    with pytest.raises(TokenRevoked):
        await auth.refresh(first.refresh_token)
    with pytest.raises(TokenRevoked):
        await auth.refresh(third.refresh_token)
    with pytest.raises(TokenRevoked):
        await auth.identity(third.access_token)
    (told,) = await until_listed(auth, await auth.admin(), 'method = "auth.EndReusedSession"')
    assert (told.actor.name, told.resource.kind, told.resource.name) == ("auth", "user", "root")
    assert told.remote_address
    assert first.identity.session_id in {change.resource.id for change in told.changes}


async def test_after_the_grace_a_used_token_means_that_two_hold_it(auth, age_session: Any):
    first = await auth.login()
    second = await auth.refresh(first.refresh_token)
    await age_session(first.identity.session_id, rotate_time=GRACE)
    with pytest.raises(TokenRevoked):
        await auth.refresh(first.refresh_token)
    with pytest.raises(TokenRevoked):
        await auth.refresh(second.refresh_token)
    assert (await auth.login()).access_token, "a new login is another session"


async def test_a_made_up_refresh_token_for_a_known_session_does_not_end_it(auth):
    first = await auth.login()
    sid = first.identity.session_id
    for made_up in (
        f"cloudly_rt_{sid}.{'x' * 43}.{'y' * 43}",
        f"cloudly_rt_{sid}..",
        f"cloudly_rt_{sid}",
        "x",
        "cloudly_rt_a.b.c",
    ):
        with pytest.raises(CredentialsInvalid):
            await auth.refresh(made_up)
    assert (await auth.refresh(first.refresh_token)).access_token


async def test_an_access_token_is_no_refresh_token_nor_the_other_way_round(auth):
    first = await auth.login()
    with pytest.raises(DomainError):
        await auth.refresh(first.access_token)
    with pytest.raises(CredentialsInvalid):
        await auth.identity(first.refresh_token)


async def test_a_session_that_was_idle_too_long_or_is_too_old_has_ended(auth, age_session: Any):
    idle = await auth.login()
    await age_session(idle.identity.session_id, expire_time=timedelta(days=8))
    with pytest.raises(TokenExpired):
        await auth.refresh(idle.refresh_token)
    old = await auth.login()
    await age_session(old.identity.session_id, expire_time=timedelta(days=31), last_time=timedelta(days=31))
    with pytest.raises(TokenExpired):
        await auth.refresh(old.refresh_token)


async def test_use_does_not_prolong_a_session_beyond_its_last_day(auth, age_session: Any, store: Any, claims: Claims):
    first = await auth.login()
    almost = timedelta(days=30) - timedelta(minutes=5)
    await age_session(first.identity.session_id, last_time=almost)
    second = await auth.refresh(first.refresh_token)
    session = await store.sessions.get(first.identity.session_id)
    assert session.expire_time == session.last_time
    assert claims(second.access_token)["exp"] <= session.last_time.timestamp()


async def test_a_logout_ends_the_session_at_once_and_no_other(auth):
    here, there = await auth.login(), await auth.login()
    await auth.auth(here.access_token).Logout(auth_pb2.LogoutRequest())
    with pytest.raises(TokenRevoked):
        await auth.identity(here.access_token)
    with pytest.raises(TokenRevoked):
        await auth.refresh(here.refresh_token)
    assert (await auth.identity(there.access_token)).name == "root"
    assert (await auth.refresh(there.refresh_token)).access_token


async def test_a_refresh_brings_the_roles_of_today(auth):
    token = await auth.admin()
    user = await auth.add_user("ada", "viewer", token=token)
    session = await auth.login("ada")
    await auth.users(token).UpdateUser(
        user_pb2.UpdateUserRequest(
            user=user_pb2.User(id=user.id, roles=["viewer", "operator"]), update_mask=FieldMask(paths=["roles"])
        )
    )
    assert list((await auth.refresh(session.refresh_token)).identity.roles) == ["operator", "viewer"]


async def test_refresh_tokens_are_kept_hashed_only(auth, store: Any):
    first = await auth.login()
    second = await auth.refresh(first.refresh_token)
    kept = str((await store.sessions.get(first.identity.session_id)).model_dump())
    for token in (first.refresh_token, second.refresh_token):
        for part in token.split(".")[1:]:
            assert part not in kept


async def test_sessions_live_on_through_a_restart(harness: ServiceHarness, replica: Replica, caller_of):
    async with harness.running("auth", serve, replica(1)):
        first = await caller_of.at(replica(1)).login()
    async with harness.running("auth", serve, replica(2)):
        later = caller_of.at(replica(2))
        assert (await later.identity(first.access_token)).name == "root"
        assert (await later.refresh(first.refresh_token)).access_token


async def test_a_session_is_good_on_every_replica(harness: ServiceHarness, replica: Replica, auth):
    async with harness.running("auth", serve, replica(2)):
        other = auth.at(replica(2))
        first = await auth.login()
        assert (await other.identity(first.access_token)).name == "root"
        calls = [(auth if n % 2 else other).refresh(first.refresh_token) for n in range(8)]
        assert len({answer.refresh_token for answer in await asyncio.gather(*calls)}) == 1
        await auth.auth(first.access_token).Logout(auth_pb2.LogoutRequest())
        with pytest.raises(TokenRevoked):
            await other.identity(first.access_token)
