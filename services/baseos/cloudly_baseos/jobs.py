"""The tasks of baseos: thin, each loads, calls the domain, records."""

from datetime import UTC, datetime

from cloudly_kit.jobs import Run, Task, task
from cloudly_kit.jobs.task import Result

from cloudly_baseos.nodes import Nodes


@task(
    "mark-offline-nodes",
    timeout_seconds=300,
    description="Marks devices as offline whose heartbeats stay away.",
    category="baseos",
    schedule="* * * * *",
)
async def mark_offline_nodes(run: Run, nodes: Nodes) -> Result:
    """Sweep nodes whose heartbeat is late."""
    gone = await nodes.mark_offline(datetime.now(UTC))
    for node in gone:
        await run.log(f"{node.name} ({node.node_id}) is offline", "warning")
    return {"offline": len(gone)}


TASKS: tuple[Task[Nodes], ...] = (mark_offline_nodes,)
