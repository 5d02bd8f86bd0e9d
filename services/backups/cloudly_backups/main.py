"""Wiring of backups: settings -> store -> domain -> servicers -> serve."""

from cloudly.backups.v1 import policy_pb2_grpc, target_pb2_grpc
from cloudly_kit import jobs
from cloudly_kit.outbox import Outbox
from cloudly_kit.runtime import Runtime, run

from cloudly_backups.config import Settings
from cloudly_backups.due_slots import DueSlots
from cloudly_backups.events import PUBLISHES
from cloudly_backups.jobs import TASKS
from cloudly_backups.policies import Policies
from cloudly_backups.servicer import PolicyServicer, TargetServicer
from cloudly_backups.store import BackupsStore
from cloudly_backups.targets import Targets

NAME = "backups"


async def serve(settings: Settings) -> None:
    """Serve the gRPC surface until told to stop."""
    async with Runtime(NAME, settings) as runtime:
        store = BackupsStore(runtime.database)
        executions = jobs.Executions(runtime.database, runtime.redis, NAME, TASKS)
        outbox = Outbox(runtime.database, runtime.redis, NAME, PUBLISHES)
        await store.ensure()
        await executions.ensure()
        runtime.serve(policy_pb2_grpc.add_PolicyServiceServicer_to_server, PolicyServicer(Policies(store)))
        runtime.serve(target_pb2_grpc.add_TargetServiceServicer_to_server, TargetServicer(Targets(settings)))
        jobs.serve_jobs(runtime, executions)
        runtime.background("outbox", outbox.relay)
        await runtime.run()


async def build(runtime: Runtime, settings: Settings) -> DueSlots:
    """What the tasks work on, in a worker."""
    store = BackupsStore(runtime.database)
    await store.ensure()
    return DueSlots(store, settings.due_slots_kept_days)


def main() -> None:
    """The gRPC process."""
    run(serve, Settings, NAME)


def worker() -> None:
    """The worker process."""
    jobs.run_worker(NAME, Settings, TASKS, build)
