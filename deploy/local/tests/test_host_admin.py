"""`cloudly admin` with a suite that is stopped: its own database, started for the moment."""

import subprocess
import sys
from pathlib import Path

from cloudly_local.keys import make_key_pairs
from cloudly_local.layout import Layout
from cloudly_local.single import Lock


def admin(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cloudly_local.main", "admin", "--data", str(data), "reset-password", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_stopped_suites_database_is_started_asked_and_stopped(place: Path):
    layout = Layout.at(place / "data")
    layout.make()
    make_key_pairs(layout.keys, ["auth"])
    done = admin(layout.data, "nobody", "--generate")
    assert (done.returncode, done.stderr.strip()) == (1, "Error: there is no user 'nobody'")
    assert not Lock(layout).is_held()


def test_elsewhere_it_says_where_it_has_to_run(place: Path):
    done = admin(place / "empty", "root", "--generate")
    assert done.returncode == 1
    assert "Run this on Cloudly's host" in done.stderr
    assert not (place / "empty").exists()
