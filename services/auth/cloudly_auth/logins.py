"""Proving who one is with a user name and a password."""

import structlog
from cloudly_kit.errors import CredentialsInvalid

from cloudly_auth import names
from cloudly_auth.attempts import Attempts
from cloudly_auth.passwords import Passwords
from cloudly_auth.store import User
from cloudly_auth.users import Users

log = structlog.get_logger()


class Logins:
    """Checks names and passwords; what is wrong is never told, nor can it be told by the time it takes."""

    def __init__(self, users: Users, passwords: Passwords, attempts: Attempts) -> None:
        self._users = users
        self._passwords = passwords
        self._attempts = attempts

    async def check(self, name: str, password: str, remote_address: str) -> User:
        """The user with this name and password.

        Raises:
            CredentialsInvalid: no such user, another password, or disabled: all the same to the caller.
            RateLimited: too many failures before.
        """
        async with self._attempts.attempt(account=names.folded(name), address=remote_address):
            user = await self._users.by_name(name)
            right = await self._passwords.matches(password, user.password_hash if user else None)
            if user is None or not right or user.disabled:
                log.info("auth.login_refused", user=user.id if user else "", remote=remote_address)
                raise CredentialsInvalid
            return user
