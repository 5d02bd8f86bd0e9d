"""Wiring of baseos: settings -> store -> domain -> servicers -> serve."""

from cloudly.baseos.v1 import corebuild_pb2_grpc, node_pb2_grpc
from cloudly_kit import jobs
from cloudly_kit.events import EventReader
from cloudly_kit.outbox import Outbox
from cloudly_kit.runtime import Runtime, run
from cloudly_kit.settings_view import SettingsView

from cloudly_baseos.config import Settings
from cloudly_baseos.corebuild import CorebuildWorkers
from cloudly_baseos.events import HEARS, PUBLISHES
from cloudly_baseos.jobs import TASKS
from cloudly_baseos.join_tokens import JoinTokens
from cloudly_baseos.nodes import Nodes
from cloudly_baseos.presence import Presence
from cloudly_baseos.servicer import BaseosNodeServicer, CorebuildServicer, JoinTokenServicer
from cloudly_baseos.store import BaseosStore

NAME = "baseos"


async def serve(settings: Settings) -> None:
    """Serve the gRPC surface until told to stop."""
    async with Runtime(NAME, settings) as runtime:
        store = BaseosStore(runtime.database)
        executions = jobs.Executions(runtime.database, runtime.redis, NAME, TASKS)
        outbox = Outbox(runtime.database, runtime.redis, NAME, PUBLISHES)
        await store.ensure()
        await executions.ensure()
        view = SettingsView(NAME, runtime.channel("auth"), runtime.hints)
        join_tokens = JoinTokens(store, view.get)
        nodes = Nodes(store, join_tokens, Presence(runtime.redis, settings.heartbeat_seconds))
        runtime.serve(node_pb2_grpc.add_JoinTokenServiceServicer_to_server, JoinTokenServicer(join_tokens))
        runtime.serve(
            node_pb2_grpc.add_BaseosNodeServiceServicer_to_server,
            BaseosNodeServicer(nodes, runtime.journal, settings.heartbeat_seconds),
        )
        runtime.serve(
            corebuild_pb2_grpc.add_CorebuildServiceServicer_to_server, CorebuildServicer(CorebuildWorkers(view))
        )
        jobs.serve_jobs(runtime, executions)
        runtime.background("outbox", outbox.relay)
        runtime.background("settings", view.run)
        for source in HEARS:
            reader = EventReader(runtime.database, runtime.redis, source=source, group=NAME, handlers=view.handlers())
            runtime.background(f"events-{source}", reader.run)
        await runtime.run()


async def build(runtime: Runtime, settings: Settings) -> Nodes:
    """What the tasks work on, in a worker."""
    store = BaseosStore(runtime.database)
    await store.ensure()
    view = SettingsView(NAME, runtime.channel("auth"), runtime.hints)
    return Nodes(store, JoinTokens(store, view.get), Presence(runtime.redis, settings.heartbeat_seconds))


def main() -> None:
    """The gRPC process."""
    run(serve, Settings, NAME)


def worker() -> None:
    """The worker process."""
    jobs.run_worker(NAME, Settings, TASKS, build)
