"""Seeing and ending sessions, one's own and those of others, over real gRPC."""

from typing import Any

import pytest
from cloudly.auth.v1 import auth_pb2, session_pb2, session_pb2_grpc
from cloudly_auth.main import serve
from cloudly_kit.errors import DomainError, FailedPrecondition, NotFound, PermissionDenied, TokenRevoked
from cloudly_kit.testing import ServiceHarness

from .test_crashes import dying, until_revoked


def sessions(auth: Any, token: str) -> Any:
    return session_pb2_grpc.SessionServiceStub(auth.channel(token))


async def listed(auth: Any, token: str) -> list[session_pb2.Session]:
    return list((await sessions(auth, token).ListSessions(session_pb2.ListSessionsRequest())).sessions)


async def test_one_sees_ones_own_sessions_the_newest_first_and_ends_one(auth):
    await auth.add_user("ada", "viewer")
    first, second = await auth.login("ada"), await auth.login("ada", audience="cloudly-legacy")
    seen = await listed(auth, first.access_token)
    assert [one.id for one in seen] == [second.identity.session_id, first.identity.session_id]
    assert [one.current for one in seen] == [False, True]
    assert all(one.remote_address and one.HasField("last_use_time") and one.HasField("expire_time") for one in seen)
    revoke = session_pb2.RevokeSessionRequest(session_id=second.identity.session_id)
    await sessions(auth, first.access_token).RevokeSession(revoke)
    with pytest.raises(TokenRevoked):
        await auth.identity(second.access_token)
    assert [one.id for one in await listed(auth, first.access_token)] == [first.identity.session_id]


async def test_nobody_ends_the_session_of_another_but_an_admin(auth):
    admin = await auth.admin()
    user = await auth.add_user("ada", "viewer", token=admin)
    ada, root = await auth.login("ada"), await auth.login()
    revoke = session_pb2.RevokeSessionRequest(session_id=root.identity.session_id)
    with pytest.raises(NotFound):
        await sessions(auth, ada.access_token).RevokeSession(revoke)
    theirs = session_pb2.ListUserSessionsRequest(user_id=user.id)
    with pytest.raises(PermissionDenied):
        await sessions(auth, ada.access_token).ListUserSessions(theirs)
    seen = (await sessions(auth, admin).ListUserSessions(theirs)).sessions
    assert [one.id for one in seen] == [ada.identity.session_id]
    end = session_pb2.RevokeUserSessionRequest(user_id=user.id, session_id=ada.identity.session_id)
    await sessions(auth, admin).RevokeUserSession(end)
    with pytest.raises(TokenRevoked):
        await auth.identity(ada.access_token)
    again = await auth.login("ada")
    await sessions(auth, admin).RevokeAllUserSessions(session_pb2.RevokeAllUserSessionsRequest(user_id=user.id))
    with pytest.raises(TokenRevoked):
        await auth.refresh(again.refresh_token)


@pytest.mark.parametrize("keep", [True, False])
async def test_signing_out_everywhere_ends_all_and_this_one_unless_it_is_kept(auth, keep: bool):
    here, there = await auth.login(), await auth.login()
    request = session_pb2.RevokeAllSessionsRequest(keep_current=keep)
    await sessions(auth, here.access_token).RevokeAllSessions(request)
    with pytest.raises(TokenRevoked):
        await auth.identity(there.access_token)
    if keep:
        assert (await auth.refresh(here.refresh_token)).access_token
    else:
        with pytest.raises(TokenRevoked):
            await auth.refresh(here.refresh_token)


async def test_signing_out_happens_although_the_process_died_over_it(harness: ServiceHarness, replica: Any, caller_of):
    async with dying(replica(1), "auth.accounts.epoch.after_write"):
        auth = caller_of.at(replica(1))
        here, there = await auth.login(), await auth.login()
        with pytest.raises(DomainError):
            await sessions(auth, here.access_token).RevokeAllSessions(session_pb2.RevokeAllSessionsRequest())
    async with harness.running("auth", serve, replica(2)):
        await until_revoked(caller_of.at(replica(2)), there.access_token)


async def test_a_token_that_has_ended_does_not_keep_anybody_from_logging_in(auth):
    old = await auth.login()
    await auth.auth(old.access_token).Logout(auth_pb2.LogoutRequest())
    for stale in (old.access_token, "rubbish"):
        request = auth_pb2.LoginRequest(username="root", password="a long enough passphrase")
        assert (await auth.auth(stale).Login(request)).access_token


async def test_services_have_no_sessions_to_list(auth):
    with pytest.raises(FailedPrecondition):
        await listed(auth, await auth.service("registry"))
