"""Deploy-on-push: what the registry tells of a moved tag becomes a new generation of the workload whose target it is."""

import asyncio

import structlog
from cloudly.registry.v1 import push_pb2
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.hints import Hints
from cloudly_kit.store import Session

from cloudly_clusters import clusters
from cloudly_clusters.store import ClustersStore, WorkloadDocument
from cloudly_clusters.workloads import Workloads

log = structlog.get_logger()


class Pushes:
    """Rolls out pushes."""

    def __init__(self, store: ClustersStore, workloads: Workloads, hints: Hints) -> None:
        self._store = store
        self._workloads = workloads
        self._hints = hints
        self._committed: asyncio.Queue[str] = asyncio.Queue()

    async def run(self) -> None:
        """Hint at clusters whose revision a push has raised, once that is committed: earlier nobody would see it."""
        while True:
            await self._hints.publish(clusters.HINT, await self._committed.get())

    async def image_pushed(self, push: push_pb2.ImagePushed, session: Session) -> None:
        """Take in one push, in the transaction that remembers the event."""
        workload = await self._store.workload_of_repository(push.repository)
        if workload is None:
            return
        refusal = _why_not(workload, push)
        if refusal:
            log.info("push.not_deployed", workload=workload.id, tag=push.tag, digest=push.digest, reason=refusal)
            return
        changed = await self._workloads.push(workload.id, push.tag, push.digest, push.pushed_by, session)
        crashpoint("clusters.push.before_commit")
        if changed is None:
            return
        session.after_commit(lambda: self._committed.put_nowait(changed.scope))
        log.info("push.deployed", workload=workload.id, tag=push.tag, digest=push.digest, generation=changed.generation)


def _why_not(workload: WorkloadDocument, push: push_pb2.ImagePushed) -> str:
    if workload.wish.get("image"):
        return "the workload runs an image from elsewhere"
    followed = workload.wish.get("tag", "")
    if followed and followed != push.tag:
        return f"the workload follows the tag {followed}"
    # The very first image is what the workload waits for; later ones are rolled out unless that is switched off.
    if workload.image_digest and workload.wish.get("deploy_on_push") is False:
        return "deploy_on_push is off"
    return ""
