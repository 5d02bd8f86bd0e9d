"""Deploy-on-push: what the registry tells of a moved tag becomes a new generation of the workload whose target it is."""

import asyncio
import re
from dataclasses import dataclass
from enum import Enum, auto

import structlog
from cloudly.registry.v1 import push_pb2, referrer_pb2
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.hints import Hints
from cloudly_kit.store import Session

from cloudly_clusters import clusters
from cloudly_clusters.signature_policies import Verifier, why_unsigned
from cloudly_clusters.store import ClustersStore, HeldPush, WorkloadDocument
from cloudly_clusters.workloads import Workloads

log = structlog.get_logger()

_SIGNATURE_TAG = re.compile(r"(sha256|sha512)-([0-9a-f]{64,128})(?:\.(?:sig|att|sbom))?")
"""Tags under which cosign, and clients of registries without referrers, keep what belongs to a digest: nothing to run."""


SWITCHED_OFF = "deploy_on_push is off"


class Outcome(Enum):
    """What becomes of a new version at a workload."""

    DEPLOYED = auto()
    UNCHANGED = auto()
    HELD = auto()
    SKIPPED = auto()


@dataclass(frozen=True)
class Taken:
    """What became of it, and why it is held or skipped."""

    outcome: Outcome
    reason: str = ""


class Pushes:
    """Rolls out pushes; those that a signature policy does not let through wait for their signature."""

    def __init__(self, store: ClustersStore, workloads: Workloads, hints: Hints, signatures: Verifier) -> None:
        self._store = store
        self._workloads = workloads
        self._hints = hints
        self._signatures = signatures
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
        signed = _SIGNATURE_TAG.fullmatch(push.tag)
        if signed:
            # cosign's order: the image first, its signature, under a tag of its own, afterwards.
            await self._signed(workload, f"{signed[1]}:{signed[2]}", session)
            return
        await self.take(
            workload, HeldPush(digest=push.digest, tag=push.tag, pushed_by=push.pushed_by, reason=""), session
        )

    async def take(self, workload: WorkloadDocument, push: HeldPush, session: Session) -> Taken:
        """Roll out what is new in a workload's own repository, hold it back, or leave it, as the workload wishes."""
        refusal = _why_not(workload, push.tag)
        if refusal:
            log.info("push.not_deployed", workload=workload.id, tag=push.tag, digest=push.digest, reason=refusal)
            return Taken(Outcome.SKIPPED, refusal)
        return await self._admit(workload, push, session)

    async def referrer_pushed(self, pushed: referrer_pb2.ReferrerPushed, session: Session) -> None:
        """Take in that something refers to an image: perhaps the signature that its rollout waits for."""
        workload = await self._store.workload_of_repository(pushed.repository)
        if workload is not None:
            await self._signed(workload, pushed.subject, session)

    async def reconsider(self, workload_id: str) -> bool:
        """Look again at what a workload holds back, after its policy has changed or news may have been lost; whether it
        is rolled out now. Raises NotFound.
        """

        async def work(session: Session) -> bool:
            workload = await self._store.workloads.get(workload_id, session=session)
            if workload.held is None:
                return False
            return (await self._admit(workload, workload.held, session)).outcome is Outcome.DEPLOYED

        return await self._store.database.transaction(work)

    async def reconsider_all(self, cluster_id: str) -> None:
        """Look again at all that the workloads of a cluster hold back."""
        for workload in await self._store.workloads.find_all(scope=cluster_id):
            if workload.held is not None:
                await self.reconsider(workload.id)

    async def _signed(self, workload: WorkloadDocument, digest: str, session: Session) -> None:
        if workload.held is not None and workload.held.digest == digest:
            await self._admit(workload, workload.held, session)

    async def _admit(self, workload: WorkloadDocument, push: HeldPush, session: Session) -> Taken:
        """Roll a push out, or hold it back."""
        cluster = await self._store.clusters.get(workload.scope, session=session)
        reason = await why_unsigned(self._signatures, cluster, workload, push.digest)
        if reason:
            await self._workloads.hold(workload.id, push.model_copy(update={"reason": reason}), session)
            log.info("push.held_back", workload=workload.id, tag=push.tag, digest=push.digest, reason=reason)
            return Taken(Outcome.HELD, reason)
        changed = await self._workloads.push(workload.id, push.tag, push.digest, push.pushed_by, session)
        crashpoint("clusters.push.before_commit")
        if changed is None:
            return Taken(Outcome.UNCHANGED)
        session.after_commit(lambda: self._committed.put_nowait(changed.scope))
        log.info("push.deployed", workload=workload.id, tag=push.tag, digest=push.digest, generation=changed.generation)
        return Taken(Outcome.DEPLOYED)


def follows_another_tag(workload: WorkloadDocument, tag: str) -> str:
    """Why a new version is not for a workload by its tag; empty where it is."""
    followed = workload.wish.get("tag", "")
    return f"the workload follows the tag {followed}" if followed and followed != tag else ""


def _why_not(workload: WorkloadDocument, tag: str) -> str:
    if workload.wish.get("image"):
        return "the workload runs an image from elsewhere"
    other = follows_another_tag(workload, tag)
    if other:
        return other
    # The very first image is what the workload waits for; later ones are rolled out unless that is switched off.
    if workload.image_digest and workload.wish.get("deploy_on_push") is False:
        return SWITCHED_OFF
    return ""
