"""A way back in for whoever owns the host: a new password without a login."""

import secrets
import string

from cloudly_kit.errors import FailedPrecondition, NotFound

from cloudly_auth.store import User
from cloudly_auth.users import ADMIN, Users, Within

_ALPHABET = "".join(sorted(set(string.ascii_letters + string.digits) - set("Il1O0o")))
_GROUPS, _GROUP_LENGTH = 5, 5
"""25 characters of 56: 145 bits, in groups that can be read aloud."""


def generated_password() -> str:
    """A password that nobody guesses, without letters and digits that look alike."""
    groups = ["".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS)]
    return "-".join(groups)


async def reset_password(users: Users, name: str, password: str, *, admin: bool, within: Within | None = None) -> User:
    """Give a user a new password, enable them, end their sessions; with `admin` they can administer again.

    `within` is called in the transaction that changes the user.

    Raises:
        NotFound: nobody is called so.
        FailedPrecondition: it is a machine, which has no password.
        InvalidArgument: the password is not allowed.
    """
    found = await users.by_name(name)
    if found is None:
        raise NotFound("user", name)
    if found.type != "human":
        raise FailedPrecondition(f"{found.name!r} is a machine: it uses tokens and has no password")

    def change(user: User) -> User:
        roles = [ADMIN, *user.roles] if admin and ADMIN not in user.roles else user.roles
        return user.model_copy(update={"disabled": False, "roles": roles})

    return await users.update(found.id, change, password=password, within=within)
