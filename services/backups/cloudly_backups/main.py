"""Wiring of backups: settings -> store -> domain -> servicers -> serve."""

from cloudly.backups.v1 import policy_pb2_grpc
from cloudly_kit import jobs, runtime
from cloudly_kit.outbox import Outbox
from cloudly_kit.runtime import Runtime

from cloudly_backups.config import Settings
from cloudly_backups.due_slots import DueSlots
from cloudly_backups.events import PUBLISHES
from cloudly_backups.jobs import TASKS
from cloudly_backups.policies import Policies
from cloudly_backups.servicer import PolicyServicer
from cloudly_backups.store import BackupsStore


async def serve(settings: Settings) -> None:
    """Serve the gRPC surface until told to stop."""
    async with Runtime("backups", settings) as process:
        store = BackupsStore(process.database)
        executions = jobs.Executions(process.database, process.redis, "backups", TASKS)
        outbox = Outbox(process.database, process.redis, "backups", PUBLISHES)
        await store.ensure()
        await executions.ensure()
        process.serve(policy_pb2_grpc.add_PolicyServiceServicer_to_server, PolicyServicer(Policies(store)))
        jobs.serve_jobs(process, executions)
        process.background("outbox", outbox.relay)
        await process.run()


async def build(process: Runtime, settings: Settings) -> DueSlots:
    """What the tasks work on, in a worker."""
    store = BackupsStore(process.database)
    await store.ensure()
    return DueSlots(store, settings.due_slots_kept_days)


def main() -> None:
    """The gRPC process."""
    runtime.run(serve, Settings, "backups")


def worker() -> None:
    """The worker process."""
    jobs.run_worker("backups", Settings, TASKS, build)
