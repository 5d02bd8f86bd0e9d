"""A Samba of the test's own on a loopback port, with a share, a user, and everything that it keeps in one directory."""

import getpass
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cloudly_kit.testing import free_port, wait_for_port

from cloudly_providers.smb import SmbShare

PASSWORD = "pass word/of:the,test"  # noqa: S105
_CONFIGURATION = """[global]
 server role = standalone server
 interfaces = 127.0.0.1
 bind interfaces only = yes
 smb ports = {port}
 disable netbios = yes
 server min protocol = SMB2_10
 server smb encrypt = desired
 passdb backend = tdbsam:{directory}/private/passdb.tdb
 private dir = {directory}/private
 lock directory = {directory}/lock
 state directory = {directory}/state
 cache directory = {directory}/cache
 pid directory = {directory}/run
 ncalrpc dir = {directory}/ncalrpc
 log file = {directory}/log
 load printers = no
 printcap name = /dev/null
 disable spoolss = yes
 map to guest = never
[backup]
 path = {directory}/files
 read only = no
 valid users = {user}
[archive]
 path = {directory}/files
 read only = yes
 valid users = {user}
"""


@contextmanager
def samba(directory: Path) -> Iterator[tuple[SmbShare, Path]]:
    """The share `backup` and the directory behind it; `archive` is the same, for reading alone."""
    for program in ("smbd", "pdbedit"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian's samba)")
    port, user = free_port(), getpass.getuser()
    for name in ("files", "private", "lock", "state", "cache", "run", "ncalrpc"):
        (directory / name).mkdir(parents=True)
    configuration = directory / "smb.conf"
    configuration.write_text(_CONFIGURATION.format(port=port, directory=directory, user=user))
    subprocess.run(
        ["pdbedit", "-s", configuration, "-a", "-u", user, "-t"],
        input=f"{PASSWORD}\n{PASSWORD}\n",
        text=True,
        check=True,
        capture_output=True,
    )
    with (directory / "output").open("wb") as output:
        # In a session of its own: an ending smbd signals its whole process group.
        server = subprocess.Popen(
            ["smbd", "--foreground", "--no-process-group", "-s", configuration, f"--port={port}", "--debug-stdout"],
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for_port(port, server)
        yield SmbShare("127.0.0.1", "backup", port, user, PASSWORD), directory / "files"
    finally:
        server.terminate()
        server.wait()
