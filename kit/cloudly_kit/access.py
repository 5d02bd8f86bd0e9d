"""The one table of roles and what they may do. The contract says per method which permission it needs.

A permission is `<resource>.<action>`. `*` on either side stands for any.

An API token has at most its owner's roles, and of their permissions at most what its scope says (scopes.py). Where it is
limited to clusters, workloads or repositories, the handlers that know what a call is about call `check_limits`.
"""

from collections.abc import Iterable
from functools import cache
from typing import Protocol

from cloudly_kit import contract
from cloudly_kit.errors import PermissionDenied
from cloudly_kit.identity import caller
from cloudly_kit.scopes import Scope, matches

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
        "external-registries.read",
        "tasks.read",
        "registry.pull",
        "registry.push",
    ),
    # An agent: its own stream, and pulling what it is told to run.
    "cluster": ("agent.connect", "registry.pull"),
}

NOT_FOR_PEOPLE = ("agent.connect",)
"""Permissions that belong to machines alone, whatever the role's patterns say."""

OUTSIDE_THE_CONTRACT = ("metrics.read", "registry.delete")
"""Permissions that no RPC asks for: the gateway's metrics, and what is done over the registry's HTTP side alone."""

NOT_BY_ACTION = ("audit.read",)
"""Permissions that `*.<action>` does not grant: the audit log tells of everybody, so only admins read it."""


class HasRoles(Protocol):
    """Anything with roles and perhaps a scope: an Identity."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The names of the roles."""
        ...

    @property
    def scope(self) -> Scope | None:
        """What of the roles' permissions may be used; None means all."""
        ...


def allows(identity: HasRoles, permission: str) -> bool:
    """Whether one of the identity's roles grants the permission, and its scope does not leave it out."""
    if identity.scope is not None and not identity.scope.permits(permission):
        return False
    if permission in NOT_FOR_PEOPLE:
        return any(permission in ROLES.get(role, ()) for role in identity.roles)
    if permission in NOT_BY_ACTION:
        return any(pattern in ("*.*", permission) for pattern in permissions_of(identity.roles))
    return any(matches(pattern, permission) for pattern in permissions_of(identity.roles))


def require(permission: str) -> None:
    """Refuse the call unless its caller has this permission too; a service that calls for itself has every one.

    Raises:
        PermissionDenied: they have not.
    """
    actor = caller().actor
    if actor.type != "service" and not allows(actor, permission):
        raise PermissionDenied(permission)


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """The patterns that these roles grant."""
    return frozenset(pattern for role in roles for pattern in ROLES.get(role, ()))


@cache
def known_permissions() -> tuple[str, ...]:
    """Every permission there is: those that the contract asks for, and those of the registry's HTTP side."""
    asked = {method.rules.access.permission for method in contract.methods().values()} - {""}
    return tuple(sorted(asked | set(OUTSIDE_THE_CONTRACT)))


def check_limits(*, cluster: str = "", workload: str = "", repository: str = "") -> None:
    """Refuse the call when its caller is an API token that is limited to other things than the call is about.

    Tell all that is known: a token limited to a cluster may touch the workloads there.

    Raises:
        PermissionDenied: the token's limits leave it out.
    """
    scope = caller().actor.scope
    things = {"cluster": cluster, "workload": workload, "repository": repository}.items()
    if scope is not None and not scope.covers(things):
        about = ", ".join(f"{kind} {id}" for kind, id in things if id) or "all there are"
        raise PermissionDenied(
            "limits", f"this API token is limited to {limits_text(scope)}; the call is about {about}"
        )


def is_limited() -> bool:
    """Whether the caller is an API token with limits, so that it is worth finding out what the call is about."""
    scope = caller().actor.scope
    return scope is not None and bool(scope.limits)


def limits_text(scope: Scope) -> str:
    """A scope's limits for people."""
    return ", ".join(f"{kind} {id}" for kind, id in sorted(scope.limits))
