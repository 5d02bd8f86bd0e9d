"""Programs that are Go modules, against a registry of their own; for what is run by hand and not in `make test`."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from cloudly_kit import logs
from cloudly_kit.testing import Mongo, Redis
from cloudly_registry.testing import Registry, running_registry


def against_registry(module: str, check: Callable[[Path, Registry], Awaitable[int]]) -> int:
    """Build a program, run a check with it and a registry; the number of its failures, 2 where there is no Go.

    `module` is `<package>@<version>`; the check gets the program's path, beside which it may write.
    """
    go = shutil.which("go")
    if go is None:
        print("needs a Go toolchain (1.24 or newer) on PATH", file=sys.stderr)
        return 2
    directory = Path(tempfile.mkdtemp(prefix="cl-go-"))
    logs.configure("check", "error")
    mongo, redis = Mongo(directory / "mongo"), Redis(directory / "redis")
    mongo.start()
    redis.start()

    async def run(program: Path) -> int:
        async with running_registry(directory / "registry", mongo.url, redis.url) as registry:
            return await check(program, registry)

    try:
        environment = {**os.environ, "GOBIN": str(directory), "GOFLAGS": "-buildvcs=false"}
        subprocess.run([go, "install", module], env=environment, check=True)
        return asyncio.run(run(directory / module.partition("@")[0].rpartition("/")[2]))
    finally:
        mongo.stop()
        redis.stop()
        shutil.rmtree(directory, ignore_errors=True)
