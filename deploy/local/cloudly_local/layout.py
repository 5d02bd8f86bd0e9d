"""Where everything of a suite on this machine lies: the drawing first, then the class that is the only one to build it.

.cloudly/                      the data directory (CLOUDLY_DATA_DIR), mode 0700
    mongo/ redis/ objects/     the data itself
    keys/                      the services' key pairs and the master key, 0600
    logs/<process>.log         everything a process said; the older part in <process>.log.1
    run/lock                   held (flock) by the supervisor while it lives
    run/suite.json             who the supervisor is, the address, and the state of every process
    run/stores.json            the URLs of the database and of Redis, 0600: for `cloudly admin`
    run/<process>.pid          who a process is: pid, start time, boot, command line
    run/envoy.yaml, traefik.yaml, routes.yaml, redis.conf      rendered at each start
    run/<service>.sock         gRPC; in a short directory elsewhere where this path would be too long
    greeted                    the first login was handed to auth: an administrator exists
    made-by-cloudly            this directory is Cloudly's own, and may be wiped by `reset`
"""

import hashlib
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

LONGEST_SOCKET_PATH = 107
"""Bytes in sockaddr_un.sun_path, less the closing zero (unix(7))."""
LONGEST_SOCKET_NAME = len("/registry.sock")

MARK = "made-by-cloudly"


class ForeignDirectoryError(Exception):
    """A directory that is not ours to write into, or to wipe."""


@dataclass(frozen=True)
class Layout:
    """The paths of one suite; `data` is absolute."""

    data: Path

    @classmethod
    def at(cls, data: Path) -> "Layout":
        """The layout in a data directory, which need not exist yet."""
        return cls(data.absolute())

    @property
    def mongo(self) -> Path:
        """The database's files."""
        return self.data / "mongo"

    @property
    def redis(self) -> Path:
        """Redis' append-only file."""
        return self.data / "redis"

    @property
    def objects(self) -> Path:
        """Object storage, where no S3 is configured."""
        return self.data / "objects"

    @property
    def keys(self) -> Path:
        """The services' key pairs and the master key."""
        return self.data / "keys"

    @property
    def run(self) -> Path:
        """What is only worth something while the suite runs."""
        return self.data / "run"

    @property
    def logs(self) -> Path:
        """The log files."""
        return self.data / "logs"

    @property
    def lock(self) -> Path:
        """Held by the supervisor."""
        return self.run / "lock"

    @property
    def suite(self) -> Path:
        """The state of the suite, written by the supervisor."""
        return self.run / "suite.json"

    @property
    def stores(self) -> Path:
        """Where the database and Redis of the suite that runs are, with their passwords."""
        return self.run / "stores.json"

    @property
    def greeted(self) -> Path:
        """Exists when an administrator does."""
        return self.data / "greeted"

    def log(self, process: str) -> Path:
        """The log file of a process."""
        return self.logs / f"{process}.log"

    def pid_file(self, process: str) -> Path:
        """Who a process is."""
        return self.run / f"{process}.pid"

    def make(self) -> None:
        """Make the directories, for this user only.

        Raises:
            ForeignDirectoryError: there are files in it, and it is not Cloudly's.
        """
        mark = self.data / MARK
        if self.data.exists() and any(self.data.iterdir()) and not mark.exists():
            raise ForeignDirectoryError(f"{self.data} holds files that are not Cloudly's; choose another with --data.")
        for directory in (self.data, self.objects, self.keys, self.run, self.logs):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.data.chmod(0o700)
        mark.touch()

    def wipe(self) -> None:
        """Delete everything.

        Raises:
            ForeignDirectoryError: it is not a directory that `make` has made.
        """
        if not self.data.exists():
            return
        if not (self.data / MARK).exists():
            raise ForeignDirectoryError(f"{self.data} was not made by Cloudly; nothing was deleted.")
        sockets = self.sockets()
        shutil.rmtree(self.data)
        if sockets != self.run:
            shutil.rmtree(sockets, ignore_errors=True)

    def sockets(self) -> Path:
        """The directory of the unix sockets: `run`, or one with a short path where that is too long.

        Raises:
            PermissionError: somebody else has made the short directory.
        """
        if len(os.fsencode(self.run)) + LONGEST_SOCKET_NAME <= LONGEST_SOCKET_PATH:
            return self.run
        mark = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:8]
        short = Path(tempfile.gettempdir()) / f"cloudly-{os.getuid()}-{mark}"
        short.mkdir(mode=0o700, exist_ok=True)
        found = short.lstat()
        if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
            message = (
                f"{short} is not a directory of yours alone; remove it, or use a data directory with a shorter path"
            )
            raise PermissionError(message)
        return short


def deploy_directory() -> Path:
    """The repository's `deploy/`, which holds the templates of Envoy's and Traefik's configuration."""
    return Path(__file__).resolve().parents[2]


def web_directory() -> Path:
    """The repository's built dashboard."""
    return deploy_directory().parent / "web" / "dist"
