"""Workloads: the wish, its versions, and the way back to one. Every change of a wish raises the cluster's revision."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog
from cloudly.clusters.v1 import cluster_pb2, workload_pb2
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import FailedPrecondition, InvalidArgument, NotFound, StaleEtag
from cloudly_kit.hints import Hints
from cloudly_kit.ids import new_etag, new_id
from cloudly_kit.resources import timestamp, with_metadata
from cloudly_kit.store import Page, PageRequest, RequestKey, Session
from google.protobuf import json_format

from cloudly_clusters import clusters, observations
from cloudly_clusters.signature_policies import Verifier, why_not_from_elsewhere, why_unsigned
from cloudly_clusters.store import ClusterDocument, ClustersStore, HeldPush, VersionDocument, WorkloadDocument
from cloudly_clusters.wishes import policy_of, wish_from, wish_of

log = structlog.get_logger()

ID_PREFIX_LENGTH = 8
"""Characters of a workload's id in its registry target."""


class Repositories(Verifier, Protocol):
    """What workloads need of the registry."""

    async def ensure(self, repository: str, workload_id: str) -> tuple[str, str]:
        """Make the repository: the image's id and the target."""
        ...


class Workloads:
    """The rules of workloads."""

    def __init__(
        self, store: ClustersStore, hints: Hints, repositories: Repositories, registry_host: str, versions_kept: int
    ) -> None:
        self._store = store
        self._hints = hints
        self._repositories = repositories
        self._registry_host = registry_host
        self._versions_kept = versions_kept

    async def create(self, wish: workload_pb2.Workload, actor: str, request: RequestKey | None) -> WorkloadDocument:
        """Make a workload, with its repository in the registry.

        Raises:
            NotFound: there is no such cluster.
            AlreadyExists: the cluster has a workload of this name.
            InvalidArgument: the wish contradicts itself.
        """
        stored = wish_from(wish)
        id_ = new_id()
        repository = f"workloads/{wish.name}-{id_[:ID_PREFIX_LENGTH]}"

        async def write(session: Session) -> tuple[WorkloadDocument, bool]:
            cluster = await self._store.clusters.get(wish.cluster_id, session=session)
            made = WorkloadDocument(
                id=id_,
                scope=wish.cluster_id,
                name=wish.name,
                labels=dict(wish.labels),
                wish_etag=new_etag(),
                wish=stored,
                repository=repository,
                registry_target=f"{self._registry_host}/{repository}",
            )
            await self._check_policies(cluster, None, made)
            made = observations.with_status(made, cluster_pb2.AgentState.Value(cluster.agent_state))
            inserted, repeated = await self._store.workloads.insert(made, request=request, session=session)
            if not repeated:
                await self._write_version(inserted, "created", actor, session)
                await clusters.raise_revision(self._store, wish.cluster_id, session, workloads=1)
            return inserted, repeated

        document, _ = await self._store.database.transaction(write)
        crashpoint("workloads.create.after_write")
        await self._hints.publish(clusters.HINT, document.scope)
        if not document.image_id:
            document = await self.ensure_repository(document)
        log.info("workload.created", workload=document.id, cluster=document.scope, name=document.name)
        return document

    async def ensure_repository(self, document: WorkloadDocument) -> WorkloadDocument:
        """Have the registry make the workload's repository; repeated by a job where a crash came in between."""
        image_id, _ = await self._repositories.ensure(document.repository, document.id)
        return await self._store.workloads.change(
            document.id, lambda found: found.model_copy(update={"image_id": image_id})
        )

    async def get(self, workload_id: str) -> WorkloadDocument:
        """One workload.

        Raises:
            NotFound: there is none with this id.
        """
        return await self._store.workloads.get(workload_id)

    async def list(self, cluster_id: str, request: PageRequest) -> Page[WorkloadDocument]:
        """A page of workloads, of one cluster or of all."""
        scopes = [cluster_id] if cluster_id else await self._store.cluster_ids()
        return await self._store.workloads.page(scopes, request)

    async def update(
        self,
        workload_id: str,
        change: Callable[[workload_pb2.Workload], workload_pb2.Workload],
        etag: str,
        actor: str,
    ) -> WorkloadDocument:
        """Change the wish by `change`, which gets the present one and answers the new one.

        Raises:
            StaleEtag: somebody changed it since `etag`.
            InvalidArgument: the new wish contradicts itself, or signature policies do not let its image run.
        """

        def mutate(found: WorkloadDocument) -> WorkloadDocument:
            if etag and etag != found.wish_etag:
                raise StaleEtag("workload", workload_id, found.wish_etag)
            present = wish_of(found)
            present.id, present.name, present.cluster_id = found.id, found.name, found.scope
            wished = change(present)
            return found.model_copy(
                update={"name": wished.name, "labels": dict(wished.labels), "wish": wish_from(wished)}
            )

        return await self._new_generation(workload_id, mutate, "updated", actor)

    async def delete(self, workload_id: str, etag: str) -> None:
        """Delete the workload; the agent stops and removes what runs.

        Raises:
            NotFound: there is no such workload.
            StaleEtag: somebody changed it since `etag`.
        """
        found = await self._store.workloads.get(workload_id)
        if etag and etag != found.wish_etag:
            raise StaleEtag("workload", workload_id, found.wish_etag)

        async def write(session: Session) -> None:
            await self._store.workloads.delete(workload_id, session=session)
            await clusters.raise_revision(self._store, found.scope, session, workloads=-1)

        await self._store.database.transaction(write)
        await self._hints.publish(clusters.HINT, found.scope)
        for version in await self._store.versions.find_all(scope=workload_id):
            await self._store.versions.delete(version.id)
        log.info("workload.deleted", workload=workload_id, cluster=found.scope)

    async def rollback(self, workload_id: str, generation: int, etag: str, actor: str) -> WorkloadDocument:
        """Wish an earlier version again, whole: image and settings.

        Raises:
            NotFound: the workload has no such version.
            FailedPrecondition: there is no earlier version, or the signature policy of now does not let it run.
            StaleEtag: somebody changed it since `etag`.
        """
        found = await self._store.workloads.get(workload_id)
        versions = sorted(await self._store.versions.find_all(scope=workload_id), key=lambda version: version.number)
        present = next((v for v in versions if v.number == found.generation), None)
        if generation == 0:
            earlier = [v for v in versions if v.number < found.generation and not _same(v, present)]
            if not earlier:
                raise FailedPrecondition("the workload has no earlier version to go back to")
            target = earlier[-1]
        else:
            matching = [v for v in versions if v.number == generation]
            if not matching:
                raise NotFound("version", f"{workload_id}/{generation}")
            target = matching[0]
        await self._check_signature(found, target)

        def mutate(document: WorkloadDocument) -> WorkloadDocument:
            if etag and etag != document.wish_etag:
                raise StaleEtag("workload", workload_id, document.wish_etag)
            return document.model_copy(
                update={
                    "wish": _with_policy_of(document.wish, target.wish),
                    "labels": target.labels,
                    "image_digest": target.image_digest,
                    "image_tag": target.image_tag,
                }
            )

        return await self._new_generation(workload_id, mutate, f"rolled back to {target.number}", actor)

    async def _check_signature(self, document: WorkloadDocument, target: VersionDocument) -> None:
        cluster = await self._store.clusters.get(document.scope)
        image, reason = target.wish.get("image", ""), ""
        if image and policy_of(document).required:
            reason = "it comes from elsewhere, and its signature cannot be verified here"
        elif image:
            reason = why_not_from_elsewhere(cluster, image)
        elif target.image_digest:
            reason = await why_unsigned(self._repositories, cluster, document, target.image_digest)
        if reason:
            raise FailedPrecondition(f"signature policies do not let that version's image run: {reason}")

    async def _check_policies(
        self, cluster: ClusterDocument, before: WorkloadDocument | None, wished: WorkloadDocument
    ) -> None:
        """Refuse an image that a wish newly brings to the cluster against its policy; pushes are asked of on their way.

        Raises:
            InvalidArgument: it may not run there.
        """
        image, previous = wished.wish.get("image", ""), before.wish.get("image", "") if before else ""
        reason = ""
        if image and image != previous:
            reason = why_not_from_elsewhere(cluster, image)
        elif previous and not image and wished.image_digest:
            # Back to what was pushed before.
            reason = await why_unsigned(self._repositories, cluster, wished, wished.image_digest)
        if reason:
            raise InvalidArgument.of(("workload.image", reason))

    async def list_versions(self, workload_id: str, request: PageRequest) -> Page[VersionDocument]:
        """A page of a workload's versions, newest first."""
        await self._store.workloads.get(workload_id)
        return await self._store.versions.page([workload_id], request)

    async def set_image(
        self, workload_id: str, image: Callable[[WorkloadDocument], str], cause: str, actor: str
    ) -> WorkloadDocument:
        """Wish for the image from elsewhere that `image` names for the present document. Raises NotFound."""

        def mutate(found: WorkloadDocument) -> WorkloadDocument:
            return found.model_copy(update={"wish": {**found.wish, "image": image(found)}})

        return await self._new_generation(workload_id, mutate, cause, actor)

    async def push(
        self, workload_id: str, tag: str, digest: str, actor: str, session: Session
    ) -> WorkloadDocument | None:
        """Roll out what was pushed, in the transaction of the event; None where it changes nothing."""

        def mutate(found: WorkloadDocument) -> WorkloadDocument:
            return found.model_copy(update={"image_tag": tag, "image_digest": digest, "held": None})

        return await self._write_generation(workload_id, mutate, f"pushed {tag}", actor, session)

    async def hold(self, workload_id: str, held: HeldPush | None, session: Session) -> WorkloadDocument:
        """Write down what is not rolled out, and why, or that there is nothing of the kind; the wish is as it was."""
        found = await self._store.workloads.get(workload_id, session=session)
        cluster = await self._store.clusters.get(found.scope, session=session)
        state = cluster_pb2.AgentState.Value(cluster.agent_state)

        def mutate(document: WorkloadDocument) -> WorkloadDocument | None:
            if document.held == held:
                return None
            return observations.with_status(document.model_copy(update={"held": held}), state)

        return await self._store.workloads.change(workload_id, mutate, session=session)

    async def _new_generation(
        self, workload_id: str, mutate: Callable[[WorkloadDocument], WorkloadDocument], cause: str, actor: str
    ) -> WorkloadDocument:
        async def write(session: Session) -> WorkloadDocument | None:
            return await self._write_generation(workload_id, mutate, cause, actor, session)

        document = await self._store.database.transaction(write)
        crashpoint("workloads.update.after_write")
        if document is None:
            return await self._store.workloads.get(workload_id)
        await self._hints.publish(clusters.HINT, document.scope)
        await self._forget_old_versions(workload_id)
        log.info("workload.changed", workload=workload_id, generation=document.generation, cause=cause)
        return document

    async def _write_generation(
        self,
        workload_id: str,
        mutate: Callable[[WorkloadDocument], WorkloadDocument],
        cause: str,
        actor: str,
        session: Session,
    ) -> WorkloadDocument | None:
        found = await self._store.workloads.get(workload_id, session=session)
        wished = mutate(found)
        if wished == found:
            return None
        cluster: ClusterDocument = await clusters.raise_revision(self._store, found.scope, session)
        await self._check_policies(cluster, found, wished)
        state = cluster_pb2.AgentState.Value(cluster.agent_state)

        def grow(document: WorkloadDocument) -> WorkloadDocument:
            news = {"generation": document.generation + 1, "wish_etag": new_etag(), "agent_error": ""}
            return observations.with_status(mutate(document).model_copy(update=news), state)

        wished = await self._store.workloads.change(workload_id, grow, session=session)
        await self._write_version(wished, cause, actor, session)
        return wished

    async def _write_version(self, document: WorkloadDocument, cause: str, actor: str, session: Session) -> None:
        await self._store.versions.insert(
            VersionDocument(
                id=f"{document.id}-{document.generation:08d}",
                scope=document.id,
                number=document.generation,
                cause=cause,
                actor=actor,
                wish=document.wish,
                labels=document.labels,
                image_digest=document.image_digest,
                image_tag=document.image_tag,
            ),
            session=session,
        )

    async def _forget_old_versions(self, workload_id: str) -> None:
        versions = sorted(await self._store.versions.find_all(scope=workload_id), key=lambda version: version.number)
        for version in versions[: -self._versions_kept]:
            await self._store.versions.delete(version.id)


