"""People and machines: making, changing and removing them, and the rule that somebody can always administer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import AlreadyExists, FailedPrecondition, InvalidArgument, StaleEtag
from cloudly_kit.ids import new_id
from cloudly_kit.store import Page, PageRequest, RequestKey
from cloudly_kit.store import Session as Transaction

from cloudly_auth import names
from cloudly_auth.passwords import Passwords, weakness
from cloudly_auth.sessions import Sessions
from cloudly_auth.store import ADMINS_GUARD, ROOT, AuthStore, Ending, Guard, User

log = structlog.get_logger()

ADMIN = "admin"
ROLES = (ADMIN, "operator", "viewer", "api")
"""The roles that can be given; `cluster` belongs to the identities of clusters."""


Within = Callable[[str, Transaction], Awaitable[None]]
"""Something to be written together with a user."""


@dataclass(frozen=True)
class NewUser:
    """What a user is made of."""

    name: str
    roles: tuple[str, ...]
    type: str = "human"
    disabled: bool = False
    password: str = ""
    logs_in_elsewhere: bool = False
    """By an identity provider: a person without a password."""
    labels: tuple[tuple[str, str], ...] = ()


class Users:
    """The users, and everything that may happen to them."""

    def __init__(self, store: AuthStore, passwords: Passwords, sessions: Sessions) -> None:
        self._store = store
        self._passwords = passwords
        self._sessions = sessions
        # Within one process writers wait in line; only those of other replicas meet at the guard.
        self._in_line = asyncio.Lock()

    async def create(self, wanted: NewUser, request: RequestKey | None = None, *, within: Within | None = None) -> User:
        """Make a user; a repeated request answers the one it made before.

        `within` is called in the transaction that makes the user, with that user's id: what it writes is written
        exactly if the user is made.

        Raises:
            InvalidArgument: the name, a role or the password is not allowed.
            AlreadyExists: the name is taken, in any letter case.
        """
        _check(wanted)
        hashed = await self._passwords.hash(wanted.password) if wanted.password else ""
        user = User(
            name=wanted.name,
            name_folded=names.folded(wanted.name),
            type="machine" if wanted.type == "machine" else "human",
            roles=ordered(wanted.roles),
            disabled=wanted.disabled,
            password_hash=hashed,
            labels=dict(wanted.labels),
        )
        crashpoint("auth.users.create.before_write")
        user, repeated = await self._insert(_derived(user), request, within)
        crashpoint("auth.users.create.after_write")
        if not repeated:
            log.info("auth.user_created", user=user.id, name=user.name, roles=user.roles)
        return user

    async def _insert(self, user: User, request: RequestKey | None, within: Within | None) -> tuple[User, bool]:
        if within is None:
            return await self._store.users.insert(user, request=request)

        async def work(transaction: Transaction) -> tuple[User, bool]:
            await within(user.id, transaction)
            return await self._store.users.insert(user, session=transaction)

        return await self._store.database.transaction(work)

    async def get(self, id: str) -> User:
        """The user.

        Raises:
            NotFound: there is none.
        """
        return await self._store.users.get(id)

    async def by_name(self, name: str) -> User | None:
        """The user who is called so, in any letter case."""
        return await self._store.user_called(name)

    async def page(self, request: PageRequest) -> Page[User]:
        """The users by name, machines included."""
        return await self._store.users.page([ROOT], request)

    async def update(
        self,
        id: str,
        change: Callable[[User], User],
        *,
        password: str = "",
        etag: str = "",
        within: Within | None = None,
    ) -> User:
        """Change a user; a new password, fewer roles or being disabled end the sessions there are.

        `within` as in `create`.

        Raises:
            NotFound: there is none.
            StaleEtag: the user has changed since.
            InvalidArgument: a role or the password is not allowed.
            FailedPrecondition: nobody would be left to administer.
        """
        before = await self.get(id)
        _check_change(change(before), password)
        hashed = await self._passwords.hash(password) if password else ""

        async def work(transaction: Transaction) -> tuple[User, Ending | None]:
            if within is not None:
                await within(id, transaction)
            user = await self._current(id, etag, transaction)
            changed = change(user)
            changed = _derived(changed.model_copy(update={"password_hash": hashed or user.password_hash}))
            ending = None
            if hashed or (changed.disabled and not user.disabled) or set(user.roles) - set(changed.roles):
                changed = changed.model_copy(update={"session_epoch": user.session_epoch + 1})
                ending = Ending(user_id=id, epoch=changed.session_epoch)
                await self._store.endings.insert(ending, session=transaction)
            if user.enabled_admin and not changed.enabled_admin:
                await self._leave_an_admin(user, transaction)
            return await self._store.users.change(id, lambda _: changed, etag=etag, session=transaction), ending

        async with self._in_line:
            saved, ending = await self._store.database.transaction(work)
        crashpoint("auth.users.update.after_write")
        if ending is not None:
            await self._sessions.carry_out(ending)
        log.info("auth.user_updated", user=id, roles=saved.roles, disabled=saved.disabled, sessions_ended=bool(ending))
        return saved

    async def delete(self, id: str, *, etag: str = "") -> None:
        """Remove a user and end their sessions; the name is free again.

        Raises:
            NotFound: there is none.
            StaleEtag: the user has changed since.
            FailedPrecondition: nobody would be left to administer.
        """

        async def work(transaction: Transaction) -> Ending:
            user = await self._current(id, etag, transaction)
            if user.enabled_admin:
                await self._leave_an_admin(user, transaction)
            ending = Ending(user_id=id, epoch=user.session_epoch + 1)
            await self._store.endings.insert(ending, session=transaction)
            await self._store.users.delete(id, etag=etag, session=transaction)
            if await self._store.factors.find(id, session=transaction) is not None:
                await self._store.factors.delete(id, session=transaction)
            for link in await self._store.oidc_links.find_all(scope=id, session=transaction):
                await self._store.oidc_links.delete(link.id, session=transaction)
            return ending

        async with self._in_line:
            ending = await self._store.database.transaction(work)
        crashpoint("auth.users.delete.after_write")
        await self._sessions.carry_out(ending)
        log.info("auth.user_deleted", user=id)

    async def bootstrap(self, name: str, password: str) -> User | None:
        """Make the first admin; None when somebody can administer already, or another replica was faster.

        The rules on passwords are not applied: whoever sets the environment owns the host.
        """
        if await self._store.admins():
            return None
        hashed = await self._passwords.hash(password)
        first = _derived(
            User(id=new_id(), name=name, name_folded=names.folded(name), roles=[ADMIN], password_hash=hashed)
        )

        async def work(transaction: Transaction) -> User | None:
            if await self._store.admins(transaction):
                return None
            await self._meet(transaction)
            user, _ = await self._store.users.insert(first, session=transaction)
            return user

        crashpoint("auth.users.bootstrap.before_write")
        try:
            made = await self._store.database.transaction(work)
        except AlreadyExists:
            # The other replica's admin bears the same name.
            if not await self._store.admins():
                raise
            return None
        crashpoint("auth.users.bootstrap.after_write")
        return made

    async def has_admin(self) -> bool:
        """Whether anybody can log in and administer."""
        return bool(await self._store.admins())

    async def open(self) -> None:
        """Make the document at which writers of admins meet."""
        if await self._store.guards.find(ADMINS_GUARD) is None:
            try:
                await self._store.guards.insert(Guard(id=ADMINS_GUARD))
            except AlreadyExists:
                log.debug("auth.guard_made_elsewhere")

    async def _current(self, id: str, etag: str, transaction: Transaction) -> User:
        user = await self._store.users.get(id, session=transaction)
        if etag and etag != user.etag:
            raise StaleEtag("user", id, user.etag)
        return user

    async def _leave_an_admin(self, leaving: User, transaction: Transaction) -> None:
        # Two transactions that each see the other's admin would both go ahead; both write the guard, so one is repeated.
        await self._meet(transaction)
        if all(admin.id == leaving.id for admin in await self._store.admins(transaction)):
            raise FailedPrecondition("this is the last enabled admin: make another one first")

    async def _meet(self, transaction: Transaction) -> None:
        await self._store.guards.change(
            ADMINS_GUARD, lambda guard: guard.model_copy(update={"count": guard.count + 1}), session=transaction
        )


def role_problems(roles: tuple[str, ...]) -> list[str]:
    """Why these roles cannot be given, as sentences; empty when they can."""
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        return [f"{', '.join(map(repr, unknown))} cannot be given; there are {', '.join(ROLES)}"]
    return [] if roles else [f"must name at least one of {', '.join(ROLES)}"]


def ordered(roles: tuple[str, ...]) -> list[str]:
    """Each role once, the mightiest first."""
    return [role for role in ROLES if role in roles]


def _check(wanted: NewUser) -> None:
    violations = [("user.roles", problem) for problem in role_problems(wanted.roles)]
    if refusal := names.refusal(wanted.name):
        violations.append(("user.name", refusal))
    if wanted.type == "machine":
        if wanted.password:
            violations.append(("user.password", "a machine has none: it uses tokens"))
    elif not (wanted.logs_in_elsewhere and not wanted.password) and (problem := weakness(wanted.password, wanted.name)):
        violations.append(("user.password", problem if wanted.password else "is required for a person"))
    if violations:
        raise InvalidArgument.of(*violations)


def _check_change(changed: User, password: str) -> None:
    violations = [("user.roles", problem) for problem in role_problems(tuple(changed.roles))]
    if password and changed.type == "machine":
        violations.append(("user.password", "a machine has none: it uses tokens"))
    elif password and (problem := weakness(password, changed.name)):
        violations.append(("user.password", problem))
    if violations:
        raise InvalidArgument.of(*violations)


def _derived(user: User) -> User:
    able = user.type == "human" and not user.disabled and bool(user.password_hash)
    return user.model_copy(update={"roles": ordered(tuple(user.roles)), "enabled_admin": able and ADMIN in user.roles})
