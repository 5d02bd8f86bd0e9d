"""BaseOS nodes: devices that enrol with a join token, report by heartbeat, and are told what they should be."""

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from cloudly.baseos.v1 import node_pb2
from cloudly_kit.errors import CredentialsInvalid, InvalidArgument, NotFound, StaleEtag
from cloudly_kit.ids import hash_secret, new_etag, new_secret
from cloudly_kit.resources import timestamp, with_metadata
from cloudly_kit.store import Page, PageRequest, Session
from google.protobuf import json_format, struct_pb2

from cloudly_baseos.join_tokens import JoinTokens
from cloudly_baseos.presence import Presence
from cloudly_baseos.store import OFFLINE, ONLINE, BaseosStore, NodeDocument

PREFIX = "cnt"
MAX_RUNTIME_INFO_BYTES = 64 * 1024

_NODE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REPORTED = {"name", "token_hash", "join_token_id", "state", "architecture", "heartbeat_time", "runtime_info"}
"""What a device that enrols anew brings along; labels and desired state stay."""
_NOBODYS_HASH = hash_secret("")

log = structlog.get_logger()


class Nodes:
    """The rules of nodes."""

    def __init__(self, store: BaseosStore, join_tokens: JoinTokens, presence: Presence) -> None:
        self._store = store
        self._join_tokens = join_tokens
        self._presence = presence

    async def register(
        self, node_id: str, join_token: str, *, hostname: str, architecture: str, runtime_info: Mapping[str, Any]
    ) -> tuple[NodeDocument, str]:
        """Enrol a device, or enrol it anew (its earlier node token is refused from then on); answers its node token.

        Raises:
            InvalidArgument: the id or the runtime information is malformed.
            CredentialsInvalid: the join token is unknown, expired or used up.
        """
        check_node_id(node_id)
        check_runtime_info(runtime_info)
        token = new_secret(PREFIX)
        now = datetime.now(UTC)

        async def enrol(session: Session) -> NodeDocument:
            found = await self._store.node(node_id, session)
            used = await self._join_tokens.redeem(
                join_token, again=found.join_token_id if found else "", session=session
            )
            seen = NodeDocument(
                node_id=node_id,
                name=hostname or (found.name if found else node_id[:63]),
                wish_etag=new_etag(),
                token_hash=hash_secret(token),
                join_token_id=used,
                architecture=architecture,
                heartbeat_time=now,
                runtime_info=dict(runtime_info),
            )
            if found is None:
                return (await self._store.nodes.insert(seen, session=session))[0]
            reported = seen.model_dump(include=_REPORTED)
            return await self._store.nodes.change(
                found.id, lambda node: node.model_copy(update=reported), session=session
            )

        document = await self._store.database.transaction(enrol)
        await self._presence.report(node_id, now)
        log.info("node.registered", node=node_id, join_token=document.join_token_id)
        return document, token

    async def heartbeat(self, node_id: str, node_token: str, runtime_info: Mapping[str, Any]) -> NodeDocument:
        """A device reports; answers its record. Written down only when its state or its information changed.

        Raises:
            CredentialsInvalid: the node is unknown or the token is not its own; which of these is not told.
            InvalidArgument: the runtime information is too large.
        """
        found = await self._store.node(node_id)
        known = hmac.compare_digest(found.token_hash if found else _NOBODYS_HASH, hash_secret(node_token))
        if found is None or not known:
            raise CredentialsInvalid
        check_runtime_info(runtime_info)
        now = datetime.now(UTC)
        await self._presence.report(node_id, now)
        info = dict(runtime_info)
        if found.state == ONLINE and found.runtime_info == info:
            return found

        def mutate(node: NodeDocument) -> NodeDocument | None:
            if node.token_hash != found.token_hash:
                raise CredentialsInvalid
            return node.model_copy(update={"state": ONLINE, "runtime_info": info, "heartbeat_time": now})

        try:
            document = await self._store.nodes.change(found.id, mutate)
        except NotFound as deleted:
            raise CredentialsInvalid from deleted
        if found.state != ONLINE:
            log.info("node.online", node=node_id)
        return document

    async def get(self, node_id: str) -> NodeDocument:
        """One node, with the time of its newest report.

        Raises:
            NotFound: there is none with this id.
        """
        return (await self._with_reports([await self._found(node_id)]))[0]

    async def list(self, request: PageRequest) -> Page[NodeDocument]:
        """A page of nodes, with the times of their newest reports."""
        page = await self._store.nodes.page(["-"], request)
        return Page([*await self._with_reports(page.items)], page.next_page_token)

    async def update(
        self, node_id: str, change: Callable[[node_pb2.BaseosNode], node_pb2.BaseosNode], etag: str
    ) -> NodeDocument:
        """Set name, labels and desired state to what `change` makes of the node as it is.

        Raises:
            NotFound: there is none with this id.
            StaleEtag: somebody changed it since `etag`.
            InvalidArgument: `change` refuses.
        """

        def mutate(found: NodeDocument) -> NodeDocument | None:
            check_wish_etag(found, etag)
            wish = change(to_message(found))
            changed = found.model_copy(
                update={
                    "name": wish.name or found.name,
                    "labels": dict(wish.labels),
                    "desired_state": json_format.MessageToDict(wish.desired_state),
                }
            )
            return None if changed == found else changed.model_copy(update={"wish_etag": new_etag()})

        document = await self._store.nodes.change((await self._found(node_id)).id, mutate)
        log.info("node.updated", node=node_id)
        return (await self._with_reports([document]))[0]

    async def delete(self, node_id: str, etag: str) -> None:
        """Forget a device; its node token is refused from now on.

        Raises:
            NotFound: there is none with this id.
            StaleEtag: somebody changed it since `etag`.
        """
        found = await self._found(node_id)
        check_wish_etag(found, etag)
        await self._store.nodes.delete(found.id, etag=found.etag if etag else "")
        await self._presence.forget(node_id)
        log.info("node.deleted", node=node_id)

    async def mark_offline(self, now: datetime) -> Sequence[NodeDocument]:
        """Write down as OFFLINE every node whose reports stay away; answers these.

        Raises:
            RedisError: Redis is away, so nobody knows who is gone.
        """
        if not await self._presence.knows_who_is_gone(now):
            return []
        online = await self._store.online_nodes()
        present = await self._presence.times([node.node_id for node in online])
        gone = []
        for node in online:
            if node.node_id in present or (now - node.heartbeat_time).total_seconds() < self._presence.patience_seconds:
                continue
            # A report in between changes nothing that is written down; it is asked for once more right before.
            if await self._presence.times([node.node_id]):
                continue
            try:
                gone.append(await self._store.nodes.change(node.id, _offline))
            except NotFound:
                continue
            log.warning("node.offline", node=node.node_id)
        return gone

    async def _found(self, node_id: str) -> NodeDocument:
        found = await self._store.node(node_id)
        if found is None:
            raise NotFound("node", node_id)
        return found

    async def _with_reports(self, nodes: Sequence[NodeDocument]) -> Sequence[NodeDocument]:
        times = await self._presence.times([node.node_id for node in nodes])
        return [
            node.model_copy(
                update={"heartbeat_time": max(node.heartbeat_time, times.get(node.node_id, node.heartbeat_time))}
            )
            for node in nodes
        ]


