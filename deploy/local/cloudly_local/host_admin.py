"""`cloudly admin`: runs cloudly-auth-admin with the environment of the suite in a data directory, running or stopped."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cloudly_local import probes, servers
from cloudly_local.journal import Journal
from cloudly_local.layout import MARK, Layout
from cloudly_local.ports import free_loopback_ports
from cloudly_local.single import Lock, reclaim

START_SECONDS = 60.0


class CannotAdministerError(Exception):
    """There is no suite to administer here, or its database does not start."""


def run(layout: Layout, arguments: Sequence[str]) -> int:
    """The exit status of cloudly-auth-admin with these arguments.

    Raises:
        CannotAdministerError: see there.
    """
    if "MONGODB_URL" in os.environ or {"-h", "--help"} & set(arguments):
        return _run(layout, arguments, {})
    if not (layout.data / MARK).exists():
        message = (
            f"{layout.data} holds no data of Cloudly. Run this on Cloudly's host and name its directory: "
            "`cloudly admin --data DIRECTORY reset-password USER`."
        )
        raise CannotAdministerError(message)
    lock = Lock(layout)
    if not lock.acquire():
        return _run(layout, arguments, json.loads(layout.stores.read_text()))
    # Nobody starts the suite meanwhile: two databases on the same files would harm them.
    try:
        reclaim(layout, Journal(layout.log("supervisor")).tell)
        with _database(layout) as url:
            # Auth announces ended sessions to Redis itself when it starts.
            return _run(layout, arguments, {"MONGODB_URL": url, "REDIS_URL": "redis://127.0.0.1:1/0"})
    finally:
        lock.release()


def _run(layout: Layout, arguments: Sequence[str], stores: dict[str, str]) -> int:
    environment = {**os.environ, "CLOUDLY_DATA_DIR": str(layout.data), **stores}
    return subprocess.run(
        [sys.executable, "-m", "cloudly_auth.admin", *arguments], env=environment, check=False
    ).returncode


@contextmanager
def _database(layout: Layout) -> Iterator[str]:
    server, url = servers.mongo(layout, free_loopback_ports(["mongo"])["mongo"])
    with layout.log("mongo").open("ab") as log:
        process = subprocess.Popen(server.arguments, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not asyncio.run(probes.healthy(server.probe)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise CannotAdministerError(f"the database does not start; {layout.log('mongo')} says why")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(START_SECONDS)
