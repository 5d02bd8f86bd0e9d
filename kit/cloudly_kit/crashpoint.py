"""Named places between a write and its acknowledgement, where tests kill the process (decision 32)."""

import os
from collections import Counter

VARIABLE = "CLOUDLY_CRASHPOINT"
_passed: Counter[str] = Counter()


def crashpoint(name: str) -> None:
    """End the process as kill -9 would, if CLOUDLY_CRASHPOINT is `name`, or `name:N` at the N-th time it comes here."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    where, _, nth = wanted.partition(":")
    if where != name:
        return
    _passed[name] += 1
    if _passed[name] == int(nth or 1):
        os._exit(137)
