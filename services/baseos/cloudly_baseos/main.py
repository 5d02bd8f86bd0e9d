"""Wiring of baseos: settings -> store -> domain -> servicers -> serve."""

from cloudly.baseos.v1 import node_pb2_grpc
from cloudly_kit import jobs, runtime
from cloudly_kit.outbox import Outbox
from cloudly_kit.runtime import Runtime

from cloudly_baseos.config import Settings
from cloudly_baseos.events import PUBLISHES
from cloudly_baseos.jobs import TASKS
from cloudly_baseos.join_tokens import JoinTokens
from cloudly_baseos.nodes import Nodes
from cloudly_baseos.presence import Presence
from cloudly_baseos.servicer import BaseosNodeServicer, JoinTokenServicer
from cloudly_baseos.store import BaseosStore


async def serve(settings: Settings) -> None:
    """Serve the gRPC surface until told to stop."""
    async with Runtime("baseos", settings) as process:
        store = BaseosStore(process.database)
        executions = jobs.Executions(process.database, process.redis, "baseos", TASKS)
        outbox = Outbox(process.database, process.redis, "baseos", PUBLISHES)
        await store.ensure()
        await executions.ensure()
        join_tokens = JoinTokens(store)
        nodes = Nodes(store, join_tokens, Presence(process.redis, settings.heartbeat_seconds))
        process.serve(node_pb2_grpc.add_JoinTokenServiceServicer_to_server, JoinTokenServicer(join_tokens))
        process.serve(
            node_pb2_grpc.add_BaseosNodeServiceServicer_to_server, BaseosNodeServicer(nodes, settings.heartbeat_seconds)
        )
        jobs.serve_jobs(process, executions)
        process.background("outbox", outbox.relay)
        await process.run()


async def build(process: Runtime, settings: Settings) -> Nodes:
    """What the tasks work on, in a worker."""
    store = BaseosStore(process.database)
    await store.ensure()
    return Nodes(store, JoinTokens(store), Presence(process.redis, settings.heartbeat_seconds))


def main() -> None:
    """The gRPC process."""
    runtime.run(serve, Settings, "baseos")


def worker() -> None:
    """The worker process."""
    jobs.run_worker("baseos", Settings, TASKS, build)
