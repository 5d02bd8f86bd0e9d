"""Wiring of the registry: settings, stores, domain, the gRPC and the HTTP face, serve."""

import asyncio
from datetime import timedelta

import aiohttp
from cloudly.registry.v1 import (
    external_registry_pb2_grpc,
    image_archive_pb2_grpc,
    image_pb2_grpc,
    image_version_pb2_grpc,
    signature_pb2_grpc,
    webhook_pb2_grpc,
)
from cloudly_kit.events import EventReader
from cloudly_kit.ids import new_id
from cloudly_kit.jobs import Executions, run_worker, serve_jobs
from cloudly_kit.leases import Lease
from cloudly_kit.objects import from_settings
from cloudly_kit.outbox import Outbox
from cloudly_kit.runtime import Runtime, run
from cloudly_kit.sealed_values import SealedValues, serve_sealed_values

from cloudly_registry.archives.exporting import Exporting
from cloudly_registry.archives.importing import Importing
from cloudly_registry.blobs import Blobs
from cloudly_registry.cleanup import Cleanup
from cloudly_registry.collector import Collector
from cloudly_registry.config import Settings
from cloudly_registry.events import PUBLISHES
from cloudly_registry.external_registries import ExternalRegistries
from cloudly_registry.external_registry_store import ExternalRegistryStore
from cloudly_registry.fsck import Fsck
from cloudly_registry.http.parts import Parts
from cloudly_registry.http.server import serving
from cloudly_registry.image_versions import ImageVersions
from cloudly_registry.images import Images
from cloudly_registry.jobs import TASKS, Work
from cloudly_registry.manifest_cache import ManifestCache
from cloudly_registry.manifests import Manifests
from cloudly_registry.peers import Logins
from cloudly_registry.pins import Pins
from cloudly_registry.pull_through.asking import Asking
from cloudly_registry.pull_through.copies import Copies
from cloudly_registry.pull_through.fetches import Fetches
from cloudly_registry.pull_through.sources import Sources
from cloudly_registry.quarantine import Quarantine
from cloudly_registry.quotas import Quotas
from cloudly_registry.refresh_tokens import RefreshTokens
from cloudly_registry.resolving import Resolving
from cloudly_registry.sealed import sealed
from cloudly_registry.servicers import (
    ExternalRegistryServicer,
    ImageArchiveServicer,
    ImageServicer,
    ImageVersionServicer,
    SignatureServicer,
    WebhookServicer,
)
from cloudly_registry.signatures import Signatures
from cloudly_registry.store import RegistryStore
from cloudly_registry.tokens import AccessTokens
from cloudly_registry.uploads import Uploads
from cloudly_registry.upstream import Upstream
from cloudly_registry.webhooks.deliverer import Deliverer
from cloudly_registry.webhooks.recording import READER, Recording
from cloudly_registry.webhooks.sending import Sender
from cloudly_registry.webhooks.store import WebhookStore
from cloudly_registry.webhooks.webhooks import Webhooks

NAME = "registry"


