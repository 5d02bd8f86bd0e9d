"""Wiring of clusters: settings, stores, domain, servicers, serve."""

from cloudly.clusters.v1 import (
    announcement_pb2_grpc,
    cluster_pb2_grpc,
    deployment_pb2_grpc,
    node_pb2_grpc,
    provider_pb2_grpc,
    workload_pb2_grpc,
)
from cloudly.coreflow.v1 import coreflow_pb2_grpc
from cloudly_kit.events import EventReader
from cloudly_kit.jobs import Executions, run_worker, serve_jobs
from cloudly_kit.runtime import Runtime, run
from cloudly_kit.settings_view import SettingsView

from cloudly_clusters import events
from cloudly_clusters.announcements import Announcements
from cloudly_clusters.clusters import Clusters
from cloudly_clusters.config import Settings
from cloudly_clusters.external_logins import ExternalLogins
from cloudly_clusters.jobs import TASKS, Parts
from cloudly_clusters.observations import Observations
from cloudly_clusters.offline import OfflineSweep
from cloudly_clusters.peers import AuthPeer, RegistryPeer
from cloudly_clusters.pins import Pins
from cloudly_clusters.providers import Providers, ProviderUrls
from cloudly_clusters.pushes import Pushes
from cloudly_clusters.servicers import (
    AnnouncementServicer,
    ClusterServicer,
    CoreflowServicer,
    DeploymentServicer,
    NodeServicer,
    ProviderServicer,
    WorkloadServicer,
)
from cloudly_clusters.store import ClustersStore
from cloudly_clusters.streams import Streams
from cloudly_clusters.workloads import Workloads

NAME = "clusters"


async def serve(settings: Settings) -> None:
    """Serve gRPC until told to stop."""
    async with Runtime(NAME, settings) as runtime:
        store = ClustersStore(runtime.database)
        await store.ensure()
        auth = AuthPeer(runtime.channel("auth"), settings.registry_host)
        registry = RegistryPeer(runtime.channel("registry"))
        clusters = Clusters(store, runtime.hints, auth)
        workloads = Workloads(store, runtime.hints, registry, settings.registry_host, settings.versions_kept)
        observations = Observations(store)
        streams = Streams(
            store,
            observations,
            runtime.redis,
            runtime.hints,
            auth,
            ExternalLogins(registry, settings.registry_host),
            runtime.journal,
            heartbeat_seconds=settings.heartbeat_seconds,
            lease_seconds=settings.lease_seconds,
        )
        pushes = Pushes(store, workloads, runtime.hints, registry)
        executions = Executions(runtime.database, runtime.redis, NAME, TASKS)
        await executions.ensure()

        runtime.serve(cluster_pb2_grpc.add_ClusterServiceServicer_to_server, ClusterServicer(clusters, pushes, store))
        runtime.serve(
            workload_pb2_grpc.add_WorkloadServiceServicer_to_server, WorkloadServicer(workloads, pushes, store)
        )
        announcements = Announcements(store, workloads, pushes, registry, settings.registry_host)
        runtime.serve(
            announcement_pb2_grpc.add_AnnouncementServiceServicer_to_server, AnnouncementServicer(announcements)
        )
        runtime.serve(
            deployment_pb2_grpc.add_DeploymentServiceServicer_to_server, DeploymentServicer(observations, store)
        )
        runtime.serve(node_pb2_grpc.add_NodeServiceServicer_to_server, NodeServicer(observations))
        runtime.serve(
            coreflow_pb2_grpc.add_CoreflowServiceServicer_to_server,
            CoreflowServicer(streams, settings.lease_seconds),
        )
        view = SettingsView(NAME, runtime.channel("auth"), runtime.hints)
        providers = Providers(view, ProviderUrls(settings.hetzner_url, settings.cloudflare_url))
        runtime.serve(provider_pb2_grpc.add_ProviderServiceServicer_to_server, ProviderServicer(providers))
        serve_jobs(runtime, executions)

        handlers = events.handlers(pushes, view)
        runtime.background("settings", view.run)
        runtime.background("pushes", pushes.run)
        for source in events.HEARS:
            reader = EventReader(
                runtime.database, runtime.redis, source=source, group=NAME, handlers=handlers, journal=runtime.journal
            )
            runtime.background(f"events-{source}", reader.run)
        runtime.background("streams", streams.listen)
        runtime.background("external-logins", streams.listen_for_logins)
        runtime.background("pins", Pins(store, runtime.hints, registry).run)
        sweep = OfflineSweep(store, observations, runtime.redis, runtime.journal, settings.heartbeat_seconds)
        runtime.background("offline-sweep", sweep.run)
        runtime.on_drain(streams.drain)
        await runtime.run()


async def parts(runtime: Runtime, settings: Settings) -> Parts:
    """What the tasks work on."""
    store = ClustersStore(runtime.database)
    registry = RegistryPeer(runtime.channel("registry"))
    workloads = Workloads(store, runtime.hints, registry, settings.registry_host, settings.versions_kept)
    pushes = Pushes(store, workloads, runtime.hints, registry)
    runtime.background("pushes", pushes.run)
    return Parts(store, workloads, pushes)


def main() -> None:
    """The gRPC process."""
    run(serve, Settings, NAME)


def worker() -> None:
    """The worker process."""
    run_worker(NAME, Settings, TASKS, parts)
