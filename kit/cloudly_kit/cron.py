"""Cron expressions of five fields, in UTC: are they one, when did they come last, when do they come next."""

import re
from datetime import datetime, timedelta

from croniter import croniter

_FIELDS = 5
_WORD = re.compile(r"[A-Za-z]+")
_DRAWN = frozenset({"R", "H"})
"""croniter's random and hashed values: every look would find another slot."""


def check_schedule(schedule: str) -> None:
    """Refuse what is no five-field cron expression, or never comes (30 February).

    Raises:
        ValueError: it is so; the text says why.
    """
    if len(schedule.split()) != _FIELDS:
        raise ValueError("must have five fields: minute, hour, day, month, weekday")
    if _DRAWN & {word.upper() for word in _WORD.findall(schedule)}:
        raise ValueError("must not have random or hashed fields")
    next_slots(schedule, datetime(2026, 1, 1), 1)  # noqa: DTZ001 - any moment does


def latest_slot(schedule: str, now: datetime) -> datetime:
    """The slot of a five-field cron expression (UTC) that is due: the latest at or before `now`."""
    # get_prev is strictly before, and a slot is due in its very minute.
    just_after = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    latest: datetime = croniter(schedule, just_after).get_prev(datetime)
    return latest


def next_slots(schedule: str, now: datetime, count: int) -> list[datetime]:
    """The next slots of a five-field cron expression (UTC), strictly after `now`."""
    slots = croniter(schedule, now)
    return [slots.get_next(datetime) for _ in range(count)]
