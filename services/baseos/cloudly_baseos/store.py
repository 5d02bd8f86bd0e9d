"""The collections of baseos: documents, indexes, queries.

join_tokens  scope "-"   one a token that lets devices enrol: its hash, its end, its uses
nodes        scope "-"   one a device: what it is, what it should be, the hash of its node token
"""

from datetime import datetime
from typing import Any

from cloudly_kit.store import Collection, Database, Document, Index, Session

ONLINE = "NODE_STATE_ONLINE"
OFFLINE = "NODE_STATE_OFFLINE"


class JoinTokenDocument(Document):
    """A join token; the token itself is kept nowhere."""

    name: str
    token_hash: str
    expire_time: datetime
    uses: int = 0
    max_uses: int = 0
    """0: any number."""


class NodeDocument(Document):
    """A device. Its reports change it too; `wish_etag`, which people compare, changes only with their changes.

    The document's id is not the device's, so that a device can come back while its deleted record is still a tombstone.
    """

    node_id: str
    """As the device proposed it."""
    name: str
    wish_etag: str
    token_hash: str
    join_token_id: str
    """The join token that it enrolled with last; `baseosJoinToken` for that of the setting."""
    state: str = ONLINE
    architecture: str = ""
    heartbeat_time: datetime
    """The report that was written down last; the newest is in Redis (presence.py)."""
    runtime_info: dict[str, Any] = {}
    desired_state: dict[str, Any] = {}


class BaseosStore:
    """All collections of baseos."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.join_tokens = Collection(
            database,
            "join_tokens",
            JoinTokenDocument,
            kind="join token",
            indexes=[Index("scope", "token_hash", unique=True)],
            orderable=("name", "create_time"),
            filterable=("name",),
        )
        self.nodes = Collection(
            database,
            "nodes",
            NodeDocument,
            kind="node",
            indexes=[Index("scope", "node_id", unique=True), Index("scope", "state")],
            orderable=("name", "create_time"),
            filterable=("name", "state", "architecture"),
        )

    async def ensure(self) -> None:
        """Make indexes and run migrations."""
        for collection in (self.join_tokens, self.nodes):
            await collection.ensure()

    async def node(self, node_id: str, session: Session | None = None) -> NodeDocument | None:
        """The device with this id, or None."""
        return await self.nodes.find_one(scope="-", node_id=node_id, session=session)

    async def online_nodes(self) -> list[NodeDocument]:
        """All nodes that are written down as ONLINE."""
        return await self.nodes.find_all(scope="-", state=ONLINE)
