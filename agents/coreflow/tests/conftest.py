"""The agent as a process beside a real Swarm, connected to a control plane of the test."""

import socket

import pytest

from tests.images import WebImage, docker_archive
from tests.loop import Agent

from .planes import ControlPlane

VERSIONS = ("one", "two", "three")


@pytest.fixture
async def plane():
    made = ControlPlane()
    await made.server.start()
    yield made
    await made.server.stop(0)


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def engine(docker_engine):
    """A Docker engine that has the images local/web:one, :two and :three."""
    for version in VERSIONS:
        docker_engine.docker("load", stdin=docker_archive(WebImage(f"version {version}"), f"local/web:{version}"))
    return docker_engine


@pytest.fixture
def agent(plane, engine, tmp_path, port):
    made = Agent(f"http://127.0.0.1:{plane.port}", "good", engine.host, tmp_path, port)
    made.start()
    yield made
    made.stop()
    print(made.log_tail())
    engine.remove_services()
