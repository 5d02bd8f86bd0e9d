"""The whole suite, started once as `make up` starts it, and a client of its REST API."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cloudly_kit.testing import free_port
from cloudly_providers.testing.hetzner import HetznerFake

START_SECONDS = 60.0


class Api:
    """A logged-in client; answers are checked."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=30)
        answer = self.http.post("/api/v1/auth/login", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        self.http.headers["Authorization"] = f"Bearer {answer.json()['accessToken']}"

    def call(self, verb: str, path: str, status: int | None = None, **kwargs: Any) -> Any:
        """A call whose answer has this status (any of success by default); its JSON."""
        answer = self.http.request(verb, path, **kwargs)
        expected = answer.is_success if status is None else answer.status_code == status
        assert expected, f"{verb} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def get(self, path: str, **kwargs: Any) -> Any:
        return self.call("GET", path, **kwargs)

    def post(self, path: str, json: Any = None, **kwargs: Any) -> Any:
        return self.call("POST", path, json=json if json is not None else {}, **kwargs)

    def patch(self, path: str, json: Any, **kwargs: Any) -> Any:
        return self.call("PATCH", path, json=json, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Any:
        return self.call("DELETE", path, **kwargs)


class Suite:
    """The suite under its supervisor, in a directory of its own."""

    admin_username = "admin"

    def __init__(self, directory: Path, **environment: str) -> None:
        self.environment = environment
        self.directory = directory
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.admin_password = secrets.token_urlsafe(16)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.directory.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "SERVEZONE_ADMINACCOUNT": f"{self.admin_username}:{self.admin_password}",
            "CLOUDLY_AGENT_HEARTBEAT_SECONDS": "2",
            "CLOUDLY_AGENT_LEASE_SECONDS": "6",
            **self.environment,
        }
        program = Path(sys.executable).with_name("cloudly-local")
        with (self.directory / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "up", "--port", str(self.port), "--data", self.directory / "data"],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"the suite ended while starting:\n{self.log_tail()}")
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        pytest.fail(f"the suite was not ready after {START_SECONDS} s:\n{self.log_tail()}")

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def api(self) -> Api:
        """A client logged in as the admin."""
        return Api(self.url, self.admin_username, self.admin_password)

    def stores(self) -> dict[str, str]:
        """The URLs of the suite's database and Redis, by the names of their variables."""
        told: dict[str, str] = json.loads((self.directory / "data/run/stores.json").read_text())
        return told

    def log_tail(self) -> str:
        """The end of the terminal's output."""
        return (self.directory / "up.log").read_text(errors="replace")[-6000:]

    def processes(self) -> dict[str, int]:
        """The suite's processes by name, as `cloudly-local status` tells."""
        program = Path(sys.executable).with_name("cloudly-local")
        answer = subprocess.run(
            [program, "status", "--data", self.directory / "data", "--json"], capture_output=True, check=True, text=True
        )
        return {row["name"]: row["pid"] for row in json.loads(answer.stdout)["processes"] if row["pid"]}


@pytest.fixture(scope="session")
def hetzner() -> Iterator[HetznerFake]:
    """What the suite takes for Hetzner: no test asks the real one."""
    with HetznerFake() as fake:
        yield fake


@pytest.fixture(scope="session")
def suite(scratch: Path, hetzner: HetznerFake) -> Iterator[Suite]:
    """The whole suite, started once for the session."""
    running = Suite(scratch / "suite", CLOUDLY_HETZNER_URL=hetzner.api)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def api(suite: Suite) -> Api:
    """A client logged in as the admin."""
    return suite.api()
