"""cloudly.auth.v1.SessionService: where people are logged in, and ending it."""

from dataclasses import replace
from typing import Any

from cloudly.auth.v1 import session_pb2 as pb
from cloudly.auth.v1 import session_pb2_grpc
from cloudly_kit.identity import caller
from cloudly_kit.resources import page_request, timestamp
from cloudly_kit.store import Page, PageRequest

from cloudly_auth.accounts import Accounts
from cloudly_auth.store import Session

_NEWEST_FIRST = "create_time desc"


class SessionServicer(session_pb2_grpc.SessionServiceServicer):
    """One's own sessions, and for admins those of all."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Any) -> pb.ListSessionsResponse:
        """One's own."""
        user, _ = await self._accounts.own(caller().actor)
        page = await self._accounts.sessions(user.id, _newest_first(request))
        return pb.ListSessionsResponse(sessions=_messages(page), next_page_token=page.next_page_token)

    async def RevokeSession(self, request: pb.RevokeSessionRequest, context: Any) -> pb.RevokeSessionResponse:
        """End one of one's own."""
        user, _ = await self._accounts.own(caller().actor)
        await self._accounts.revoke(user.id, request.session_id)
        return pb.RevokeSessionResponse()

    async def RevokeAllSessions(
        self, request: pb.RevokeAllSessionsRequest, context: Any
    ) -> pb.RevokeAllSessionsResponse:
        """Sign out everywhere."""
        user, session = await self._accounts.own(caller().actor)
        await self._accounts.sign_out(user.id, session.id if request.keep_current else "")
        return pb.RevokeAllSessionsResponse()

    async def ListUserSessions(self, request: pb.ListUserSessionsRequest, context: Any) -> pb.ListUserSessionsResponse:
        """Those of a user."""
        page = await self._accounts.sessions(request.user_id, _newest_first(request))
        return pb.ListUserSessionsResponse(sessions=_messages(page), next_page_token=page.next_page_token)

    async def RevokeUserSession(
        self, request: pb.RevokeUserSessionRequest, context: Any
    ) -> pb.RevokeUserSessionResponse:
        """End one of a user's."""
        await self._accounts.revoke(request.user_id, request.session_id)
        return pb.RevokeUserSessionResponse()

    async def RevokeAllUserSessions(
        self, request: pb.RevokeAllUserSessionsRequest, context: Any
    ) -> pb.RevokeAllUserSessionsResponse:
        """Sign a user out everywhere."""
        await self._accounts.sign_out(request.user_id)
        return pb.RevokeAllUserSessionsResponse()


def _newest_first(request: pb.ListSessionsRequest | pb.ListUserSessionsRequest) -> PageRequest:
    return replace(page_request(request), order_by=_NEWEST_FIRST)


def _messages(page: Page[Session]) -> list[pb.Session]:
    here = caller().actor.session_id
    return [
        pb.Session(
            id=session.id,
            remote_address=session.remote_address,
            user_agent=session.user_agent,
            create_time=timestamp(session.create_time),
            last_use_time=timestamp(session.rotate_time),
            expire_time=timestamp(session.expire_time),
            current=session.id == here,
            audience=session.audience,
        )
        for session in page.items
    ]
