"""Deploy-on-push: what the registry tells of a moved tag becomes a new generation of the workload whose target it is."""

import asyncio
import re
from collections.abc import Sequence
from typing import Protocol

import structlog
from cloudly.registry.v1 import push_pb2, referrer_pb2
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import NotFound
from cloudly_kit.hints import Hints
from cloudly_kit.store import Session

from cloudly_clusters import clusters
from cloudly_clusters.store import ClustersStore, HeldPush, WorkloadDocument
from cloudly_clusters.wishes import policy_of
from cloudly_clusters.workloads import Workloads

log = structlog.get_logger()

_SIGNATURE_TAG = re.compile(r"(sha256|sha512)-([0-9a-f]{64,128})(?:\.(?:sig|att|sbom))?")
"""Tags under which cosign, and clients of registries without referrers, keep what belongs to a digest: nothing to run."""


class Signatures(Protocol):
    """What pushes need of the registry."""

    async def verify(self, image_id: str, digest: str, public_keys: Sequence[str]) -> str:
        """Why none of the keys has signed a digest; empty where one has. Raises NotFound where the digest is gone."""
        ...


class Pushes:
    """Rolls out pushes; those that a workload's signature policy does not let through wait for their signature."""

    def __init__(self, store: ClustersStore, workloads: Workloads, hints: Hints, signatures: Signatures) -> None:
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
        refusal = _why_not(workload, push)
        if refusal:
            log.info("push.not_deployed", workload=workload.id, tag=push.tag, digest=push.digest, reason=refusal)
            return
        await self._admit(
            workload, HeldPush(digest=push.digest, tag=push.tag, pushed_by=push.pushed_by, reason=""), session
        )

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
            return workload.held is not None and await self._admit(workload, workload.held, session)

        return await self._store.database.transaction(work)

    async def _signed(self, workload: WorkloadDocument, digest: str, session: Session) -> None:
        if workload.held is not None and workload.held.digest == digest:
            await self._admit(workload, workload.held, session)

    async def _admit(self, workload: WorkloadDocument, push: HeldPush, session: Session) -> bool:
        """Roll a push out, or hold it back."""
        reason = await self._unsigned(workload, push.digest)
        if reason:
            await self._workloads.hold(workload.id, push.model_copy(update={"reason": reason}), session)
            log.info("push.held_back", workload=workload.id, tag=push.tag, digest=push.digest, reason=reason)
            return False
        changed = await self._workloads.push(workload.id, push.tag, push.digest, push.pushed_by, session)
        crashpoint("clusters.push.before_commit")
        if changed is None:
            return False
        session.after_commit(lambda: self._committed.put_nowait(changed.scope))
        log.info("push.deployed", workload=workload.id, tag=push.tag, digest=push.digest, generation=changed.generation)
        return True

    async def _unsigned(self, workload: WorkloadDocument, digest: str) -> str:
        """Why the workload's policy does not let a digest run; empty where it does."""
        policy = policy_of(workload)
        if not policy.required:
            return ""
        try:
            return await self._signatures.verify(workload.image_id, digest, policy.public_keys)
        except NotFound:
            return "it is not in the registry any more"


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
