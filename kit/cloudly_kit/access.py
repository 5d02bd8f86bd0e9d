"""The one table of roles and what they may do. The contract says per method which permission it needs.

A permission is `<resource>.<action>`. `*` on either side stands for any.
"""

from collections.abc import Iterable
from typing import Protocol

ROLES: dict[str, tuple[str, ...]] = {
    "admin": ("*.*",),
    "operator": (
        "*.read",
        "clusters.write",
        "workloads.write",
        "deployments.write",
        "images.write",
        "backups.write",
        "baseos.write",
        "tasks.run",
        "registry.pull",
        "registry.push",
        "registry.delete",
    ),
    "viewer": ("*.read", "registry.pull"),
    # Pipelines: bring images and change workloads, nothing else.
    "api": (
        "clusters.read",
        "workloads.read",
        "workloads.write",
        "deployments.read",
        "images.read",
        "images.write",
        "tasks.read",
        "registry.pull",
        "registry.push",
    ),
    # An agent: its own stream, and pulling what it is told to run.
    "cluster": ("agent.connect", "registry.pull"),
}

NOT_FOR_PEOPLE = ("agent.connect",)
"""Permissions that belong to machines alone, whatever the role's patterns say."""


class HasRoles(Protocol):
    """Anything with roles: an Identity."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The names of the roles."""
        ...


def allows(identity: HasRoles, permission: str) -> bool:
    """Whether one of the identity's roles grants the permission."""
    if permission in NOT_FOR_PEOPLE:
        return any(permission in ROLES.get(role, ()) for role in identity.roles)
    return any(_matches(pattern, permission) for pattern in _patterns(identity.roles))


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """The patterns that these roles grant."""
    return frozenset(_patterns(roles))


def _patterns(roles: Iterable[str]) -> Iterable[str]:
    for role in roles:
        yield from ROLES.get(role, ())


def _matches(pattern: str, permission: str) -> bool:
    resource, action = pattern.split(".")
    wanted_resource, wanted_action = permission.split(".")
    return resource in ("*", wanted_resource) and action in ("*", wanted_action)
