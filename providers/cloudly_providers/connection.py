"""Testing a connection: is the provider reachable, does it take the credentials, may they do what Cloudly needs?

A test is bounded in time, makes nothing that stays, and answers rather than raises: a failed test is what was asked for.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from cloudly.common.v1 import connection_pb2

from cloudly_providers.errors import ProviderError, Unreachable

Check = Literal["reachable", "authenticated", "permitted"]
CHECKS: tuple[Check, ...] = ("reachable", "authenticated", "permitted")
"""In the order in which they build on each other."""
TEST_SECONDS = 10.0


class Stopwatch:
    """The time from its making to the provider's first answer."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.seconds = 0.0

    def answered(self) -> None:
        """An answer came; only the first counts."""
        self.seconds = self.seconds or time.monotonic() - self._started


@dataclass(frozen=True)
class Finding:
    """A test that found nothing wrong."""

    message: str
    not_checked: tuple[Check, ...] = ()
    """What the provider gives no way to find out."""


async def try_connection(
    provider: str,
    target: str,
    check: Callable[[Stopwatch], Awaitable[Finding]],
    *,
    advice: str = "",
    seconds: float = TEST_SECONDS,
) -> connection_pb2.ConnectionTest:
    """What `check` finds, or what it raises, as the contract tells it.

    `advice` is added to the action where other credentials are needed: where they are kept.
    """
    watch = Stopwatch()
    test = connection_pb2.ConnectionTest(provider=provider, target=target)
    try:
        async with asyncio.timeout(seconds):
            finding = await check(watch)
    except TimeoutError:
        silent = Unreachable(
            f"{target} did not answer within {seconds:g} seconds",
            action="Check the address, the network and firewalls on the way.",
        )
        _note_failure(test, silent, "")
    except ProviderError as error:
        _note_failure(test, error, advice)
    else:
        test.ok, test.message = True, finding.message
        for name in CHECKS:
            _set(test, name, "NOT_CHECKED" if name in finding.not_checked else "PASSED")
    test.round_trip_milliseconds = round(watch.seconds * 1000)
    return test


def _note_failure(test: connection_pb2.ConnectionTest, error: ProviderError, advice: str) -> None:
    test.message, test.request_id = str(error), error.request_id
    wants_credentials = error.failed and error.passed > 0
    test.action = f"{error.action} {advice}".strip() if wants_credentials else error.action
    for index, name in enumerate(CHECKS):
        failed_here = error.failed and index == error.passed
        _set(test, name, "PASSED" if index < error.passed else "FAILED" if failed_here else "NOT_CHECKED")


def _set(test: connection_pb2.ConnectionTest, name: Check, outcome: str) -> None:
    setattr(test, name, connection_pb2.CheckOutcome.Value(f"CHECK_OUTCOME_{outcome}"))
