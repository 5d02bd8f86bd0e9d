"""coreflow: wiring and the life of the process."""

import asyncio
import contextlib
import signal
import sys

import aiodocker
import aiohttp
import structlog
from aiodocker.exceptions import DockerError
from pydantic import ValidationError

from cloudly_coreflow.config import Settings
from cloudly_coreflow.link import Link
from cloudly_coreflow.logs import configure
from cloudly_coreflow.reconciler import Reconciler
from cloudly_coreflow.state import State, StateInUse
from cloudly_coreflow.swarm import Swarm
from cloudly_coreflow.traffic import Traffic

log = structlog.get_logger()


async def serve(settings: Settings) -> None:
    """Live until told to stop. What runs in the Swarm goes on without us.

    Raises:
        StateInUse: another agent runs on the state directory.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    state = State(settings.state_dir)
    async with aiodocker.Docker(settings.docker_host) as docker:
        swarm = Swarm(docker, settings.network_subnet)
        traffic = Traffic(swarm, state, settings.traffic_port, settings.advertise_address)
        reconciler = Reconciler(state, swarm, traffic)
        link = reconciler.link = Link(settings, state, reconciler.take)
        log.info("agent.started", agent=state.agent_id, cloudly=settings.target[0], state=str(settings.state_dir))
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(link.run()),
                group.create_task(reconciler.run()),
                group.create_task(_listen(swarm, reconciler)),
                group.create_task(traffic.make_images(reconciler.wake)),
            ]
            reconciler.wake()
            await stop.wait()
            for task in tasks:
                task.cancel()
        await traffic.close()
    log.info("agent.stopped")


async def _listen(swarm: Swarm, reconciler: Reconciler) -> None:
    """Wake the reconciler at Docker's events; it looks by itself too, so lost ones only make it slower."""
    while True:
        try:
            async for _ in swarm.events():
                reconciler.wake()
        except (DockerError, aiohttp.ClientError, OSError, TimeoutError) as error:
            log.info("docker.events_interrupted", error=str(error))
        reconciler.wake()
        await asyncio.sleep(1)


def main() -> None:
    """The command `coreflow`."""
    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            print(f"coreflow: {problem['loc'][0]} in the environment: {problem['msg']}", file=sys.stderr)  # noqa: T201 - a usage message
        sys.exit(2)
    configure(settings.log_level)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(settings))
    except StateInUse as error:
        log.critical("agent.state_in_use", message=str(error))
        sys.exit(1)