def _same(version: VersionDocument, present: VersionDocument | None) -> bool:
    return present is not None and (version.wish, version.image_digest) == (present.wish, present.image_digest)


def _with_policy_of(present: Mapping[str, Any], wish: Mapping[str, Any]) -> dict[str, Any]:
    """An earlier wish under the signature policy of now: going back must not be a way around it."""
    policy = {"signature_policy": present["signature_policy"]} if "signature_policy" in present else {}
    return {**{name: value for name, value in wish.items() if name != "signature_policy"}, **policy}


def to_message(document: WorkloadDocument) -> workload_pb2.Workload:
    """The workload as clients see it."""
    message = wish_of(document)
    message.labels.clear()
    message.name = document.name
    message.cluster_id = document.scope
    message.registry_target = document.registry_target
    message.image_digest = document.image_digest
    message.image_tag = document.image_tag
    if document.held is not None:
        message.held_image.CopyFrom(workload_pb2.HeldImage(**document.held.model_dump()))
    message.generation = document.generation
    json_format.ParseDict(document.status, message.status, ignore_unknown_fields=True)
    return with_metadata(message, document, etag=document.wish_etag)


def version_to_message(document: VersionDocument) -> workload_pb2.WorkloadVersion:
    """A version as clients see it."""
    wish = wish_of(document)
    wish.image_digest = document.image_digest
    wish.image_tag = document.image_tag
    wish.generation = document.number
    return workload_pb2.WorkloadVersion(
        generation=document.number,
        create_time=timestamp(document.create_time),
        cause=document.cause,
        actor=document.actor,
        workload=wish,
    )
