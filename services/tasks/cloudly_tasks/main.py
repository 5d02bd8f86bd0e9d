"""Wiring of tasks: settings -> store -> domain -> servicers -> serve."""

from cloudly.executions.v1 import execution_pb2_grpc
from cloudly.tasks.v1 import task_pb2_grpc
from cloudly_kit import jobs, runtime
from cloudly_kit.config import SERVICES
from cloudly_kit.outbox import Outbox
from cloudly_kit.runtime import Runtime

from cloudly_tasks.config import Settings
from cloudly_tasks.events import PUBLISHES
from cloudly_tasks.executions import AllExecutions
from cloudly_tasks.health import HealthChecks
from cloudly_tasks.jobs import TASKS
from cloudly_tasks.owners import Owner, OwnTasks, RemoteOwner
from cloudly_tasks.probes import HealthProbe
from cloudly_tasks.servicer import ExecutionServicer, TaskServicer
from cloudly_tasks.store import TasksStore
from cloudly_tasks.tasks import Tasks


async def serve(settings: Settings) -> None:
    """Serve the gRPC surface until told to stop."""
    async with Runtime("tasks", settings) as process:
        executions = jobs.Executions(process.database, process.redis, "tasks", TASKS)
        outbox = Outbox(process.database, process.redis, "tasks", PUBLISHES)
        await TasksStore(process.database).ensure()
        await executions.ensure()
        own = OwnTasks("tasks", jobs.TaskServicer(executions), jobs.ExecutionServicer(executions))
        owners: dict[str, Owner] = {
            name: own if name == own.name else RemoteOwner(name, process.channel(name)) for name in SERVICES
        }
        process.serve(task_pb2_grpc.add_TaskServiceServicer_to_server, TaskServicer(Tasks(owners)))
        process.serve(
            execution_pb2_grpc.add_ExecutionServiceServicer_to_server, ExecutionServicer(AllExecutions(owners))
        )
        process.background("outbox", outbox.relay)
        process.background("upkeep", jobs.Upkeep(executions).run)
        await process.run()


async def build(process: Runtime, settings: Settings) -> HealthChecks:
    """What the tasks work on, in a worker."""
    store = TasksStore(process.database)
    await store.ensure()
    return HealthChecks(store, HealthProbe(process.channel, settings.health_check_seconds), SERVICES)


def main() -> None:
    """The gRPC process."""
    runtime.run(serve, Settings, "tasks")


def worker() -> None:
    """The worker process."""
    jobs.run_worker("tasks", Settings, TASKS, build)
