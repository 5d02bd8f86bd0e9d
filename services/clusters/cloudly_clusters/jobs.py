"""The long and the regular work of clusters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cloudly_kit.errors import DomainError
from cloudly_kit.jobs import Run, Task, task

from cloudly_clusters.pushes import Pushes
from cloudly_clusters.store import ClustersStore
from cloudly_clusters.workloads import Workloads


@dataclass(frozen=True)
class Parts:
    """What the tasks work on."""

    store: ClustersStore
    workloads: Workloads
    pushes: Pushes


@task(
    "ensure-repositories",
    timeout_seconds=300,
    description="Makes registry repositories of workloads that were created while the registry was away.",
    category="maintenance",
    schedule="*/5 * * * *",
)
async def ensure_repositories(run: Run, parts: Parts) -> dict[str, Any]:
    """Make the repositories that are missing; one that fails is tried again at the next time."""
    made = failed = 0
    for cluster_id in await parts.store.cluster_ids():
        for workload in await parts.store.workloads.find_all(scope=cluster_id):
            if workload.image_id:
                continue
            try:
                await parts.workloads.ensure_repository(workload)
                made += 1
            except DomainError as error:
                failed += 1
                await run.log(f"{workload.name}: {error.message}", "warning")
    return {"made": made, "failed": failed}


@task(
    "release-held-pushes",
    timeout_seconds=300,
    description="Rolls out pushes that waited for a signature, where the news of it was lost.",
    category="maintenance",
    schedule="*/5 * * * *",
)
async def release_held_pushes(run: Run, parts: Parts) -> dict[str, Any]:
    """Look again at all that is held back."""
    held = released = 0
    for cluster_id in await parts.store.cluster_ids():
        for workload in await parts.store.workloads.find_all(scope=cluster_id):
            if workload.held is None:
                continue
            held += 1
            try:
                released += await parts.pushes.reconsider(workload.id)
            except DomainError as error:
                await run.log(f"{workload.name}: {error.message}", "warning")
    return {"held": held, "released": released}


TASKS: Sequence[Task[Parts]] = (ensure_repositories, release_held_pushes)
