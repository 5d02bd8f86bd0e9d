"""The first admin, from SERVEZONE_ADMINACCOUNT, as long as nobody can administer."""

import structlog

from cloudly_auth import names
from cloudly_auth.passwords import weakness
from cloudly_auth.users import Users

log = structlog.get_logger()

VARIABLE = "SERVEZONE_ADMINACCOUNT"


class BadAdminAccount(ValueError):
    """The setting is there and cannot be used."""


def parse(setting: str) -> tuple[str, str]:
    """User name and password of a `user:password`; the password may contain colons.

    Raises:
        BadAdminAccount: it is not of that form. The value is not repeated: it holds a password.
    """
    name, colon, password = setting.partition(":")
    if not colon or not name or not password:
        raise BadAdminAccount(f"{VARIABLE} must be user:password")
    if problem := names.refusal(name):
        raise BadAdminAccount(f"{VARIABLE}: the user name {problem}")
    return name, password


async def bootstrap_admin(users: Users, setting: str) -> None:
    """Make the first admin if nobody can administer; any number of replicas may do it at once.

    Raises:
        BadAdminAccount: the setting is needed and cannot be used.
    """
    if await users.has_admin():
        return
    if not setting:
        log.warning("auth.no_admin", hint=f"set {VARIABLE}=user:password and start again")
        return
    name, password = parse(setting)
    admin = await users.bootstrap(name, password)
    if admin is None:
        return
    if problem := weakness(password, name):
        log.warning("auth.admin_password_weak", user=admin.id, problem=problem)
    log.info("auth.admin_bootstrapped", user=admin.id, name=admin.name)