def _offline(found: NodeDocument) -> NodeDocument | None:
    return None if found.state == OFFLINE else found.model_copy(update={"state": OFFLINE})


def check_node_id(node_id: str) -> None:
    """Refuse an id that could not stand in a URL or a key.

    Raises:
        InvalidArgument: it is so.
    """
    if not _NODE_ID.fullmatch(node_id):
        raise InvalidArgument.of(("node_id", "must be 1 to 64 letters, digits, dots, hyphens, underscores"))


def check_runtime_info(runtime_info: Mapping[str, Any]) -> None:
    """Refuse more than is worth keeping.

    Raises:
        InvalidArgument: it is so.
    """
    size = json_format.ParseDict(dict(runtime_info), struct_pb2.Struct()).ByteSize()
    if size > MAX_RUNTIME_INFO_BYTES:
        raise InvalidArgument.of(("runtime_info", f"is {size} bytes; at most {MAX_RUNTIME_INFO_BYTES} are kept"))


def check_wish_etag(document: NodeDocument, etag: str) -> None:
    """Refuse a write that was made for an earlier wish."""
    if etag and etag != document.wish_etag:
        raise StaleEtag("node", document.node_id, document.wish_etag)


def to_message(document: NodeDocument) -> node_pb2.BaseosNode:
    """The node as clients see it."""
    message = node_pb2.BaseosNode(
        name=document.name,
        state=node_pb2.NodeState.Value(document.state),
        architecture=document.architecture,
        last_heartbeat_time=timestamp(document.heartbeat_time),
        runtime_info=json_format.ParseDict(document.runtime_info, struct_pb2.Struct()),
        desired_state=json_format.ParseDict(document.desired_state, struct_pb2.Struct()),
    )
    with_metadata(message, document, etag=document.wish_etag)
    message.id = document.node_id
    return message
