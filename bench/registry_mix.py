"""A random mix of pushes, mounts, referrers, deletes and pulls of multi-platform images, while the collector runs.

`python -m bench.registry_mix --seconds 3600` ends with 1 at the first failed pull or lost byte. At the end everything is
deleted, and the store has to be empty. A seed that failed fails again as far as the timing allows. A 503 with Retry-After,
as a machine that has other work gets it, is waited out for a minute and counted. `--pause 0.5` leaves room for that work.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from cloudly_kit import logs
from cloudly_kit.errors import Unavailable
from cloudly_kit.store import now
from cloudly_kit.testing import Mongo, Redis
from cloudly_registry.blobs import PREFIX, Blobs
from cloudly_registry.cleanup import Cleanup
from cloudly_registry.collector import Collector
from cloudly_registry.fsck import Fsck
from cloudly_registry.testing import Image, running_registry
from cloudly_registry.testing_mix import Mix, PatientClient, collecting_from
from cloudly_registry.uploads import Uploads
from pymongo.errors import ConnectionFailure

_IMAGES = 600
"""So many that most wait for their next push for longer than the grace: their blobs are collected, and come again."""
_QUARANTINE = timedelta(seconds=20)


def main() -> int:
    """Run; 0 where nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0, help="seconds that a client thinks between two steps")
    parser.add_argument(
        "--grace",
        type=float,
        default=90,
        help="seconds that the collector spares what is unused: longer than a push takes",
    )
    parser.add_argument("--seed", type=int, default=int(time.time()))
    chosen = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="cl-mix-"))
    logs.configure("bench", "error")
    mongo, redis = Mongo(directory / "mongo"), Redis(directory / "redis")
    mongo.start()
    redis.start()
    try:
        return asyncio.run(_run(directory, mongo.url, redis.url, chosen))
    finally:
        mongo.stop()
        redis.stop()
        shutil.rmtree(directory, ignore_errors=True)


async def _run(directory: Path, mongo_url: str, redis_url: str, chosen: argparse.Namespace) -> int:
    rng = random.Random(chosen.seed)
    images = [
        Image(rng.randbytes(_size(number, rng)), b"shared", architecture=("amd64", "arm64")[number % 2])
        for number in range(_IMAGES)
    ]
    repositories = [f"mix/r{number}" for number in range(chosen.clients)]
    async with (
        running_registry(directory / "registry", mongo_url, redis_url) as registry,
        collecting_from(registry, grace=timedelta(seconds=chosen.grace), quarantine=_QUARANTINE) as collector,
    ):
        counted: Counter[str] = Counter()
        others = {own: [name for name in repositories if name != own] for own in repositories}
        mixes = [
            Mix(PatientClient(registry, counted), own, others[own], images, random.Random(rng.random()))
            for own in repositories
        ]
        print(f"seed {chosen.seed}, {chosen.clients} clients, {chosen.seconds:.0f} s", flush=True)
        until = time.monotonic() + chosen.seconds
        try:
            async with asyncio.TaskGroup() as group:
                collecting = group.create_task(_collect(collector, counted))
                working = [group.create_task(_work(mix, until, chosen.pause)) for mix in mixes]
                group.create_task(_tell(mixes, counted, until))
                await asyncio.wait(working)
                collecting.cancel()
        except BaseExceptionGroup as failed:
            print(f"FAILED: {failed.exceptions}", file=sys.stderr)
            return 1
        print(_summary(mixes, counted))
        return await _emptied(collector, mixes)


def _size(number: int, rng: random.Random) -> int:
    return rng.randrange(100_000, 500_000) if number % 20 == 0 else rng.randrange(1000, 40_000)


async def _work(mix: Mix, until: float, pause: float) -> None:
    while time.monotonic() < until:
        await mix.step()
        await asyncio.sleep(pause)


async def _collect(collector: Collector, counted: Counter[str]) -> None:
    while True:
        try:
            # The registry's own quarantine lasts for days.
            in_time = {"$set": {"expire_time": now() + _QUARANTINE}}
            await collector.store.database.raw("quarantine").update_many(
                {"expire_time": {"$gt": now() + 2 * _QUARANTINE}}, in_time
            )
            report = await collector.run(_silent)
        except (Unavailable, ConnectionFailure):
            counted["collections broken off"] += 1  # by the database; the next one goes on, as the job's next run would
        else:
            for name in ("manifests", "blobs"):
                counted[f"{name} collected"] += report.totals()[name]
            counted["collections"] += 1
        await asyncio.sleep(0.2)


async def _tell(mixes: list[Mix], counted: Counter[str], until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(60, left))
        print(f"{max(0, until - time.monotonic()):6.0f} s left: {_summary(mixes, counted)}", flush=True)


async def _emptied(collector: Collector, mixes: list[Mix]) -> int:
    """Check every byte, delete everything and collect until nothing is left."""
    objects, store = collector.objects, collector.store
    cleanup = Cleanup(
        store, objects, Uploads(store, objects, Blobs(store, objects, collector.quarantine)), timedelta(0)
    )
    checked = await Fsck(store, objects, cleanup, collector.quarantine, timedelta(0)).run(_silent, deep=True)
    faults = checked.faults
    for entry in checked.result()["entries"][:20]:
        print(entry, file=sys.stderr)
    for mix in mixes:
        await mix.clear()
    hasty = replace(collector, grace=timedelta(0))
    for _ in range(10):
        await store.database.raw("quarantine").update_many({}, {"$set": {"expire_time": now()}})
        await hasty.run(_silent)
    left = [found.key async for found in objects.list(PREFIX)]
    print(f"faults {faults or 'none'}, objects left at the end {len(left)}")
    return 1 if faults or left else 0


def _summary(mixes: list[Mix], counted: Counter[str]) -> str:
    done = sum((mix.done for mix in mixes), Counter())
    return ", ".join(f"{count} {name}" for name, count in [*sorted(done.items()), *sorted(counted.items())])


async def _silent(done: int, total: int, what: str) -> None:
    """Progress that nobody reads."""


if __name__ == "__main__":
    sys.exit(main())
