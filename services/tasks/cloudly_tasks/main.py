"""Wiring of tasks: settings -> store -> domain -> servicers -> serve."""

from cloudly.executions.v1 import execution_pb2_grpc
from cloudly.tasks.v1 import task_pb2_grpc
from cloudly_kit import jobs
from cloudly_kit.config import SERVICES
from cloudly_kit.outbox import Outbox
from cloudly_kit.runtime import Runtime, run

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

NAME = "tasks"


async def serve(settings: Settings) -> None:
    """Serve the gRPC surface until told to stop."""
    async with Runtime(NAME, settings) as runtime:
        executions = jobs.Executions(runtime.database, runtime.redis, NAME, TASKS)
        outbox = Outbox(runtime.database, runtime.redis, NAME, PUBLISHES)
        await TasksStore(runtime.database).ensure()
        await executions.ensure()
        own = OwnTasks(NAME, jobs.TaskServicer(executions), jobs.ExecutionServicer(executions))
        owners: dict[str, Owner] = {
            name: own if name == own.name else RemoteOwner(name, runtime.channel(name)) for name in SERVICES
        }
        runtime.serve(task_pb2_grpc.add_TaskServiceServicer_to_server, TaskServicer(Tasks(owners)))
        runtime.serve(
            execution_pb2_grpc.add_ExecutionServiceServicer_to_server, ExecutionServicer(AllExecutions(owners))
        )
        runtime.background("outbox", outbox.relay)
        runtime.background("upkeep", jobs.Upkeep(executions).run)
        await runtime.run()


async def build(runtime: Runtime, settings: Settings) -> HealthChecks:
    """What the tasks work on, in a worker."""
    store = TasksStore(runtime.database)
    await store.ensure()
    return HealthChecks(store, HealthProbe(runtime.channel, settings.health_check_seconds), SERVICES)


def main() -> None:
    """The gRPC process."""
    run(serve, Settings, NAME)


def worker() -> None:
    """The worker process."""
    jobs.run_worker(NAME, Settings, TASKS, build)
