"""A random mix of pushes, mounts, deletes and pulls in which no byte may be lost, for tests and `bench/registry_mix.py`."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from cloudly_kit.audit.journal import Journal
from cloudly_kit.hints import Hints
from cloudly_kit.objects import from_settings
from cloudly_kit.outbox import Outbox
from cloudly_kit.testing import opened_database
from redis.asyncio import Redis

from cloudly_registry.blobs import Blobs
from cloudly_registry.collector import Collector
from cloudly_registry.events import PUBLISHES
from cloudly_registry.manifest_cache import ManifestCache
from cloudly_registry.manifest_format import OCI_INDEX, OCI_MANIFEST
from cloudly_registry.manifests import Manifests
from cloudly_registry.pins import Pins
from cloudly_registry.quarantine import Quarantine
from cloudly_registry.references import digest_of
from cloudly_registry.store import RegistryStore
from cloudly_registry.testing import Answer, Client, Image, Registry, descriptor, index_of

_ARTIFACT = "application/vnd.example.report"
_EMPTY = b"{}"
_PATIENCE_SECONDS = 60.0


class PatientClient(Client):
    """An admin's client that comes again after a 503 that says when (Retry-After), for a minute, as clients do.

    Everything else stays as it is.
    """

    def __init__(self, registry: Registry, counted: Counter[str]) -> None:
        super().__init__(registry.http, registry.base, "admin", "admin-password")
        self.counted = counted

    async def send(self, method: str, url: str, **options: Any) -> Answer:
        """A request, made again while it is answered like that."""
        if method == "PUT" and "/blobs/uploads/" in url:
            return await super().send(method, url, **options)  # part of it may have been taken: `upload` begins anew
        answers = [await super().send(method, url, **options)]
        async for _ in self._again(answers):
            answers.append(await super().send(method, url, **options))
        if method == "DELETE" and len(answers) > 1 and answers[-1].status == 404:
            return Answer(202, answers[-1].headers, b"")  # it had been done when the 503 was answered
        return answers[-1]

    async def upload(self, name: str, digest: str, data: bytes) -> Answer:
        """POST and PUT, both again."""
        answers = [await super().upload(name, digest, data)]
        async for _ in self._again(answers):
            answers.append(await super().upload(name, digest, data))
        return answers[-1]

    async def _again(self, answers: Sequence[Answer]) -> AsyncIterator[None]:
        """Once for each further try, after the pause that the last answer asks for."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while answers[-1].status == 503 and "Retry-After" in answers[-1].headers:
            pause = float(answers[-1].headers["Retry-After"])
            if time.monotonic() + pause > until:
                return
            await asyncio.sleep(pause)
            self.counted["503 waited out"] += 1
            yield


@asynccontextmanager
async def collecting_from(registry: Registry, *, grace: timedelta, quarantine: timedelta) -> AsyncIterator[Collector]:
    """A collector of a running registry, with times of its own."""
    settings = registry.settings
    url, name = settings.mongodb_url.get_secret_value(), f"{settings.mongodb_name}_registry"
    async with (
        opened_database(url, name) as database,
        Redis.from_url(settings.redis_url.get_secret_value()) as redis,
        from_settings(settings) as objects,
    ):
        store, hints = RegistryStore(database), Hints(redis)
        kept = Quarantine(store, quarantine)
        pins, blobs = Pins(store, kept), Blobs(store, objects, kept)
        outbox = Outbox(database, redis, "registry", PUBLISHES)
        manifests = Manifests(store, blobs, pins, kept, outbox, hints, ManifestCache(hints))
        yield Collector(store, objects, manifests, kept, pins, grace, Journal(database, redis, "registry"))


@dataclass(frozen=True)
class _Tagged:
    """What a tag has to be."""

    body: bytes
    parts: Sequence[Image]

    @property
    def digest(self) -> str:
        return digest_of(self.body)


