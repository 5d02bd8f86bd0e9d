"""cloudly.auth.v1.UserService: people and machines as resources."""

from typing import Any

from cloudly.auth.v1 import auth_pb2, user_pb2_grpc
from cloudly.auth.v1 import user_pb2 as pb
from cloudly_kit.masks import apply_mask
from cloudly_kit.resources import page_request, request_key, with_metadata

from cloudly_auth.store import User
from cloudly_auth.users import NewUser, Users

_TYPES = {"human": auth_pb2.IDENTITY_TYPE_HUMAN, "machine": auth_pb2.IDENTITY_TYPE_MACHINE}


class UserServicer(user_pb2_grpc.UserServiceServicer):
    """Create, get, list, update, delete."""

    def __init__(self, users: Users) -> None:
        self._users = users

    async def CreateUser(self, request: pb.CreateUserRequest, context: Any) -> pb.CreateUserResponse:
        """Make a user."""
        asked = request.user
        wanted = NewUser(
            name=asked.name,
            roles=tuple(asked.roles),
            type="machine" if asked.type == auth_pb2.IDENTITY_TYPE_MACHINE else "human",
            disabled=asked.disabled,
            password=asked.password,
            labels=tuple(asked.labels.items()),
        )
        # The key is kept as a fast hash of the request: a password must not be in it.
        without_password = pb.CreateUserRequest()
        without_password.CopyFrom(request)
        without_password.user.ClearField("password")
        return pb.CreateUserResponse(user=_message(await self._users.create(wanted, request_key(without_password))))

    async def GetUser(self, request: pb.GetUserRequest, context: Any) -> pb.GetUserResponse:
        """One user."""
        return pb.GetUserResponse(user=_message(await self._users.get(request.user_id)))

    async def ListUsers(self, request: pb.ListUsersRequest, context: Any) -> pb.ListUsersResponse:
        """The users, page by page."""
        page = await self._users.page(page_request(request))
        return pb.ListUsersResponse(users=[_message(user) for user in page.items], next_page_token=page.next_page_token)

    async def UpdateUser(self, request: pb.UpdateUserRequest, context: Any) -> pb.UpdateUserResponse:
        """Change what the mask names."""

        def masked(user: User) -> pb.User:
            return apply_mask(_message(user), request.user, request.update_mask)

        def change(user: User) -> User:
            asked = masked(user)
            return user.model_copy(
                update={"roles": list(asked.roles), "disabled": asked.disabled, "labels": dict(asked.labels)}
            )

        password = masked(await self._users.get(request.user.id)).password
        user = await self._users.update(request.user.id, change, password=password, etag=request.user.etag)
        return pb.UpdateUserResponse(user=_message(user))

    async def DeleteUser(self, request: pb.DeleteUserRequest, context: Any) -> pb.DeleteUserResponse:
        """Remove a user."""
        await self._users.delete(request.user_id, etag=request.etag)
        return pb.DeleteUserResponse()


def _message(user: User) -> pb.User:
    message = pb.User(name=user.name, type=_TYPES[user.type], roles=user.roles, disabled=user.disabled)
    return with_metadata(message, user)
