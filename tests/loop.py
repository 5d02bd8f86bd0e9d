"""The first loop in steps, as a user would go: used by the end-to-end tests and by `make demo`."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.images import PORT, WebImage, push

PATIENCE_SECONDS = 90.0


class NeverHappened(AssertionError):
    """What was waited for did not come."""


def wait_until(what: str, condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """The first truthy answer of `condition`; the last falsy or failing one is told when the time is over."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = condition()
        except (httpx.HTTPError, AssertionError) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(0.2)
    raise NeverHappened(f"{what} did not happen within {seconds:.0f} s; last seen: {last!r}")


class Agent:
    """A coreflow process beside a Docker engine."""

    def __init__(self, url: str, jump_code: str, docker_host: str, directory: Path, traffic_port: int) -> None:
        self._environment = {
            **os.environ,
            "CLOUDLY_URL": url,
            "JUMPCODE": jump_code,
            "DOCKER_HOST": docker_host,
            "COREFLOW_STATE_DIR": str(directory / "state"),
            "COREFLOW_TRAFFIC_PORT": str(traffic_port),
        }
        self._log = directory / "coreflow.log"
        directory.mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it connects by itself."""
        program = Path(sys.executable).with_name("coreflow")
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [program], env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def log_tail(self) -> str:
        """The end of what it said."""
        return self._log.read_text(errors="replace")[-4000:] if self._log.exists() else ""


class Loop:
    """A cluster with one workload, driven over REST."""

    def __init__(self, api: Any, username: str, password: str, directory: Path) -> None:
        self.api = api
        self.credentials = f"{username}:{password}"
        self.directory = directory
        self.cluster: dict[str, Any] = {}
        self.workload_id = ""
        self._pushes = 0

    def create_cluster(self, name: str) -> str:
        """Make the cluster; its jump code."""
        answer = self.api.post("/api/v1/clusters", {"cluster": {"name": name}})
        self.cluster = answer["cluster"]
        return str(answer["jumpCode"])

    def wait_for_agent(self) -> None:
        """Until the agent is online."""
        wait_until("the agent's coming online", lambda: self.read_cluster()["agentState"] == "AGENT_STATE_ONLINE")

    def read_cluster(self) -> dict[str, Any]:
        """The cluster as it is now."""
        return dict(self.api.get(f"/api/v1/clusters/{self.cluster['id']}"))

    def create_workload(self, name: str, **wish: Any) -> dict[str, Any]:
        """Say what should run."""
        body = {"name": name, "clusterId": self.cluster["id"], "webPort": PORT, **wish}
        workload: dict[str, Any] = self.api.post("/api/v1/workloads", body)
        self.workload_id = workload["id"]
        return workload

    def read(self) -> dict[str, Any]:
        """The workload as it is now."""
        return dict(self.api.get(f"/api/v1/workloads/{self.workload_id}"))

    def reason(self) -> str:
        """Why it does not run, or RUNNING."""
        conditions = self.read()["status"].get("conditions", [])
        return next((condition["reason"] for condition in conditions if condition["type"] == "Ready"), "")

    def push(self, text: str, tag: str, **image: Any) -> str:
        """Push a version of the web server with a real client; its digest."""
        self._pushes += 1
        target = f"{self.read()['registryTarget']}:{tag}"
        directory = self.directory / f"image-{self._pushes}"
        return push(WebImage(text, **image), target, directory, credentials=self.credentials)

    def wait_until_running(
        self, *, digest: str = "", replicas: int = 1, seconds: float = PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """Until exactly this runs, by the workload's own word."""

        def done() -> dict[str, Any] | None:
            workload = self.read()
            status = workload["status"]
            ready = any(c["type"] == "Ready" and c["status"] == "CONDITION_STATUS_TRUE" for c in status["conditions"])
            converged = status.get("observedGeneration") == workload["generation"] and not status.get("reconciling")
            counted = int(status.get("readyReplicas", 0)) == replicas
            right = not digest or status.get("runningDigest") == digest
            return workload if ready and converged and counted and right else None

        try:
            return dict(wait_until(f"running {digest[:19]} with {replicas} replicas", done, seconds))
        except NeverHappened as error:
            raise NeverHappened(f"{error}\nstatus: {self.read()['status']}\ncluster: {self.read_cluster()}") from error

    def scale(self, replicas: int) -> None:
        """Wish another number of replicas."""
        self.api.patch(f"/api/v1/workloads/{self.workload_id}", {"replicas": replicas})

    def roll_back(self, generation: int = 0) -> dict[str, Any]:
        """Wish an earlier version again."""
        return dict(self.api.post(f"/api/v1/workloads/{self.workload_id}/rollback", {"generation": str(generation)}))

    def deployments(self) -> list[dict[str, Any]]:
        """The workload's deployments."""
        answer = self.api.get("/api/v1/deployments", params={"workloadId": self.workload_id, "pageSize": 200})
        return list(answer.get("deployments", []))


def fetch(host: str, port: int) -> str:
    """What the workload answers through coretraffic under its domain."""
    answer = httpx.get(f"http://127.0.0.1:{port}/", headers={"Host": host}, timeout=5)
    answer.raise_for_status()
    return answer.text


def registry_host(target: str) -> str:
    """The host in front of a registry target."""
    return urlsplit(f"//{target}").netloc


def is_digest(text: str) -> bool:
    """Whether it looks like sha256:…"""
    return re.fullmatch(r"sha256:[0-9a-f]{64}", text) is not None
