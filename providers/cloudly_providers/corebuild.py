"""CoreBuild workers: they build images of BaseOS, at `/corebuild/v1/` of their URL, for whoever shows their token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from cloudly_providers.connection import Finding, Stopwatch
from cloudly_providers.errors import NotAuthenticated
from cloudly_providers.http import Http

_CAPABILITIES = "/corebuild/v1/capabilities"


@dataclass(frozen=True)
class Worker:
    """Where a worker is; `id` is its name, or its URL where it has none."""

    url: str
    token: str = field(default="", repr=False)
    id: str = ""


def workers(settings: Mapping[str, str]) -> Sequence[Worker]:
    """The workers that the settings name: `corebuildWorkersJson`, and the one of `corebuildWorkerUrl`.

    The values are as auth has checked them: an array of URLs or of objects with url, token and id.
    """
    listed: list[Any] = orjson.loads(settings.get("corebuildWorkersJson") or "[]")
    if settings.get("corebuildWorkerUrl"):
        listed.append({"url": settings["corebuildWorkerUrl"], "token": settings.get("corebuildWorkerToken", "")})
    found = [{"url": entry} if isinstance(entry, str) else entry for entry in listed]
    return [
        Worker(entry["url"].rstrip("/"), entry.get("token") or "", entry.get("id") or entry["url"].rstrip("/"))
        for entry in found
    ]


async def check(worker: Worker, watch: Stopwatch) -> Finding:
    """Whether the worker tells what it can build; that it takes the token shows only where it refuses others."""
    async with Http("CoreBuild", worker.url, worker.token, watch.answered) as http:
        answer = await http.call("GET", _CAPABILITIES)
        if answer.status in (401, 403):
            raise NotAuthenticated(
                f"the worker does not take the token (it answers {answer.status})"
                if worker.token
                else "the worker wants a token, and none is set for it",
                action="Look up the token where the worker runs.",
                request_id=answer.request_id,
            )
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise http.unlike(answer)
        without = await http.call("GET", _CAPABILITIES, anonymous=True) if worker.token else answer
    if without.status in (401, 403):
        return Finding("the worker takes the token and tells what it can build", ("permitted",))
    asks = "; it asks nobody for a token" if worker.token else ""
    return Finding(f"the worker tells what it can build{asks}", ("authenticated", "permitted"))
