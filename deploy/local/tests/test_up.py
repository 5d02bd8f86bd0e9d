"""`cloudly-local` as a user types it: the whole suite, left behind, looked at, killed, and taken away again."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cloudly_local.ports import free_loopback_ports
from cloudly_local.proc import ProcessIdentity
from cloudly_local.processes import PROCESSES
from cloudly_local.status import SuiteStatus, read_status
from cloudly_local.testing import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


class Command:
    """The program, with a data directory and a port."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self.port = free_loopback_ports(["public"])["public"]
        self.url = f"http://localhost:{self.port}"
        self.greeting = ""

    def __call__(self, *arguments: str, status: int = 0) -> str:
        program = Path(sys.executable).with_name("cloudly-local")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("SERVEZONE", "CLOUDLY"))
        }
        ended = subprocess.run(
            [program, *arguments, "--data", str(self.data)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=200,
        )
        assert ended.returncode == status, ended.stdout
        return ended.stdout

    def up(self) -> str:
        return self("up", "--detach", "--port", str(self.port))

    def status(self) -> SuiteStatus:
        found = read_status(self.data)
        assert found is not None
        return found

    def pid(self, name: str) -> int:
        return next(process.pid for process in self.status().processes if process.name == name)


@pytest.fixture(scope="module")
def cloudly() -> Iterator[Command]:
    directory = Path(tempfile.mkdtemp(prefix="cl-", dir="/tmp"))
    command = Command(directory)
    command.greeting = command.up()
    yield command
    command("down")
    shutil.rmtree(directory)


def first_login(greeting: str) -> dict[str, str]:
    user = re.search(r"user +(\S+)", greeting)
    password = re.search(r"password +(\S+)", greeting)
    assert user
    assert password
    return {"username": user.group(1), "password": password.group(1)}


def test_the_welcome_names_the_address_and_a_login_that_opens_it(cloudly: Command) -> None:
    assert cloudly.url in cloudly.greeting
    answer = httpx.post(f"{cloudly.url}/api/v1/auth/login", json=first_login(cloudly.greeting), timeout=20)
    assert answer.status_code == 200
    me = {"authorization": f"Bearer {answer.json()['accessToken']}"}
    assert httpx.get(f"{cloudly.url}/api/v1/clusters", headers=me, timeout=20).json()["clusters"] == []


def test_the_password_is_nowhere_on_the_disk_and_in_no_other_process(cloudly: Command) -> None:
    password = first_login(cloudly.greeting)["password"].encode()
    holding = [
        file
        for file in cloudly.data.rglob("*")
        if file.is_file() and not file.is_relative_to(cloudly.data / "mongo") and password in file.read_bytes()
    ]
    assert holding == []
    for process in cloudly.status().processes:
        assert password not in Path(f"/proc/{process.pid}/environ").read_bytes(), process.name


def test_all_parts_answer_through_the_one_port(cloudly: Command) -> None:
    assert httpx.get(f"{cloudly.url}/readyz", timeout=20).json()["ready"] is True
    assert httpx.get(f"{cloudly.url}/v2/", timeout=20).status_code == 401
    refused = httpx.post(
        f"{cloudly.url}/cloudly.clusters.v1.ClusterService/ListClusters",
        content=b"\0\0\0\0\0",
        headers={"content-type": "application/grpc-web+proto"},
        timeout=20,
    )
    # UNAUTHENTICATED, said by the service itself at the far end of Traefik and Envoy.
    assert "grpc-status" in refused.headers or b"grpc-status:16" in refused.content
    assert refused.headers.get("grpc-status", "16") == "16"


def test_the_status_shows_every_process_healthy(cloudly: Command) -> None:
    shown = cloudly("status")
    status = cloudly.status()
    expected = {process.name for process in PROCESSES} | {"supervisor", "zygote", "mongo", "redis", "envoy", "traefik"}
    assert {process.name for process in status.processes} == expected
    assert all(process.healthy and process.pss_mib > 0 for process in status.processes)
    assert all(name in shown for name in expected)


def test_a_second_up_says_that_it_runs_and_where(cloudly: Command) -> None:
    assert cloudly.url in cloudly.up()
    assert cloudly.url in cloudly("up", "--port", str(cloudly.port))


def test_a_taken_port_is_said_with_its_holder(cloudly: Command, place: Path) -> None:
    other = Command(place)
    said = other("up", "--port", str(cloudly.port), status=2)
    assert f"Port {cloudly.port}" in said
    assert "(traefik)" in said
    assert "--port" in said


def test_what_was_written_survives_kill_9_of_everything_at_once(cloudly: Command) -> None:
    login = first_login(cloudly.greeting)
    answer = httpx.post(f"{cloudly.url}/api/v1/auth/login", json=login, timeout=20).json()
    me = {"authorization": f"Bearer {answer['accessToken']}"}
    made = httpx.post(f"{cloudly.url}/api/v1/clusters", json={"cluster": {"name": "kept"}}, headers=me, timeout=20)
    assert made.status_code in (200, 201), made.text
    # The supervisor first, so that it starts none of them again.
    victims = sorted(
        (process for process in cloudly.status().processes), key=lambda process: process.name != "supervisor"
    )
    for process in victims:
        os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: read_status(cloudly.data) is None, "nothing runs")
    again = cloudly.up()
    assert "password" not in again
    listed = httpx.get(f"{cloudly.url}/api/v1/clusters", headers=me, timeout=20).json()["clusters"]
    assert [cluster["name"] for cluster in listed] == ["kept"]


@pytest.mark.parametrize("name", ["auth", "clusters", "gateway", "envoy", "traefik", "redis", "mongo"])
def test_whoever_is_killed_comes_back_and_the_suite_is_ready_again(cloudly: Command, name: str) -> None:
    killed = cloudly.pid(name)
    os.kill(killed, signal.SIGKILL)

    def is_back() -> bool:
        if cloudly.pid(name) in (0, killed):
            return False
        try:
            return httpx.get(f"{cloudly.url}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    eventually(is_back, f"{name} is back", 60)


def test_every_log_can_be_shown_and_an_unknown_one_is_named(cloudly: Command) -> None:
    assert "process.healthy" in cloudly("logs", "supervisor", "-n", "500")
    assert "auth" in cloudly("logs", "nobody", status=1)


def test_down_leaves_nothing_running_and_reset_leaves_nothing_at_all(place: Path) -> None:
    command = Command(place)
    command.up()
    pids = [process.pid for process in command.status().processes]
    assert "stopped" in command("down")
    assert [pid for pid in pids if ProcessIdentity.of(pid)] == []
    assert "does not run" in command("down")
    command("reset", "--yes")
    assert not command.data.exists()
