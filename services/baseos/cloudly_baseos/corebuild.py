"""The CoreBuild workers that the settings name."""

import asyncio
from collections.abc import Sequence

import structlog
from cloudly.common.v1.connection_pb2 import ConnectionTest
from cloudly_kit.settings_view import SettingsView, not_set
from cloudly_providers import corebuild
from cloudly_providers.connection import try_connection

log = structlog.get_logger()


class CorebuildWorkers:
    """What is known of them."""

    def __init__(self, settings: SettingsView) -> None:
        self._settings = settings

    async def test(self) -> Sequence[ConnectionTest]:
        """Ask all of them at once, as they are set now.

        Raises:
            FailedPrecondition: no worker is set.
        """
        await self._settings.refresh()
        workers = corebuild.workers(await self._settings.values())
        if not workers:
            raise not_set("corebuildWorkersJson")
        answers = await asyncio.gather(*map(_test, workers))
        log.info("corebuild.tested", workers=len(answers), ok=sum(answer.ok for answer in answers))
        return answers


async def _test(worker: corebuild.Worker) -> ConnectionTest:
    name = "corebuild" if worker.id == worker.url else f"corebuild {worker.id}"
    advice = "Then set it in corebuildWorkersJson (or corebuildWorkerToken) with `cloudly setting set`."
    return await try_connection(name, worker.url, lambda watch: corebuild.check(worker, watch), advice=advice)