@dataclass
class Mix:
    """One client in a repository of its own, which it knows by heart."""

    client: Client
    repository: str
    neighbours: Sequence[str]
    """Repositories that blobs are mounted from, where they have them."""
    images: Sequence[Image]
    rng: random.Random
    done: Counter[str] = field(default_factory=Counter)
    tags: dict[str, _Tagged] = field(default_factory=dict)
    reports: dict[str, set[str]] = field(default_factory=dict)
    """Of each tagged index, the artifacts that refer to it."""

    async def step(self) -> None:
        """Do one thing. Raises AssertionError where the registry is not as it has to be."""
        tag = f"t{self.rng.randrange(3)}"
        if tag not in self.tags:
            await self._push(tag)
            return
        moves = {self._push: 35, self._pull: 35, self._refer: 10, self._untag: 10, self._delete: 10}
        await self.rng.choices(list(moves), list(moves.values()))[0](tag)

    async def clear(self) -> None:
        """Delete all tags."""
        for tag in list(self.tags):
            await self._untag(tag)

    async def _push(self, tag: str) -> None:
        parts = self.rng.sample(list(self.images), 2)
        for part in parts:
            for blob in part.blobs:
                await self._bring(blob)
            await self._manifest(part.digest, part.manifest, OCI_MANIFEST)
        body = index_of(*parts)
        await self._manifest(tag, body, OCI_INDEX)
        self.tags[tag] = _Tagged(body, parts)
        self._forget_untagged()
        self.done["pushes"] += 1

    async def _bring(self, blob: bytes) -> None:
        digest = digest_of(blob)
        if (await self.client.call("HEAD", f"/v2/{self.repository}/blobs/{digest}")).status == 200:
            return
        if self.neighbours and self.rng.random() < 0.5:
            source = self.rng.choice(self.neighbours)
            scope = f"repository:{self.repository}:pull,push repository:{source}:pull"
            mounted = await self.client.call(
                "POST",
                f"/v2/{self.repository}/blobs/uploads/",
                params={"mount": digest, "from": source},
                scope=scope,
            )
            assert mounted.status in (201, 202), mounted.body
            if mounted.status == 201:
                self.done["mounts"] += 1
                return
        await self.client.push_blob(self.repository, blob)

    async def _pull(self, tag: str) -> None:
        wanted = self.tags[tag]
        await self._same(f"manifests/{tag}", wanted.body)
        for part in wanted.parts:
            await self._same(f"manifests/{part.digest}", part.manifest)
            for blob in part.blobs:
                await self._same(f"blobs/{digest_of(blob)}", blob)
        listed = await self.client.call("GET", f"/v2/{self.repository}/referrers/{wanted.digest}")
        assert listed.status == 200, listed.body
        found = {entry["digest"] for entry in listed.json["manifests"]}
        assert self.reports.get(wanted.digest, set()) <= found, "a referrer of what is in use is lost"
        self.done["pulls"] += 1

    async def _refer(self, tag: str) -> None:
        index = self.tags[tag]
        await self._bring(_EMPTY)
        artifact: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": _ARTIFACT,
            "config": descriptor("application/vnd.oci.empty.v1+json", _EMPTY),
            "layers": [],
            "subject": descriptor(OCI_INDEX, index.body),
            "annotations": {"number": str(self.rng.randrange(5))},
        }
        body = orjson.dumps(artifact)
        await self._manifest(digest_of(body), body, OCI_MANIFEST)
        self.reports.setdefault(index.digest, set()).add(digest_of(body))
        self.done["referrers"] += 1

    async def _untag(self, tag: str) -> None:
        deleted = await self.client.call("DELETE", f"/v2/{self.repository}/manifests/{tag}")
        assert deleted.status == 202, deleted.body
        del self.tags[tag]
        self._forget_untagged()
        self.done["tags deleted"] += 1

    async def _delete(self, tag: str) -> None:
        digest = self.tags[tag].digest
        deleted = await self.client.call("DELETE", f"/v2/{self.repository}/manifests/{digest}")
        assert deleted.status == 202, deleted.body
        self.tags = {name: tagged for name, tagged in self.tags.items() if tagged.digest != digest}
        self._forget_untagged()
        gone = await self.client.call("GET", f"/v2/{self.repository}/manifests/{tag}")
        assert gone.status == 404, "a deleted manifest is handed out"
        self.done["digests deleted"] += 1

    async def _manifest(self, reference: str, body: bytes, media_type: str) -> None:
        pushed = await self.client.push_manifest(self.repository, reference, body, media_type)
        assert pushed.status == 201, pushed.body

    async def _same(self, path: str, expected: bytes) -> None:
        got = await self.client.call("GET", f"/v2/{self.repository}/{path}")
        assert (got.status, got.body) == (200, expected), f"{self.repository}/{path}: {got.status} {got.body[:200]!r}"

    def _forget_untagged(self) -> None:
        # What no tag leads to may be collected, and its referrers with it.
        tagged = {each.digest for each in self.tags.values()}
        self.reports = {digest: reports for digest, reports in self.reports.items() if digest in tagged}
