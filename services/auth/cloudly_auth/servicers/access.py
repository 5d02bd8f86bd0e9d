"""cloudly.auth.v1.AccessService: what somebody may do."""

from typing import Any

from cloudly.auth.v1 import access_pb2 as pb
from cloudly.auth.v1 import access_pb2_grpc
from cloudly_kit.access import allows, known_permissions
from cloudly_kit.errors import InvalidArgument, PermissionDenied
from cloudly_kit.identity import Identity, caller

from cloudly_auth.users import Users

OTHERS = "users.read"


class AccessServicer(access_pb2_grpc.AccessServiceServicer):
    """Answers from the same table that every service enforces."""

    def __init__(self, users: Users) -> None:
        self._users = users

    async def TestPermissions(self, request: pb.TestPermissionsRequest, context: Any) -> pb.TestPermissionsResponse:
        """Which permissions the caller, or a user, has."""
        asked = [*filter(None, [request.permission]), *request.permissions]
        unknown = sorted(set(asked) - set(known_permissions()))
        if unknown:
            known = ", ".join(known_permissions())
            raise InvalidArgument.of(("permission", f"{', '.join(unknown)} is none; there are {known}"))
        who = await self._subject(request.user_id)
        limits = sorted(f"{kind}:{id}" for kind, id in who.scope.limits) if who.scope else []
        return pb.TestPermissionsResponse(
            results=[
                pb.PermissionResult(permission=permission, allowed=granted, limits=limits if granted else [])
                for permission in asked or known_permissions()
                for granted in [allows(who, permission)]
            ]
        )

    async def _subject(self, user_id: str) -> Identity:
        actor = caller().actor
        if user_id in ("", actor.id):
            return actor
        if not allows(actor, OTHERS) or (actor.scope is not None and actor.scope.limits):
            raise PermissionDenied(OTHERS)
        user = await self._users.get(user_id)
        # Who is disabled may do nothing, whatever their roles.
        roles = () if user.disabled else tuple(user.roles)
        return Identity(id=user.id, name=user.name, type=user.type, roles=roles)
