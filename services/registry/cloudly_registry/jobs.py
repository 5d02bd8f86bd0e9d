"""The regular work of the registry."""

from collections.abc import Sequence
from typing import Any

from cloudly_kit.jobs import Run, Task, task

from cloudly_registry.cleanup import Cleanup


@task(
    "upload-cleanup",
    timeout_seconds=3600,
    description="Removes uploads that nobody went on with, and objects and rows that nothing refers to.",
    category="maintenance",
    schedule="17 * * * *",
)
async def upload_cleanup(run: Run, cleanup: Cleanup) -> dict[str, Any]:
    """Give space back."""

    async def report(done: int, what: str) -> None:
        await run.progress(done, 0, what)

    return dict(await cleanup.run(report))


TASKS: Sequence[Task[Cleanup]] = (upload_cleanup,)
