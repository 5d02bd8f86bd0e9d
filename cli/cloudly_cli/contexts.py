"""The servers that a person works with, and the sessions there: `$XDG_CONFIG_HOME/cloudly/config.toml`, mode 0600.

current = "localhost-8080"
[contexts.localhost-8080]
url = "http://localhost:8080"
username = "admin"
access_token = "…"
refresh_token = "…"
"""

import contextlib
import json
import os
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cloudly_cli.failures import Failure

DEFAULT_URL = "http://localhost:8080"


@dataclass
class Context:
    """One server and the session there."""

    url: str
    username: str = ""
    access_token: str = ""
    refresh_token: str = ""


@dataclass
class Contexts:
    """The file's content."""

    current: str = ""
    contexts: dict[str, Context] = field(default_factory=dict)


def config_file() -> Path:
    """Where the file is."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "cloudly" / "config.toml"


def read() -> Contexts:
    """The contexts; none where there is no file.

    Raises:
        Failure: the file cannot be read.
    """
    path = config_file()
    try:
        document = tomllib.loads(path.read_text())
        contexts = {str(name): Context(**known) for name, known in document.get("contexts", {}).items()}
    except FileNotFoundError:
        return Contexts()
    except (tomllib.TOMLDecodeError, TypeError, AttributeError, OSError) as error:
        raise Failure(f"{path} cannot be read: {error}") from error
    return Contexts(str(document.get("current", "")), contexts)


def write(contexts: Contexts) -> None:
    """Replace the file; only its owner can read it at any time."""
    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp makes its file with mode 0600.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".config-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(_text(contexts))
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


@contextlib.contextmanager
def changing() -> Iterator[Contexts]:
    """The contexts, written back at the end of the block; no other process changes them meanwhile."""
    import fcntl

    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        contexts = read()
        yield contexts
        write(contexts)


def _text(contexts: Contexts) -> str:
    # JSON's strings are TOML's basic strings (TOML 1.0, "String").
    lines = [f"current = {json.dumps(contexts.current)}"]
    for name, known in contexts.contexts.items():
        lines += ["", f"[contexts.{json.dumps(name)}]"]
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in asdict(known).items()]
    return "\n".join(lines) + "\n"
