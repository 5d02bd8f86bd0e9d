"""The collections of clusters: documents, indexes, queries.

clusters      scope "-"            one a cluster: its name, its agent's state, its revision
workloads     scope cluster id     one a workload: the wish, the digest that should run, how far it is
versions      scope workload id    one a generation of a workload: the wish as it was
deployments   scope cluster id     one a Swarm task, as the agent saw it
nodes         scope cluster id     one a Swarm node, as the agent saw it
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from cloudly_kit.store import Collection, Database, Document, Index
from pydantic import BaseModel


class ClusterDocument(Document):
    """A cluster. `wish_etag` changes only when people change it, so that news of the agent do not disturb them."""

    name: str
    wish_etag: str
    setup_mode: str = "SETUP_MODE_MANUAL"
    identity_id: str = ""
    agent_state: str = "AGENT_STATE_AWAITED"
    agent_state_time: datetime | None = None
    agent_version: str = ""
    epoch: int = 0
    revision: int = 1
    applied_revision: int = 0
    outcome: str = ""
    outcome_reason: str = ""
    outcome_time: datetime | None = None
    node_count: int = 0
    workload_count: int = 0
    signature_policy: dict[str, Any] = {}
    """The proto's JSON (signature_policies.py)."""


class HeldPush(BaseModel):
    """A push that the workload's signature policy does not let through so far."""

    digest: str
    tag: str
    pushed_by: str
    reason: str


class WorkloadDocument(Document):
    """A workload. `generation` (of Document) counts changes of the wish; `wish` is the proto's JSON of what people set."""

    name: str
    wish_etag: str
    wish: dict[str, Any]
    repository: str
    registry_target: str
    image_id: str = ""
    image_digest: str = ""
    image_tag: str = ""
    held: HeldPush | None = None
    """What was pushed and waits for a signature (signing.py)."""
    agent_error: str = ""
    observation: dict[str, Any] | None = None
    status: dict[str, Any] = {}


class VersionDocument(Document):
    """A generation of a workload; never changed."""

    number: int
    cause: str
    actor: str
    wish: dict[str, Any]
    labels: dict[str, str] = {}
    image_digest: str = ""
    image_tag: str = ""


class DeploymentDocument(Document):
    """A Swarm task."""

    name: str
    workload_id: str
    node_id: str = ""
    seen: dict[str, Any]
    finished_time: datetime | None = None


class NodeDocument(Document):
    """A Swarm node; the id is `<cluster id>.<Swarm's id>`."""

    name: str
    seen: dict[str, Any]


class ClustersStore:
    """All collections of clusters."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clusters = Collection(
            database,
            "clusters",
            ClusterDocument,
            kind="cluster",
            indexes=[Index("scope", "name", unique=True)],
            orderable=("name", "create_time"),
            filterable=("name", "agent_state"),
        )
        self.workloads = Collection(
            database,
            "workloads",
            WorkloadDocument,
            kind="workload",
            indexes=[Index("scope", "name", unique=True), Index("repository"), Index("wish.image")],
            orderable=("name", "create_time"),
            filterable=("name",),
        )
        self.versions = Collection(
            database, "versions", VersionDocument, kind="version", orderable=("number",), filterable=()
        )
        self.deployments = Collection(
            database,
            "deployments",
            DeploymentDocument,
            kind="deployment",
            indexes=[Index("scope", "workload_id")],
            orderable=("name", "create_time"),
            filterable=("workload_id", "node_id", "name"),
        )
        self.nodes = Collection(database, "nodes", NodeDocument, kind="node", orderable=("name",), filterable=("name",))

    async def ensure(self) -> None:
        """Make indexes and run migrations."""
        for collection in (self.clusters, self.workloads, self.versions, self.deployments, self.nodes):
            await collection.ensure()

    async def cluster_ids(self) -> list[str]:
        """The ids of all clusters, in the order of their names."""
        return [cluster.id for cluster in await self.clusters.find_all(scope="-")]

    async def workloads_of_images_from_elsewhere(self) -> AsyncIterator[WorkloadDocument]:
        """The workloads that wish for an image that is not pushed to their own repository."""
        async for raw in self.database.raw("workloads").find({"wish.image": {"$gt": ""}, "live": True}):
            yield WorkloadDocument.model_validate(raw)

    async def workload_of_repository(self, repository: str) -> WorkloadDocument | None:
        """The workload whose image is pushed to `repository`."""
        return await self.workloads.find_one(repository=repository)
