"""Join tokens: made by people, shown once, good for a while and for some number of devices."""

import hmac
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from cloudly.baseos.v1 import node_pb2
from cloudly_kit.errors import CredentialsInvalid, InvalidArgument
from cloudly_kit.ids import hash_secret, new_id, new_secret
from cloudly_kit.resources import timestamp
from cloudly_kit.store import Page, PageRequest, RequestKey, Session

from cloudly_baseos.store import BaseosStore, JoinTokenDocument

PREFIX = "cjt"
DEFAULT_LIFE = timedelta(days=1)
LONGEST_LIFE = timedelta(days=366)
SHARED = "baseosJoinToken"
"""The setting with the token that any number of devices enrol with, and what their records keep as its id."""

log = structlog.get_logger()


class JoinTokens:
    """The rules of join tokens. `setting` answers what a setting is, empty where it is not set."""

    def __init__(self, store: BaseosStore, setting: Callable[[str], Awaitable[str]]) -> None:
        self._store = store
        self._setting = setting

    async def create(self, wish: node_pb2.JoinToken, request: RequestKey | None) -> tuple[JoinTokenDocument, str]:
        """Make a token; answers its record and the token, which is empty when the create was repeated.

        Raises:
            InvalidArgument: its end has passed or is more than a year away.
        """
        now = datetime.now(UTC)
        expire_time = wish.expire_time.ToDatetime(UTC) if wish.HasField("expire_time") else now + DEFAULT_LIFE
        if not now < expire_time <= now + LONGEST_LIFE:
            raise InvalidArgument.of(("join_token.expire_time", "must be in the future, at most a year away"))
        token = new_secret(PREFIX)
        join_token_id = new_id()
        document, repeated = await self._store.join_tokens.insert(
            JoinTokenDocument(
                id=join_token_id,
                name=wish.name or f"join-{join_token_id[:6]}",
                token_hash=hash_secret(token),
                expire_time=expire_time,
                max_uses=wish.max_uses,
            ),
            request=request,
        )
        if repeated:
            return document, ""
        log.info("join_token.created", join_token=document.id, expires=expire_time.isoformat())
        return document, token

    async def list(self, request: PageRequest) -> Page[JoinTokenDocument]:
        """A page of tokens."""
        return await self._store.join_tokens.page(["-"], request)

    async def delete(self, join_token_id: str) -> None:
        """No device enrols with it any more; those that did stay.

        Raises:
            NotFound: there is none with this id.
        """
        await self._store.join_tokens.delete(join_token_id)
        log.info("join_token.deleted", join_token=join_token_id)

    async def redeem(self, token: str, *, again: str, session: Session) -> str:
        """Use the token once, in the transaction that enrols a device; answers its id.

        The token of the setting is good for any number of devices, as long as it is set.

        A device that comes back with the token it enrolled with (`again` is that token's id) is not counted twice: its
        first answer may have been lost.

        Raises:
            CredentialsInvalid: it is unknown, expired or used up; which of these is not told.
            Unavailable: it is none of those made here, and the setting is not known yet.
        """
        token_hash = hash_secret(token)
        found = await self._store.join_tokens.find_one(scope="-", token_hash=token_hash, session=session)
        if found is None:
            shared = await self._setting(SHARED)
            if shared and hmac.compare_digest(hash_secret(shared), token_hash):
                return SHARED
        if found is None or not hmac.compare_digest(found.token_hash, token_hash):
            raise CredentialsInvalid
        if found.expire_time <= datetime.now(UTC):
            log.warning("join_token.expired", join_token=found.id)
            raise CredentialsInvalid
        if found.id == again:
            return found.id
        if found.max_uses and found.uses >= found.max_uses:
            log.warning("join_token.used_up", join_token=found.id, max_uses=found.max_uses)
            raise CredentialsInvalid
        await self._store.join_tokens.change(
            found.id, lambda token: token.model_copy(update={"uses": token.uses + 1}), session=session
        )
        return found.id


def to_message(document: JoinTokenDocument) -> node_pb2.JoinToken:
    """The token's record as clients see it."""
    return node_pb2.JoinToken(
        id=document.id,
        name=document.name,
        create_time=timestamp(document.create_time),
        expire_time=timestamp(document.expire_time),
        uses=document.uses,
        max_uses=document.max_uses,
        etag=document.etag,
    )
