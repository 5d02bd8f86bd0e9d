"""What the agent keeps on disk: who it is, and the last configuration it got, so that it goes on without Cloudly.

<state dir>/lock                held while an agent runs on this directory
<state dir>/agent.json          the agent's id; the port and token of its route server
<state dir>/configuration.pb    the last ConfigPush that was taken, configuration included, credentials not
<state dir>/credentials.pb      the registry credentials
<state dir>/external.pb         the logins of external registries
<state dir>/attempts.json       by workload, the last rollout that was handed to Swarm

All are readable by their owner alone. A file that cannot be read is put aside as <name>.unreadable: better to ask Cloudly
again than never to start.
"""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, TypeVar

import structlog
from cloudly.coreflow.v1 import coreflow_pb2
from google.protobuf.message import DecodeError

from cloudly_coreflow.plan import Attempt

log = structlog.get_logger()

LOCK_SECONDS = 10.0

T = TypeVar("T")


class StateInUse(Exception):
    """Another agent runs on this directory."""


class State:
    """The state directory. Files are replaced whole (write, fsync, rename), so that a crash leaves the old or the new."""

    def __init__(self, directory: Path) -> None:
        """Open, and make where it is not there yet.

        Raises:
            StateInUse: another agent has held it for ten seconds.
        """
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _locked(directory / "lock")
        self._agent: dict[str, str | int] = self._read("agent.json", json.loads) or {}

    @property
    def agent_id(self) -> str:
        """Stable over restarts."""
        return str(self._remember("id", secrets.token_hex(10)))

    @property
    def route_token(self) -> str:
        """With which coretraffic asks for its routes."""
        return str(self._remember("route_token", secrets.token_urlsafe(24)))

    @property
    def known_route_port(self) -> int:
        """The port of the route server; 0 before it was first started."""
        return int(self._agent.get("route_port", 0))

    def keep_route_port(self, port: int) -> None:
        """Remember the route server's port."""
        if self._agent.get("route_port") != port:
            self._agent["route_port"] = port
            self._write("agent.json", json.dumps(self._agent).encode())

    def push(self) -> coreflow_pb2.ConfigPush | None:
        """The last configuration that was taken."""
        return self._read("configuration.pb", coreflow_pb2.ConfigPush.FromString)

    def keep_push(self, push: coreflow_pb2.ConfigPush) -> None:
        """Keep a configuration, without its credentials."""
        kept = coreflow_pb2.ConfigPush()
        kept.CopyFrom(push)
        kept.ClearField("credentials")
        kept.ClearField("external_credentials")
        self._write("configuration.pb", kept.SerializeToString())

    def credentials(self) -> coreflow_pb2.RegistryCredentials | None:
        """The last credentials for the registry."""
        return self._read("credentials.pb", coreflow_pb2.RegistryCredentials.FromString)

    def keep_credentials(self, credentials: coreflow_pb2.RegistryCredentials) -> None:
        """Keep credentials."""
        self._write("credentials.pb", credentials.SerializeToString())

    def external_credentials(self) -> coreflow_pb2.ExternalCredentials:
        """The last logins of external registries."""
        held = self._read("external.pb", coreflow_pb2.ExternalCredentials.FromString)
        return coreflow_pb2.ExternalCredentials() if held is None else held

    def keep_external_credentials(self, credentials: coreflow_pb2.ExternalCredentials) -> None:
        """Keep logins of external registries."""
        self._write("external.pb", credentials.SerializeToString())

    def attempts(self) -> dict[str, Attempt]:
        """The last rollouts, by key."""

        def parse(content: bytes) -> dict[str, Attempt]:
            return {key: Attempt(**fields) for key, fields in json.loads(content).items()}

        return self._read("attempts.json", parse) or {}

    def keep_attempts(self, attempts: Mapping[str, Attempt]) -> None:
        """Keep the last rollouts."""
        self._write("attempts.json", json.dumps({key: asdict(attempt) for key, attempt in attempts.items()}).encode())

    def _remember(self, name: str, value: str) -> str | int:
        if name not in self._agent:
            self._agent[name] = value
            self._write("agent.json", json.dumps(self._agent).encode())
        return self._agent[name]

    def _read(self, name: str, parse: Callable[[bytes], T]) -> T | None:
        path = self._directory / name
        if not path.exists():
            return None
        try:
            return parse(path.read_bytes())
        except (ValueError, TypeError, AttributeError, DecodeError):
            log.exception("state.unreadable", file=name)
            path.replace(path.with_name(f"{name}.unreadable"))
            return None

    def _write(self, name: str, content: bytes) -> None:
        building = self._directory / f".{name}"
        descriptor = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        building.rename(self._directory / name)
        handle = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _locked(path: Path) -> IO[str]:
    file = path.open("w")
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # One that is being replaced may need a moment to end.
            if time.monotonic() > deadline:
                file.close()
                raise StateInUse(f"another coreflow runs on {path.parent}") from None
            time.sleep(0.1)
        else:
            return file
