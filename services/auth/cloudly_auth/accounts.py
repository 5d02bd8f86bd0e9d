"""What people do with their own account, and admins with another's: the password, signing out, resetting factors."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import (
    CredentialsInvalid,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)
from cloudly_kit.identity import Identity
from cloudly_kit.store import Page, PageRequest
from cloudly_kit.store import Session as Transaction

from cloudly_auth.logins import Logins
from cloudly_auth.passwords import Passwords, weakness
from cloudly_auth.sessions import Client, Sessions
from cloudly_auth.store import AuthStore, Ending, Session, User

log = structlog.get_logger()

FRESH = timedelta(minutes=10)
"""So long after a login its session is proof enough to add a factor."""


class Accounts:
    """Passwords, sessions and resets of accounts."""

    def __init__(self, store: AuthStore, passwords: Passwords, sessions: Sessions, logins: Logins) -> None:
        self._store = store
        self._passwords = passwords
        self._sessions = sessions
        self._logins = logins

    async def own(self, actor: Identity) -> tuple[User, Session]:
        """The caller's user and session.

        Raises:
            FailedPrecondition: the caller is no person with a session: a machine, or somebody's API token.
        """
        session = await self._store.sessions.find(actor.session_id) if actor.session_id else None
        user = await self._store.users.find(actor.id)
        if session is None or user is None or session.scope != user.id:
            raise FailedPrecondition("this is for people who are logged in, not for tokens: use `cloudly login`")
        return user, session

    async def change_password(self, user: User, old: str, new: str, keep: Session, client: Client) -> None:
        """Give the user a new password. All sessions end but the one to keep.

        Raises:
            InvalidArgument: the old password is wrong, or the new one is not allowed.
            FailedPrecondition: the account has no password.
            RateLimited: too many wrong ones before.
        """
        if not user.password_hash:
            raise FailedPrecondition("this account has no password: it logs in elsewhere, or an admin gives it one")
        if problem := weakness(new, user.name):
            raise InvalidArgument.of(("new_password", problem))
        try:
            await self._logins.check(user.name, old, client.address)
        except CredentialsInvalid as error:
            # The caller's token is fine: 401 would have clients throw it away.
            raise InvalidArgument.of(("old_password", "is not the password")) from error
        hashed = await self._passwords.hash(new)

        def change(current: User) -> User:
            if current.password_hash != user.password_hash:
                raise FailedPrecondition("the password was changed by somebody else in this moment")
            return current.model_copy(update={"password_hash": hashed})

        await self._begin_epoch(user.id, keep.id, change)
        log.info("auth.password_changed", user=user.id)

    async def sessions(self, user_id: str, request: PageRequest) -> Page[Session]:
        """The open sessions of a user, the newest first; a page may have fewer than asked for.

        Raises:
            NotFound: there is no such user.
        """
        await self._store.users.get(user_id)
        page = await self._store.sessions.page([user_id], request, open=True)
        present = datetime.now(UTC)
        return Page([session for session in page.items if session.expire_time > present], page.next_page_token)

    async def revoke(self, user_id: str, session_id: str) -> None:
        """End a session of a user. One that is over stays so.

        Raises:
            NotFound: the user has no such session.
        """
        session = await self._store.sessions.find(session_id)
        if session is None or session.scope != user_id:
            raise NotFound("session", session_id)
        await self._sessions.end(session_id)

    async def sign_out(
        self, user_id: str, keep: str = "", *, also: Callable[[Transaction], Awaitable[None]] | None = None
    ) -> None:
        """End all sessions of a user but the one to keep, and void the logins that are half done.

        What `also` writes is written in the same transaction.

        Raises:
            NotFound: there is no such user.
        """
        await self._begin_epoch(user_id, keep, also=also)
        log.info("auth.signed_out_everywhere", user=user_id, kept=keep)

    async def reset_factors(self, user_id: str) -> None:
        """Take all second factors from a user and end their sessions: the device that is lost may be logged in.

        Raises:
            NotFound: there is no such user.
        """
        await self._begin_epoch(user_id, also=lambda transaction: self._store.forget_factors(user_id, transaction))
        log.warning("auth.factors_reset", user=user_id)

    async def _begin_epoch(
        self,
        user_id: str,
        keep: str = "",
        change: Callable[[User], User] = lambda user: user,
        also: Callable[[Transaction], Awaitable[None]] | None = None,
    ) -> None:
        async def work(transaction: Transaction) -> Ending:
            user = await self._store.users.change(
                user_id,
                lambda old: change(old).model_copy(update={"session_epoch": old.session_epoch + 1}),
                session=transaction,
            )
            ending = Ending(user_id=user_id, epoch=user.session_epoch)
            await self._store.endings.insert(ending, session=transaction)
            if keep:
                await self._store.sessions.change(
                    keep, lambda old: old.model_copy(update={"epoch": user.session_epoch}), session=transaction
                )
            if also is not None:
                await also(transaction)
            return ending

        ending = await self._store.database.transaction(work)
        crashpoint("auth.accounts.epoch.after_write")
        await self._sessions.carry_out(ending)


def is_fresh(session: Session) -> bool:
    """Whether its owner has logged in just now."""
    return datetime.now(UTC) - session.create_time < FRESH
