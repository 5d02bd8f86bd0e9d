"""The entry point of the container image: `auth`, `auth-worker`, … run that process of the suite; `configure` makes what
the containers share: the services' key pairs, the master key, and the configurations of Envoy and Traefik; `admin` is
what the owner of the host can do without a login (cloudly_auth/admin.py).

A variable `<NAME>_FILE` of ours names a file whose content becomes `<NAME>`: secrets come as files, not in the environment.
Only CLOUDLY_MASTER_KEY_FILE stays a file, which is read again when it changes.
"""

import importlib
import os
import sys
from pathlib import Path

from cloudly_kit.crypto import Envelope

from cloudly_local import proxies
from cloudly_local.config import LocalSettings
from cloudly_local.keys import make_key_pairs
from cloudly_local.processes import IDENTITIES, PROCESSES

SUFFIX = "_FILE"
OURS = ("CLOUDLY_", "SERVEZONE_", "MONGODB_", "REDIS_", "S3_")
"""Beginnings of our variables; other people's (`SSL_CERT_FILE`) mean something else."""
READ_AS_FILES = ("CLOUDLY_MASTER_KEY_FILE",)
PROXIES = Path("/var/lib/cloudly/proxies")
"""Where the proxies' containers find their configurations."""
ACME = Path("/var/lib/traefik/acme.json")


def main() -> None:
    """Run one process of the suite."""
    read_secret_files()
    if sys.argv[1:2] == ["admin"]:
        from cloudly_auth.admin import main as administer

        administer(args=sys.argv[2:], prog_name="admin")
        return
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name == "configure":
        configure(PROXIES)
        return
    calls = {process.name: process.call for process in PROCESSES}
    if name not in calls:
        sys.exit(f"usage: configure | admin … | {' | '.join(calls)}")
    module, _, function = calls[name].partition(":")
    sys.argv = [name]
    getattr(importlib.import_module(module), function)()


def read_secret_files() -> None:
    """Put the content of the files named by `<NAME>_FILE` variables into the environment, as `<NAME>`."""
    for variable in [name for name in os.environ if name.endswith(SUFFIX) and name.startswith(OURS)]:
        if variable in READ_AS_FILES:
            continue
        os.environ[variable.removesuffix(SUFFIX)] = Path(os.environ.pop(variable)).read_text().strip()


def configure(directory: Path) -> None:
    """Make the keys, where there are none, and the proxies' configurations."""
    settings = LocalSettings()
    settings.keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_key_pairs(settings.keys_dir, IDENTITIES)
    Envelope.load(settings)
    directory.mkdir(parents=True, exist_ok=True)
    proxies.write(directory, proxies.in_containers(), settings, ACME)
    for file in directory.iterdir():
        # The proxies run as users of their own; there is no secret in their configurations.
        file.chmod(0o644)


if __name__ == "__main__":
    main()
