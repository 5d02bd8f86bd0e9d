"""What an API token may do of what its owner may: the JWT's `scope` claim (RFC 8693 §4.2), words separated by spaces.

    workloads.write *.read          permissions, each `<resource>.<action>`; `*` stands for any
    cluster:<id> workload:<id>      limits: with any of them, only calls about one of these are allowed
    repository:<name>

A token without limits may do what its permissions say everywhere. Everybody else has no scope at all.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

LIMITS = ("cluster", "workload", "repository")
_PERMISSION = re.compile(r"(\*|[a-z-]+)\.(\*|[a-z-]+)")


@dataclass(frozen=True)
class Scope:
    """Permissions as patterns, and limits as (kind, id)."""

    permissions: tuple[str, ...]
    limits: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def parse(cls, claim: str) -> Self:
        """The scope that a claim means.

        Raises:
            ValueError: a word that is neither: it could be a limit that this version does not know.
        """
        permissions, limits = [], set()
        for word in claim.split():
            kind, colon, id = word.partition(":")
            if _PERMISSION.fullmatch(word):
                permissions.append(word)
            elif colon and kind in LIMITS and id:
                limits.add((kind, id))
            else:
                message = f"{word!r} is neither a permission nor a limit"
                raise ValueError(message)
        return cls(tuple(permissions), frozenset(limits))

    def __str__(self) -> str:
        return " ".join([*self.permissions, *sorted(f"{kind}:{id}" for kind, id in self.limits)])

    def permits(self, permission: str) -> bool:
        """Whether one of the patterns covers the permission."""
        return any(matches(pattern, permission) for pattern in self.permissions)

    def covers(self, things: Iterable[tuple[str, str]]) -> bool:
        """Whether it may touch something that is, or belongs to, these things: (kind, id) each."""
        return not self.limits or not self.limits.isdisjoint(things)


def matches(pattern: str, permission: str) -> bool:
    """Whether a pattern covers a permission."""
    resource, action = pattern.split(".")
    wanted_resource, wanted_action = permission.split(".")
    return resource in ("*", wanted_resource) and action in ("*", wanted_action)
