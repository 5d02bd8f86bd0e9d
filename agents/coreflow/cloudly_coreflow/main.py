"""coreflow: wiring and the life of the process."""

import asyncio
import contextlib
import logging
import signal
import sys

import aiodocker
import orjson
import structlog
from aiodocker.exceptions import DockerError
from pydantic import ValidationError

from cloudly_coreflow.config import Settings
from cloudly_coreflow.link import Link
from cloudly_coreflow.reconciler import Reconciler
from cloudly_coreflow.state import State
from cloudly_coreflow.swarm import Swarm
from cloudly_coreflow.traffic import Traffic

log = structlog.get_logger()

EVENT_KINDS = ("service", "node", "container", "task")


async def serve(settings: Settings) -> None:
    """Live until told to stop. What runs in the Swarm goes on without us."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    state = State(settings.state_dir)
    async with aiodocker.Docker(settings.docker_host) as docker:
        swarm = Swarm(docker)
        reconciler = Reconciler(state, swarm, Traffic(swarm, state, settings.traffic_port))
        link = reconciler.link = Link(settings, state, reconciler.take)
        log.info("agent.started", agent=state.agent_id, cloudly=settings.cloudly_url)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(link.run()),
                group.create_task(reconciler.run()),
                group.create_task(_listen(docker, reconciler)),
            ]
            reconciler.wake()
            await stop.wait()
            for task in tasks:
                task.cancel()
    log.info("agent.stopped")


async def _listen(docker: aiodocker.Docker, reconciler: Reconciler) -> None:
    """Wake the reconciler at Docker's events; it looks by itself too, so lost ones only make it slower."""
    while True:
        try:
            subscriber = docker.events.subscribe()  # type: ignore[no-untyped-call]
            while (event := await subscriber.get()) is not None:
                if event.get("Type") in EVENT_KINDS:
                    reconciler.wake()
        except (DockerError, OSError) as error:
            log.warning("docker.events_interrupted", error=str(error))
        await asyncio.sleep(1)


def main() -> None:
    """The command `coreflow`."""
    try:
        settings = Settings()
    except ValidationError as error:
        missing = ", ".join(str(problem["loc"][0]) for problem in error.errors())
        print(f"coreflow: set {missing} in the environment.", file=sys.stderr)  # noqa: T201 - a usage message
        sys.exit(2)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=lambda event, **_: orjson.dumps(event, default=str)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(settings))
