"""Announcements: what another system tells of a new version becomes the wish of the workloads that follow the image.

A workload follows the repository that its wish names, or its registry target. The registry is asked for the digest, and the
digest is what is wished for: an announcement that comes twice changes nothing, one of a tag that was moved rolls out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from cloudly_kit.errors import InvalidArgument, NotFound
from cloudly_kit.store import Session

from cloudly_clusters.image_names import ImageName
from cloudly_clusters.pushes import SWITCHED_OFF, Outcome, Pushes, Taken, follows_another_tag
from cloudly_clusters.store import ClustersStore, HeldPush, WorkloadDocument
from cloudly_clusters.workloads import Workloads

log = structlog.get_logger()


class Resolver(Protocol):
    """What announcements need of the registry."""

    async def resolve(self, server: str, repository: str, tag: str) -> str:
        """The digest that a tag leads to. Raises NotFound, FailedPrecondition."""
        ...


@dataclass(frozen=True)
class Rollout:
    """What an announcement came to at a workload."""

    workload: WorkloadDocument
    taken: Taken


class Announcements:
    """Finds who follows an image, and rolls new versions out there."""

    def __init__(
        self, store: ClustersStore, workloads: Workloads, pushes: Pushes, resolver: Resolver, registry_host: str
    ) -> None:
        self._store = store
        self._workloads = workloads
        self._pushes = pushes
        self._resolver = resolver
        self._registry_host = registry_host

    async def followers(self, image: ImageName) -> list[WorkloadDocument]:
        """The workloads that follow an image, by their names.

        Raises:
            NotFound: there are none.
        """
        found = [
            workload
            async for workload in self._store.workloads_of_images_from_elsewhere()
            if ImageName.of(workload.wish["image"]).place == image.place
        ]
        if image.server == self._registry_host:
            own = await self._store.workload_of_repository(image.repository)
            if own is not None and own.id not in {workload.id for workload in found}:
                found.append(own)
        if not found:
            raise NotFound("workload that runs the image", f"{image.server}/{image.repository}")
        return sorted(found, key=lambda workload: (workload.name, workload.id))

    async def announce(
        self, image: ImageName, followers: Sequence[WorkloadDocument], actor: str
    ) -> tuple[str, list[Rollout]]:
        """Roll a version out to those who follow it: its digest, and what it came to at each.

        Raises:
            InvalidArgument: the image has no tag, or has a digest.
            NotFound: its registry has no such tag.
            FailedPrecondition: its registry could not be asked.
        """
        if not image.tag or image.digest:
            raise InvalidArgument.of(("image", "must have a tag and no digest, such as registry.example.com/web:1.4.2"))
        digest = await self._resolver.resolve(image.server, image.repository, image.tag)
        rollouts = []
        for workload in followers:
            if workload.wish.get("image"):
                taken = await self._from_elsewhere(workload.id, image, digest, actor)
            else:
                taken = await self._own(workload.id, image.tag, digest, actor)
            rollouts.append(Rollout(workload, taken))
            log.info("image.announced", workload=workload.id, tag=image.tag, digest=digest, outcome=taken.outcome.name)
        return digest, rollouts

    async def _own(self, workload_id: str, tag: str, digest: str, actor: str) -> Taken:
        async def work(session: Session) -> Taken:
            workload = await self._store.workloads.get(workload_id, session=session)
            return await self._pushes.take(
                workload, HeldPush(digest=digest, tag=tag, pushed_by=actor, reason=""), session
            )

        return await self._store.database.transaction(work)

    async def _from_elsewhere(self, workload_id: str, image: ImageName, digest: str, actor: str) -> Taken:
        taken = Taken(Outcome.UNCHANGED)

        def wished(document: WorkloadDocument) -> str:
            nonlocal taken
            present: str = document.wish.get("image", "")
            refusal = _why_not(document, image)
            if refusal:
                taken = Taken(Outcome.SKIPPED, refusal)
                return present
            new = f"{ImageName.of(present).written}:{image.tag}@{digest}"
            taken = Taken(Outcome.UNCHANGED if new == present else Outcome.DEPLOYED)
            return new

        try:
            await self._workloads.set_image(workload_id, wished, f"announced {image.tag}", actor)
        except InvalidArgument as error:
            # The cluster's signature policy.
            return Taken(Outcome.SKIPPED, error.message)
        return taken


def _why_not(workload: WorkloadDocument, announced: ImageName) -> str:
    present = ImageName.of(workload.wish.get("image", ""))
    if present.place != announced.place:
        return "the workload runs another image by now"
    if present.digest and not present.tag:
        return "the workload's image is pinned by a digest without a tag"
    other = follows_another_tag(workload, announced.tag)
    if other:
        return other
    return SWITCHED_OFF if workload.wish.get("deploy_on_push") is False else ""
