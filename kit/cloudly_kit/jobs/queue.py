"""arq's queue and keys, which only this file and worker.py know. Records are elsewhere; here are only wake-up calls."""

import json
import time
from datetime import timedelta
from typing import Any

from arq.connections import ArqRedis
from arq.constants import (
    abort_jobs_ss,
    in_progress_key_prefix,
    job_key_prefix,
    result_key_prefix,
    retry_key_prefix,
)
from redis.asyncio import Redis

FUNCTION = "execute"
"""The one arq function: it looks the task up by the record."""

KEPT = timedelta(days=30)
"""How long arq keeps a job that waits. Its default of a day would drop long retries ("job expired")."""

# Redis keeps an abort for an id that it does not know for ever and kills the next job of that name (arq#485): only ask
# for the abort of a job that is there.
_ABORT = """
if redis.call('exists', KEYS[1]) == 1 then redis.call('zadd', KEYS[2], ARGV[2], ARGV[1]) return 1 end
return 0
"""


def dumps(value: Any) -> bytes:
    """JSON, never pickle: who can write to Redis must not be able to run code in a worker."""
    return json.dumps(value, default=str).encode()


def loads(raw: bytes) -> Any:
    """The value that `dumps` wrote."""
    return json.loads(raw)


def queue_name(service: str) -> str:
    """The queue of a service: `arq:clusters`."""
    return f"arq:{service}"


def arq_redis(redis: Redis, service: str) -> ArqRedis:
    """arq's view of our connections; the pool stays ours."""
    return ArqRedis(
        redis.connection_pool, job_serializer=dumps, job_deserializer=loads, default_queue_name=queue_name(service)
    )


class Queue:
    """The queue of one service; every entry is named after its execution."""

    def __init__(self, redis: Redis, service: str) -> None:
        self._arq = arq_redis(redis, service)
        self._ask_abort = self._arq.register_script(_ABORT)
        self.name = queue_name(service)

    async def put(self, execution_id: str, attempt: int) -> None:
        """Have a worker take the execution up; the next try counts on from `attempt`. Repeating it changes nothing."""
        await self._arq.enqueue_job(
            FUNCTION, execution_id, _job_id=execution_id, _expires=KEPT, _job_try=attempt + 1 if attempt else None
        )

    async def holds(self, execution_id: str) -> bool:
        """Whether the execution still waits or runs here, as far as Redis knows."""
        async with self._arq.pipeline(transaction=True) as pipe:
            pipe.exists(job_key_prefix + execution_id)
            pipe.zscore(self.name, execution_id)
            body, place = await pipe.execute()
        return bool(body) and place is not None

    async def put_again(self, execution_id: str, attempt: int) -> None:
        """Enqueue what Redis has lost, whole or in part."""
        await self._arq.delete(job_key_prefix + execution_id, result_key_prefix + execution_id)
        await self.put(execution_id, attempt)

    async def remove(self, execution_id: str) -> None:
        """Take out an execution that ended without a worker."""
        async with self._arq.pipeline(transaction=True) as pipe:
            pipe.zrem(self.name, execution_id)
            pipe.delete(job_key_prefix + execution_id, retry_key_prefix + execution_id)
            await pipe.execute()

    async def abort(self, execution_id: str) -> bool:
        """Have the worker that runs it cancel its task within half a second; False when Redis knows no such job."""
        keys = (job_key_prefix + execution_id, abort_jobs_ss)
        return bool(await self._ask_abort(keys=keys, args=(execution_id, int(time.time() * 1000))))

    async def count_on_from(self, execution_id: str, attempt: int) -> None:
        """Have the next try carry a number above `attempt` (Redis had lost its count)."""
        await self._arq.set(retry_key_prefix + execution_id, attempt, ex=KEPT)

    async def lease_owner(self, execution_id: str) -> str:
        """The worker that holds the execution's lease; empty when nobody does."""
        owner = await self._arq.get(in_progress_key_prefix + execution_id)
        return owner.decode() if owner else ""
