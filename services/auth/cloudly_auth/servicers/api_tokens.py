"""cloudly.auth.v1.ApiTokenService: long-lived secrets for programs."""

from datetime import UTC
from typing import Any

from cloudly.auth.v1 import api_token_pb2 as pb
from cloudly.auth.v1 import api_token_pb2_grpc
from cloudly_kit.access import allows
from cloudly_kit.errors import PermissionDenied
from cloudly_kit.identity import caller
from cloudly_kit.resources import page_request, request_key, timestamp, with_metadata

from cloudly_auth.api_tokens import ApiTokens, NewApiToken, Shown

FOR_OTHERS = "users.write"
EVERYBODY = "-"


class ApiTokenServicer(api_token_pb2_grpc.ApiTokenServiceServicer):
    """Create, get, list, revoke: one's own, or for who may change users everybody's."""

    def __init__(self, tokens: ApiTokens) -> None:
        self._tokens = tokens

    async def CreateApiToken(self, request: pb.CreateApiTokenRequest, context: Any) -> pb.CreateApiTokenResponse:
        """Make a token and show its secret."""
        asked = request.token
        wanted = NewApiToken(
            name=asked.name,
            owner_id=_owner(asked.owner_id) or "",
            roles=tuple(asked.roles),
            permissions=tuple(asked.permissions),
            cluster_ids=tuple(asked.cluster_ids),
            workload_ids=tuple(asked.workload_ids),
            repositories=tuple(asked.repositories),
            expire_time=asked.expire_time.ToDatetime(UTC) if asked.HasField("expire_time") else None,
            never_expires=asked.never_expires,
            labels=tuple(asked.labels.items()),
        )
        shown, secret = await self._tokens.create(wanted, request_key(request))
        return pb.CreateApiTokenResponse(token=_message(shown), secret=secret)

    async def GetApiToken(self, request: pb.GetApiTokenRequest, context: Any) -> pb.GetApiTokenResponse:
        """One token."""
        return pb.GetApiTokenResponse(token=_message(await self._tokens.get(request.token_id, owner_id=_visible())))

    async def ListApiTokens(self, request: pb.ListApiTokensRequest, context: Any) -> pb.ListApiTokensResponse:
        """The tokens, page by page."""
        page = await self._tokens.page(page_request(request), owner_id=_owner(request.owner_id))
        return pb.ListApiTokensResponse(tokens=map(_message, page.items), next_page_token=page.next_page_token)

    async def RevokeApiToken(self, request: pb.RevokeApiTokenRequest, context: Any) -> pb.RevokeApiTokenResponse:
        """End a token."""
        await self._tokens.revoke(request.token_id, owner_id=_visible())
        return pb.RevokeApiTokenResponse()


def _owner(asked: str) -> str | None:
    """Whose tokens a call is about; None is everybody's."""
    actor = caller().actor
    if asked in ("", actor.id):
        return actor.id
    if not allows(actor, FOR_OTHERS):
        raise PermissionDenied(FOR_OTHERS)
    return None if asked == EVERYBODY else asked


def _visible() -> str | None:
    """Whose tokens the caller may see and end; None is everybody's."""
    actor = caller().actor
    return None if allows(actor, FOR_OTHERS) else actor.id


def _message(shown: Shown) -> pb.ApiToken:
    token = shown.token
    message = pb.ApiToken(
        name=token.name,
        owner_id=token.owner_id,
        owner_name=shown.owner_name,
        roles=token.roles,
        permissions=token.permissions,
        cluster_ids=token.cluster_ids,
        workload_ids=token.workload_ids,
        repositories=token.repositories,
        expire_time=timestamp(token.expire_time),
        never_expires=token.expire_time is None,
        last_use_time=timestamp(token.last_use_time),
        last_use_address=token.last_use_address,
    )
    return with_metadata(message, token)
