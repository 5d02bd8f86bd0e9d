"""From `push` to a running container: deploy-on-push beside `docker service update` of the same kind of image by hand.

Both ways push with skopeo to the same registry and end when a task with the new digest runs in the same Swarm; times include
the push. What Cloudly adds is the way registry -> event -> clusters -> stream -> agent.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import Suite
from tests.dockerd import DockerEngine, running_engine, why_no_docker
from tests.loop import Agent, Loop

ROUNDS = 5
BY_HAND = "by-hand"


def main() -> int:
    """Measure and print; 2 where there is no Docker."""
    if reason := why_no_docker():
        print(f"needs a Docker engine: {reason}", file=sys.stderr)
        return 2
    directory = Path(tempfile.mkdtemp(prefix="cl-bench-"))
    suite = Suite(directory / "suite")
    try:
        with running_engine(directory / "docker") as engine:
            suite.start()
            try:
                _measure(suite, engine, directory)
            finally:
                suite.stop()
                engine.remove_services()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


def _measure(suite: Suite, engine: DockerEngine, directory: Path) -> None:
    loop = Loop(suite.api(), suite.admin_username, suite.admin_password, directory / "loop")
    agent = Agent(suite.url, loop.create_cluster("bench"), engine.host, directory / "agent", 0)
    agent.start()
    try:
        loop.wait_for_agent()
        workload = loop.create_workload("web")
        target = workload["registryTarget"]
        loop.wait_until_running(digest=loop.push("warm-up", "warm-up"))
        config = directory / "docker-config"
        login = [
            "docker",
            "--config",
            config,
            "-H",
            engine.host,
            "login",
            "-u",
            suite.admin_username,
            "--password-stdin",
        ]
        subprocess.run(
            [*login, target.split("/")[0]], input=suite.admin_password.encode(), check=True, capture_output=True
        )
        first = f"{target}:warm-up"
        by_hand = ["docker", "--config", str(config), "-H", engine.host, "service"]
        create = [*by_hand, "create", "--detach", "--with-registry-auth", "--name", BY_HAND, "--endpoint-mode", "dnsrr"]
        subprocess.run([*create, "--update-order", "start-first", first], check=True, capture_output=True)
        _wait_for(engine, BY_HAND, "")
        cloudly, docker = [], []
        # The service made by hand follows no push: its pushes go to a repository of their own.
        other = target.rsplit("/", 1)[0] + "/by-hand"
        for number in range(ROUNDS):
            begun = time.perf_counter()
            digest = loop.push(f"round {number}", f"r{number}")
            _wait_for(engine, f"web-{workload['id'][:8]}", digest)
            cloudly.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            digest = _push(loop, other, f"by hand {number}", directory / f"by-hand-{number}")
            update = [*by_hand, "update", "--detach", "--with-registry-auth", "--image", f"{other}@{digest}", BY_HAND]
            subprocess.run(update, check=True, capture_output=True)
            _wait_for(engine, BY_HAND, digest)
            docker.append(time.perf_counter() - begun)
        ours, theirs = statistics.median(cloudly), statistics.median(docker)
        print(f"push to running, median of {ROUNDS}: cloudly {ours:.2f} s, docker service update {theirs:.2f} s")
        print(f"ratio {ours / theirs:.2f}  (all: {[round(x, 2) for x in cloudly]} / {[round(x, 2) for x in docker]})")
    finally:
        agent.stop()


def _push(loop: Loop, repository: str, text: str, directory: Path) -> str:
    from tests.images import WebImage, push

    return push(WebImage(text), f"{repository}:latest", directory, credentials=loop.credentials)


def _wait_for(engine: DockerEngine, service: str, digest: str) -> None:
    while True:
        rows = engine.docker("service", "ps", "--no-trunc", "--format", "{{json .}}", service, check=False).splitlines()
        for row in map(json.loads, rows):
            if (
                row["CurrentState"].startswith("Running")
                and row["DesiredState"] == "Running"
                and digest in row["Image"]
            ):
                return
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
