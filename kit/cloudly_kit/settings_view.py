"""A service's view of the settings it owns: read from auth, kept in memory, never far behind.

Level-triggered: it reads everything at the start, when told of a change, and once a minute. The fact that settings changed
reaches one replica (kit/cloudly_kit/events.py); a hint passes it on to the service's other processes.
"""

import asyncio
import contextlib
import random
from collections.abc import Mapping

import grpc
import structlog
from cloudly.auth.v1 import setting_pb2, setting_pb2_grpc

from cloudly_kit.errors import DomainError, FailedPrecondition, Unavailable
from cloudly_kit.events import Event, Handler
from cloudly_kit.hints import Hints
from cloudly_kit.store import Session

REFRESH_SECONDS = 60.0
RETRY_SECONDS = 2.0

log = structlog.get_logger()


def not_set(key: str) -> FailedPrecondition:
    """The error for a setting that is needed."""
    how = f"on the settings page, or with `cloudly setting set {key} --value -`"
    return FailedPrecondition(f"the setting {key} is not set: set it {how}")


class SettingsView:
    """The settings of one service in one process. Run `run` beside the server, and hear `handlers` of auth's events."""

    def __init__(self, service: str, auth: grpc.aio.Channel, hints: Hints) -> None:
        self.topic = f"settings.changed.{service}"
        self._hint = f"settings.{service}"
        self._stub: setting_pb2_grpc.SettingServiceAsyncStub = setting_pb2_grpc.SettingServiceStub(auth)
        self._hints = hints
        self._values: Mapping[str, str] | None = None
        self._wake = asyncio.Event()
        self._reading = asyncio.Lock()

    async def values(self) -> Mapping[str, str]:
        """What is set, by key; as of the last reading, which is made now where there was none.

        Raises:
            Unavailable: auth was never reached by this process.
        """
        if self._values is None:
            await self.refresh()
        if self._values is None:
            raise Unavailable("auth")
        return self._values

    async def get(self, key: str) -> str:
        """One value; empty where it is not set. Raises as `values` does."""
        return (await self.values()).get(key, "")

    async def newest(self, *keys: str) -> list[str]:
        """What these are set to now, read from auth: for whoever tries out what was set a moment ago.

        Raises:
            FailedPrecondition: one of them is not set; the message says how it is.
            Unavailable: auth does not answer.
        """
        await self.refresh()
        values = await self.values()
        for key in keys:
            if not values.get(key):
                raise not_set(key)
        return [values[key] for key in keys]

    async def refresh(self) -> None:
        """Read now; raises what auth answers."""
        async with self._reading:
            answer = await self._stub.ReadOwnedSettings(setting_pb2.ReadOwnedSettingsRequest())
            self._values = {setting.key: setting.value for setting in answer.settings}

    async def run(self) -> None:
        """Keep the view, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._keep())

    def handlers(self) -> Mapping[str, Handler]:
        """What to do about auth's events."""

        async def changed(event: Event, session: Session) -> None:
            session.after_commit(self._wake.set)
            # The others are told before it is known to be committed; reading once too often does no harm.
            await self._hints.publish(self._hint, event.id)

        return {self.topic: changed}

    async def _listen(self) -> None:
        async for _ in self._hints.subscribe(self._hint):
            self._wake.set()

    async def _keep(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self.refresh()
                pause = REFRESH_SECONDS
            except DomainError as error:
                # What was read last goes on being used.
                log.warning("settings.not_read", error=repr(error))
                pause = RETRY_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause * random.uniform(0.8, 1.2))
