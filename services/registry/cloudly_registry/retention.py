"""Rules of retention: which versions of an image may go. Pure."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from cloudly_kit.errors import InvalidArgument, Violation
from pydantic import BaseModel


class RetentionRule(BaseModel):
    """What is kept of the tags that match a pattern: the newest `keep_last`, and all younger than `keep_days`.

    A zero does not keep anything; both zero is refused where rules are written.
    """

    tag_pattern: str = "*"
    """As a shell has it: `*`, `?`, `[…]`; letters count."""
    keep_last: int = 0
    keep_days: int = 0


@dataclass(frozen=True)
class Tagged:
    """A version as the rules see it."""

    tag: str
    digest: str
    push_time: datetime
    needed: frozenset[str] = frozenset()
    """Digests that go when it goes: its own, and the manifests of an index."""


@dataclass(frozen=True)
class Outdated:
    """A version that may go, and why."""

    version: Tagged
    reason: str


def plan(
    rules: Sequence[RetentionRule], versions: Iterable[Tagged], pins: AbstractSet[str], now: datetime
) -> list[Outdated]:
    """The versions that the rules let go, newest first.

    The first rule whose pattern matches a tag decides about it; a tag that no rule matches stays. So does what a
    cluster runs or could go back to (`pins`), and the newest version of all, whatever the rules say.
    """
    newest_first = sorted(versions, key=lambda version: (version.push_time, version.tag), reverse=True)
    counted = [0] * len(rules)
    outdated = []
    for place, version in enumerate(newest_first):
        number = next((n for n, rule in enumerate(rules) if fnmatchcase(version.tag, rule.tag_pattern)), None)
        if number is None:
            continue
        rule = rules[number]
        counted[number] += 1
        if place == 0 or version.digest in pins or version.needed & pins:
            continue
        if counted[number] <= rule.keep_last:
            continue
        if rule.keep_days and version.push_time > now - timedelta(days=rule.keep_days):
            continue
        outdated.append(Outdated(version, told(rule)))
    return outdated


def checked_rules(rules: Sequence[RetentionRule], field: str) -> list[RetentionRule]:
    """The rules of a request's field, if each keeps something. Raises InvalidArgument."""
    wrong = [
        Violation(f"{field}[{number}]", "set keep_last or keep_days: the rule would keep nothing")
        for number, rule in enumerate(rules)
        if not rule.keep_last and not rule.keep_days
    ]
    if wrong:
        raise InvalidArgument.of(*wrong)
    return list(rules)


def told(rule: RetentionRule) -> str:
    """The rule in words, for reports."""
    kept = [f"the last {rule.keep_last}"] if rule.keep_last else []
    kept += [f"{rule.keep_days} days"] if rule.keep_days else []
    return f"retention: of {rule.tag_pattern} keep {' and '.join(kept)}"


def immutable(tag: str, patterns: Iterable[str]) -> bool:
    """Whether a tag must not be moved to another digest."""
    return any(fnmatchcase(tag, pattern) for pattern in patterns)
