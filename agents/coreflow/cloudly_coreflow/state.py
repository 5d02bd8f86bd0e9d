"""What the agent keeps on disk: who it is, and the last configuration it got, so that it goes on without Cloudly.

<state dir>/agent.json          the agent's id; the port and token of its route server
<state dir>/configuration.pb    the last ConfigPush that was taken, configuration included
<state dir>/credentials.pb      the registry credentials, readable by the owner alone
"""

import json
import os
import secrets
from pathlib import Path

from cloudly.coreflow.v1 import coreflow_pb2


class State:
    """The state directory. Files are replaced whole (write, fsync, rename), so that a crash leaves the old or the new."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._agent: dict[str, str | int] = {}
        path = directory / "agent.json"
        if path.exists():
            self._agent = json.loads(path.read_text())

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

    def keep_route_port(self, port: int) -> int:
        """Remember the route server's port."""
        return int(self._remember("route_port", port))

    def push(self) -> coreflow_pb2.ConfigPush | None:
        """The last configuration that was taken."""
        path = self._directory / "configuration.pb"
        return coreflow_pb2.ConfigPush.FromString(path.read_bytes()) if path.exists() else None

    def keep_push(self, push: coreflow_pb2.ConfigPush) -> None:
        """Keep a configuration, without its credentials."""
        kept = coreflow_pb2.ConfigPush()
        kept.CopyFrom(push)
        kept.ClearField("credentials")
        self._write("configuration.pb", kept.SerializeToString())

    def credentials(self) -> coreflow_pb2.RegistryCredentials | None:
        """The last credentials for the registry."""
        path = self._directory / "credentials.pb"
        return coreflow_pb2.RegistryCredentials.FromString(path.read_bytes()) if path.exists() else None

    def keep_credentials(self, credentials: coreflow_pb2.RegistryCredentials) -> None:
        """Keep credentials."""
        self._write("credentials.pb", credentials.SerializeToString())

    def _remember(self, name: str, value: str | int) -> str | int:
        if name not in self._agent:
            self._agent[name] = value
            self._write("agent.json", json.dumps(self._agent).encode())
        return self._agent[name]

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
