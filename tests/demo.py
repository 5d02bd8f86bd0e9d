"""`make demo`: from nothing to an HTTP answer out of a container that a push has started, with progress on the terminal."""

import os
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from cloudly_kit.testing import free_port

from tests.conftest import Suite
from tests.dockerd import running_engine, why_no_docker
from tests.loop import Agent, Loop, fetch, wait_until

DOMAIN = "demo.example.test"


class Progress:
    """Steps on the terminal, with the time each took."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"[{time.monotonic() - self._begun:6.1f} s] {text}", flush=True)


def main() -> int:
    """Run the loop; 0 when the container answered."""
    if reason := why_no_docker():
        print(f"The demo needs a Docker engine: {reason}.", file=sys.stderr)
        return 2
    if shutil.which("skopeo") is None:
        print("The demo pushes with skopeo: apt-get install skopeo.", file=sys.stderr)
        return 2
    directory = Path(tempfile.mkdtemp(prefix="cl-demo-"))
    say = Progress()
    suite = Suite(directory / "suite")
    agent: Agent | None = None
    try:
        say(
            "starting a Docker engine with Swarm"
            if os.environ.get("CLOUDLY_TEST_DOCKER") != "host"
            else "using Docker here"
        )
        with running_engine(directory / "docker") as engine:
            try:
                say("starting Cloudly")
                suite.start()
                say(f"Cloudly answers at {suite.url}")
                loop = Loop(suite.api(), suite.admin_username, suite.admin_password, directory / "loop")
                jump_code = loop.create_cluster(f"demo-{secrets.token_hex(2)}")
                say(f"made the cluster {loop.cluster['name']}; starting coreflow with its jump code")
                port = free_port()
                agent = Agent(suite.url, jump_code, engine.host, directory / "agent", port)
                agent.start()
                loop.wait_for_agent()
                say("the agent is online")
                target = loop.create_workload("hello", replicas=2, domains=[{"name": DOMAIN}])["registryTarget"]
                say(f"wished for a workload; it waits for an image: {loop.reason()}")
                for version in ("one", "two"):
                    digest = loop.push(f"Hello from version {version}\n", f"v-{version}")
                    say(f"pushed version {version} to {target} ({digest[:19]}…)")
                    loop.wait_until_running(digest=digest, replicas=2)
                    say(f"two replicas run version {version}")
                    wait_until("the answer", lambda version=version: f"version {version}" in fetch(DOMAIN, port))
                url = f"http://{DOMAIN}:{port}/"
                say(f"the workload's URL: {url}  (curl -H 'Host: {DOMAIN}' http://127.0.0.1:{port}/)")
                print(f"\n  {fetch(DOMAIN, port).strip()}\n")
                return 0
            finally:
                if agent is not None:
                    agent.stop()
                suite.stop()
                engine.remove_services()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