async def serve(settings: Settings) -> None:
    """Serve gRPC and HTTP until told to stop."""
    async with (
        Runtime(NAME, settings) as runtime,
        from_settings(settings) as objects,
        aiohttp.ClientSession() as http,
        Sender(await runtime.envelope(), settings.denied_networks) as sender,
    ):
        store = RegistryStore(runtime.database)
        await store.ensure()
        outbox = Outbox(runtime.database, runtime.redis, NAME, PUBLISHES)
        executions = Executions(runtime.database, runtime.redis, NAME, TASKS)
        await executions.ensure()
        envelope = await runtime.envelope()
        external_store = ExternalRegistryStore(runtime.database)
        await external_store.ensure()
        upstream = Upstream(http)
        external = ExternalRegistries(external_store, store, envelope, upstream, runtime.hints)
        sources = Sources(external_store, external, runtime.hints)
        quarantine = Quarantine(store, timedelta(hours=settings.quarantine_hours))
        pins = Pins(store, quarantine)
        images = Images(store, pins, quarantine, outbox, runtime.hints, Quotas(store))
        blobs = Blobs(store, objects, quarantine)
        cache = ManifestCache(runtime.hints)
        manifests = Manifests(store, blobs, pins, quarantine, outbox, runtime.hints, cache)
        uploads = Uploads(store, objects, blobs)
        asking = Asking(upstream, external)
        parts = Parts(
            store=store,
            images=images,
            blobs=blobs,
            uploads=uploads,
            manifests=manifests,
            sources=sources,
            copies=Copies(store, images, manifests, asking),
            fetches=Fetches(images, uploads, asking),
            objects=objects,
            logins=Logins(runtime.channel("auth"), runtime.verifier),
            tokens=await asyncio.to_thread(AccessTokens, settings.keys_dir / f"{NAME}.key", settings.public_origin),
            journal=runtime.journal,
            refresh_tokens=RefreshTokens(envelope),
            public_origin=settings.public_origin,
            registry_host=settings.registry_host,
            deletes=settings.deletes,
            idle_seconds=settings.idle_seconds,
            trusted_proxies=settings.proxies,
        )
        servicer = ImageServicer(store, images, pins, quarantine, executions, settings.registry_host)
        runtime.serve(image_pb2_grpc.add_ImageServiceServicer_to_server, servicer)
        resolving = Resolving(store, external_store, external, upstream, settings.registry_host)
        versions = ImageVersions(store, blobs, manifests)
        runtime.serve(
            image_version_pb2_grpc.add_ImageVersionServiceServicer_to_server,
            ImageVersionServicer(store, versions, uploads, resolving, settings.registry_host),
        )
        runtime.serve(
            external_registry_pb2_grpc.add_ExternalRegistryServiceServicer_to_server,
            ExternalRegistryServicer(external_store, external),
        )
        importing = Importing(blobs, uploads, manifests)
        exporting = Exporting(blobs, manifests, objects, settings.registry_host)
        runtime.serve(
            image_archive_pb2_grpc.add_ImageArchiveServiceServicer_to_server,
            ImageArchiveServicer(store, blobs, importing, exporting),
        )
        runtime.serve(
            signature_pb2_grpc.add_SignatureServiceServicer_to_server,
            SignatureServicer(store, Signatures(manifests, blobs)),
        )
        await _serve_webhooks(runtime, settings, sender)
        serve_sealed_values(runtime, SealedValues(envelope, sealed(runtime.database)))
        serve_jobs(runtime, executions)
        runtime.background("outbox", outbox.relay)
        runtime.background("sources", sources.follow)
        runtime.background("deleted-images", images.follow)
        runtime.background("deleted-manifests", cache.follow)
        async with serving(parts, settings.http_listen):
            await runtime.run()


async def _serve_webhooks(runtime: Runtime, settings: Settings, sender: Sender) -> None:
    store = WebhookStore(runtime.database)
    await store.ensure()
    hints = runtime.hints
    deliverer = Deliverer(store, sender, Lease(runtime.redis, "cloudly.lease.registry.webhooks", new_id(), 15), hints)
    recording = Recording(store, settings.public_origin, settings.registry_host, deliverer.recorded)
    reader = EventReader(runtime.database, runtime.redis, source=NAME, group=READER, handlers=recording.handlers())
    webhooks = Webhooks(store, await runtime.envelope(), sender, hints, settings.public_origin)
    runtime.serve(webhook_pb2_grpc.add_WebhookServiceServicer_to_server, WebhookServicer(store, webhooks))
    runtime.background("events", reader.run)
    runtime.background("webhooks", deliverer.run)


async def build(runtime: Runtime, settings: Settings) -> Work:
    """What the tasks work on, in a worker."""
    objects = await from_settings(settings).__aenter__()
    runtime.on_drain(lambda: objects.__aexit__(None, None, None))
    store = RegistryStore(runtime.database)
    await store.ensure()
    outbox = Outbox(runtime.database, runtime.redis, NAME, PUBLISHES)
    quarantine = Quarantine(store, timedelta(hours=settings.quarantine_hours))
    pins = Pins(store, quarantine)
    blobs = Blobs(store, objects, quarantine)
    cache = ManifestCache(runtime.hints)
    manifests = Manifests(store, blobs, pins, quarantine, outbox, runtime.hints, cache)
    cleanup = Cleanup(store, objects, Uploads(store, objects, blobs), timedelta(hours=settings.upload_hours))
    grace = timedelta(hours=settings.grace_hours)
    collector = Collector(store, objects, manifests, quarantine, pins, grace, runtime.journal)
    lease = Lease(runtime.redis, "cloudly.lease.registry.collector", new_id(), 30)
    fsck = Fsck(store, objects, cleanup, quarantine, timedelta(hours=settings.quarantine_hours))
    return Work(cleanup, collector, fsck, lease, SealedValues(await runtime.envelope(), sealed(runtime.database)))


def main() -> None:
    """The gRPC and HTTP process."""
    run(serve, Settings, NAME)


def worker() -> None:
    """The worker process."""
    run_worker(NAME, Settings, TASKS, build)
