"""The process that runs a service's executions: arq's worker with short renewed leases, and the loops around it.

arq's lock lives as long as the longest timeout of any job, so that a dead worker's six-hour job waits six hours. Here
the lock carries its owner's name, lives nine seconds, and is renewed every three by its owner alone; whoever lost it
stops.
"""

import asyncio
import os
import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

import structlog
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from arq.typing import WorkerCoroutine
from arq.worker import Worker, func
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cloudly_kit import runtime as runtimes
from cloudly_kit.audit.journal import Journal
from cloudly_kit.config import ServiceSettings
from cloudly_kit.ids import new_id
from cloudly_kit.jobs.attempt import LAST_WORD_SECONDS, Attempts
from cloudly_kit.jobs.executions import Executions
from cloudly_kit.jobs.queue import FUNCTION, KEPT, arq_redis, dumps, loads, queue_name
from cloudly_kit.jobs.schedule import Scheduler
from cloudly_kit.jobs.task import Task
from cloudly_kit.jobs.upkeep import Upkeep
from cloudly_kit.runtime import Runtime

LEASE_SECONDS = 9.0
MAX_JOBS = 10
"""Executions that one worker process has in hand at once."""

_NEVER = KEPT.total_seconds()
"""arq's own limits on time and tries; ours stand in the record."""

# Take the lock that arq set a moment ago (as b'1') in our name; 0 when the moment was long and another has it.
_STAMP = """
local owner = redis.call('get', KEYS[1])
if owner and owner ~= '1' then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# Keep what is ours, and let arq not forget the job and its count of tries. A lock that is gone (Redis lost it) is taken
# again as long as the job still waits in the queue and nobody else took it.
_RENEW = """
local owner = redis.call('get', KEYS[1])
if not owner and redis.call('zscore', KEYS[4], ARGV[4]) then
  redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])
  owner = ARGV[1]
end
if owner ~= ARGV[1] then return 0 end
redis.call('pexpire', KEYS[1], ARGV[2])
redis.call('pexpire', KEYS[2], ARGV[3])
redis.call('pexpire', KEYS[3], ARGV[3])
return 1
"""

log = structlog.get_logger()

S = TypeVar("S", bound=ServiceSettings)
P = TypeVar("P")


def run_worker(
    name: str, settings_class: type[S], tasks: Sequence[Task[P]], build: Callable[[Runtime, S], Awaitable[P]]
) -> None:
    """The body of a service's `worker`: serve its queue until told to stop.

    Args:
        name: The service.
        settings_class: Its settings, read from the environment.
        tasks: Its tasks.
        build: Makes, from the process's connections and settings, what the task functions get.
    """

    async def work(settings: S) -> None:
        async with Runtime(name, settings) as runtime:
            await add_worker(runtime, tasks, await build(runtime, settings))
            await runtime.run()

    runtimes.run(work, settings_class, name)


async def add_worker(runtime: Runtime, tasks: Sequence[Task[P]], parts: P) -> "LeasedWorker":
    """Give a process the loops that make it a worker of its service."""
    executions = Executions(runtime.database, runtime.redis, runtime.name, tasks)
    scheduler = Scheduler(runtime.database, executions)
    await executions.ensure()
    await scheduler.slots.ensure()
    worker = LeasedWorker(runtime.redis, executions, parts, runtime.journal)
    runtime.background("jobs", worker.main)
    runtime.background("leases", worker.renew_leases)
    runtime.background("schedules", scheduler.run)
    runtime.background("upkeep", Upkeep(executions).run)
    return worker


class LeasedWorker(Worker):
    """arq's worker; see the file's first lines for what is different, and why."""

    def __init__(
        self,
        redis: Redis,
        executions: Executions,
        parts: object,
        journal: Journal,
        *,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.id = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"
        self._lease_ms = int(lease_seconds * 1000)
        attempts = Attempts(executions, parts, self.id, journal)

        async def execute(context: dict[Any, Any], execution_id: str) -> None:
            await attempts.execute(execution_id, context["job_try"])

        super().__init__(
            [func(cast("WorkerCoroutine", execute), name=FUNCTION, timeout=_NEVER, max_tries=10**9, keep_result=0)],
            queue_name=queue_name(executions.service),
            redis_pool=arq_redis(redis, executions.service),
            handle_signals=False,
            allow_abort_jobs=True,
            max_jobs=MAX_JOBS,
            keep_result=0,
            health_check_interval=10,
            job_serializer=dumps,
            job_deserializer=loads,
        )
        self.in_progress_timeout_s = lease_seconds
        self._stamp = self.pool.register_script(_STAMP)
        self._extend = self.pool.register_script(_RENEW)

    async def main(self) -> None:
        """Take and run jobs, for ever; on the way out let go of those that run."""
        self.allow_pick_jobs = True
        try:
            await super().main()
        finally:
            await self.let_go()

    async def run_job(self, job_id: str, score: int) -> None:
        """As arq, once the lock bears our name."""
        if await self._stamp(keys=[in_progress_key_prefix + job_id], args=[self.id, self._lease_ms]):
            await super().run_job(job_id, score)

    async def finish_job(self, job_id: str, *args: Any, **kwargs: Any) -> None:
        """As arq, which would delete whatever lock is there, unless the lock is another's by now."""
        if await self._is_ours(job_id):
            await super().finish_job(job_id, *args, **kwargs)

    async def finish_failed_job(self, job_id: str, result_data: bytes | None) -> None:
        """As `finish_job`."""
        if await self._is_ours(job_id):
            await super().finish_failed_job(job_id, result_data)

    async def renew_leases(self) -> None:
        """Renew every third of a lease, for ever; cancel the work whose lease is lost."""
        while True:
            await asyncio.sleep(self._lease_ms / 3000)
            for job_id, task in list(self.job_tasks.items()):
                if self.job_tasks.get(job_id) is task and not await self._renew(job_id):
                    log.warning("execution.lease_lost", execution=job_id)
                    task.cancel("lease lost")

    async def let_go(self) -> None:
        """Stop: take nothing new, cancel what runs, and put it back into the queue for another worker."""
        self.allow_pick_jobs = False
        running = list(self.tasks.values())
        for task in list(self.job_tasks.values()):
            task.cancel("worker stops")
        if running:
            await asyncio.wait(running, timeout=LAST_WORD_SECONDS)

    async def _poll_iteration(self) -> None:
        # arq ends when Redis goes away (arq#498, #435): ride it out.
        try:
            await super()._poll_iteration()
        except (RedisError, OSError) as error:
            log.warning("worker.redis_away", error=repr(error))
            await asyncio.sleep(random.uniform(0.5, 1.5))

    async def _renew(self, job_id: str) -> bool:
        keys = (in_progress_key_prefix + job_id, job_key_prefix + job_id, retry_key_prefix + job_id, self.queue_name)
        kept_ms = int(KEPT.total_seconds() * 1000)
        try:
            return bool(await self._extend(keys=keys, args=[self.id, self._lease_ms, kept_ms, job_id]))
        except (RedisError, OSError) as error:
            # Nobody else can take it either while Redis is away; the fence in the record decides afterwards.
            log.warning("worker.lease_not_renewed", execution=job_id, error=repr(error))
            return True

    async def _is_ours(self, job_id: str) -> bool:
        owner = await self.pool.get(in_progress_key_prefix + job_id)
        if owner is None or owner.decode() == self.id:
            return True
        log.warning("execution.left_to_its_owner", execution=job_id, owner=owner.decode())
        return False
