"""For tests: S3 servers of their own. moto knows ranges and conditions; rclone checks signatures and writes to disk."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloudly_kit.testing import free_port, wait_for_port

ACCESS_KEY = "AKIATEST"
SECRET_KEY = "secret-of-the-test"  # noqa: S105


@contextmanager
def moto_server(directory: Path) -> Iterator[str]:
    """The URL of a moto server."""
    with _server(directory, "moto_server", "-H", "127.0.0.1", "-p", "{port}") as url:
        yield url


@contextmanager
def rclone_server(directory: Path) -> Iterator[str]:
    """The URL of an rclone server that keeps its buckets below `directory`."""
    data = directory / "data"
    data.mkdir(parents=True)
    keys = f"{ACCESS_KEY},{SECRET_KEY}"
    with _server(directory, "rclone", "serve", "s3", "--addr", "127.0.0.1:{port}", "--auth-key", keys, data) as url:
        yield url


@contextmanager
def _server(directory: Path, program: str, *arguments: str | Path) -> Iterator[str]:
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [str(Path(sys.executable).with_name(program))]
    command += [str(argument).replace("{port}", str(port)) for argument in arguments]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for_port(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
