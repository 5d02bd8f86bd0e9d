"""Which user somebody is whom a provider has identified: known by a link, made now, or nobody. And as what they come in.

Only issuer and subject say who somebody is. A name or an e-mail address never leads to a user who is there already: at
many providers people choose them.
"""

import re
import unicodedata
from collections.abc import Awaitable, Callable, Iterator

import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import AlreadyExists, Conflict, FailedPrecondition, NotFound, PermissionDenied
from cloudly_kit.store import Page, PageRequest, now
from cloudly_kit.store import Session as Transaction

from cloudly_auth import names
from cloudly_auth.accounts import Accounts
from cloudly_auth.oidc.store import OidcLink, OidcProvider, Person
from cloudly_auth.store import AuthStore, User
from cloudly_auth.users import NewUser, Users, ordered

log = structlog.get_logger()

_TRIES = 20
_NAME_LENGTH = 60
"""Of 64, so that a number fits behind it."""

Spend = Callable[[Transaction], Awaitable[None]]
"""Uses the login up, in the transaction of what it leads to."""


class People:
    """Links between people at providers and users."""

    def __init__(self, store: AuthStore, users: Users, accounts: Accounts) -> None:
        self._store = store
        self._users = users
        self._accounts = accounts

    async def admit(self, provider: OidcProvider, person: Person, spend: Spend) -> User:
        """The user that somebody logs in as; made, or given the roles of their groups, where the provider is so set.

        Raises:
            PermissionDenied: they may not come in; the message says why.
        """
        _check_email(provider, person)
        roles = ordered(tuple(provider.roles_of(person.groups)))
        for _ in range(_TRIES):
            link = await self._store.oidc_links.find_one(identity=person.identity)
            if link is not None:
                return await self._known(link, provider, person, roles, spend)
            if not provider.auto_create:
                raise PermissionDenied(
                    "login",
                    f"nobody here is linked to your account at {provider.shown_name}: log in as you did before and "
                    "link it under Account, or ask an admin for an invitation first",
                )
            if not roles:
                raise _no_roles(provider)
            try:
                return await self._create(provider, person, roles, spend)
            except AlreadyExists:
                # Somebody took the name, or the same person logs in twice at this moment: look again.
                log.info("auth.oidc_user_raced", provider=provider.name)
        raise Conflict

    async def link(self, user_id: str, provider: OidcProvider, person: Person, spend: Spend) -> OidcLink:
        """Have somebody at a provider be this user from now on.

        Raises:
            PermissionDenied: the provider is not for them.
            FailedPrecondition: they are another user already.
        """
        _check_email(provider, person)

        async def work(transaction: Transaction) -> OidcLink:
            await spend(transaction)
            return await self._link(user_id, provider, person, transaction)

        known = await self._store.oidc_links.find_one(identity=person.identity)
        try:
            if known is not None:
                raise AlreadyExists("linked identity", person.subject)
            made = await self._store.database.transaction(work)
        except AlreadyExists as error:
            whose = "your account" if known is not None and known.scope == user_id else "another account"
            raise FailedPrecondition(
                f"your account at {provider.shown_name} is linked to {whose} here already"
            ) from error
        log.info("auth.oidc_linked", user=user_id, provider=provider.name, link=made.id)
        return made

    async def page(self, user_id: str, request: PageRequest) -> Page[OidcLink]:
        """Who a user is at providers.

        Raises:
            NotFound: there is no such user.
        """
        await self._users.get(user_id)
        return await self._store.oidc_links.page([user_id], request)

    async def of(self, user_id: str) -> list[OidcLink]:
        """The same without pages, for somebody's own."""
        return await self._store.oidc_links.find_all(scope=user_id)

    async def unlink(self, user_id: str, link_id: str, *, by_admin: bool) -> None:
        """A user does not log in so any more. An admin signs them out too, and may take the last way in.

        Raises:
            NotFound: the user has no such link.
            FailedPrecondition: they would have no way in any more.
        """
        link = await self._store.oidc_links.find(link_id)
        if link is None or link.scope != user_id:
            raise NotFound("linked identity", link_id)
        if by_admin:
            await self._accounts.sign_out(user_id, also=lambda transaction: self._forget(link_id, transaction))
        else:
            await self._store.database.transaction(lambda transaction: self._forget_own(user_id, link_id, transaction))
        log.info("auth.oidc_unlinked", user=user_id, link=link_id, by_admin=by_admin)

    async def _forget(self, link_id: str, transaction: Transaction) -> None:
        await self._store.oidc_links.delete(link_id, session=transaction)

    async def _forget_own(self, user_id: str, link_id: str, transaction: Transaction) -> None:
        # Written too, so that two that take away two ways in at once do not both go ahead.
        user = await self._store.users.change(user_id, lambda old: old, session=transaction)
        factors = await self._store.factors.find(user_id, session=transaction)
        others = [
            link
            for link in await self._store.oidc_links.find_all(scope=user_id, session=transaction)
            if link.id != link_id
        ]
        if not (user.password_hash or others or (factors is not None and factors.passkeys)):
            raise FailedPrecondition("this is your only way to log in: have an admin give you a reset link first")
        await self._forget(link_id, transaction)

    async def _known(
        self, link: OidcLink, provider: OidcProvider, person: Person, roles: list[str], spend: Spend
    ) -> User:
        user = await self._users.get(link.scope)
        if user.disabled:
            raise PermissionDenied("login", "your account is disabled: ask an admin to enable it")

        async def use(_: str, transaction: Transaction) -> None:
            await spend(transaction)
            seen = {"provider_id": provider.id, "email": person.email, "last_login_time": now()}
            await self._store.oidc_links.change(link.id, lambda old: old.model_copy(update=seen), session=transaction)

        if provider.role_mappings and not roles:
            # What they had by their groups is theirs no more, in no session.
            await self._accounts.sign_out(user.id, also=lambda transaction: use(user.id, transaction))
            raise _no_roles(provider)
        if provider.role_mappings and roles != user.roles:
            try:
                return await self._users.update(
                    user.id, lambda old: old.model_copy(update={"roles": roles}), within=use
                )
            except FailedPrecondition:
                log.warning("auth.oidc_roles_not_followed", user=user.id, reason="the last admin", roles=roles)
        await self._store.database.transaction(lambda transaction: use(user.id, transaction))
        return user

    async def _create(self, provider: OidcProvider, person: Person, roles: list[str], spend: Spend) -> User:
        async def link(user_id: str, transaction: Transaction) -> None:
            await spend(transaction)
            made = await self._link(user_id, provider, person, transaction)
            await self._store.oidc_links.change(
                made.id, lambda old: old.model_copy(update={"last_login_time": now()}), session=transaction
            )

        name = await self._free_name(person)
        crashpoint("auth.oidc.create.before_write")
        user = await self._users.create(NewUser(name, tuple(roles), logs_in_elsewhere=True), within=link)
        crashpoint("auth.oidc.create.after_write")
        log.info("auth.oidc_user_created", user=user.id, provider=provider.name)
        return user

    async def _link(self, user_id: str, provider: OidcProvider, person: Person, transaction: Transaction) -> OidcLink:
        made, _ = await self._store.oidc_links.insert(
            OidcLink(
                scope=user_id,
                identity=person.identity,
                issuer=person.issuer,
                subject=person.subject,
                provider_id=provider.id,
                email=person.email,
            ),
            session=transaction,
        )
        return made

    async def _free_name(self, person: Person) -> str:
        for name in _names(person):
            if not names.refusal(name) and await self._users.by_name(name) is None:
                return name
        raise AssertionError("the last name of a person is theirs alone")


def _names(person: Person) -> Iterator[str]:
    """What somebody could be called here, the best first; the last one follows from who they are."""
    for told in (person.username, person.email):
        # Letters lose their marks, what no name may hold becomes a hyphen.
        plain = unicodedata.normalize("NFKD", told).encode("ascii", "ignore").decode()
        plain = re.sub(r"[^A-Za-z0-9._@-]+", "-", plain).strip("._@-")[:_NAME_LENGTH]
        if plain:
            yield plain
            yield from (f"{plain}-{number}" for number in range(2, 10))
    yield f"user-{person.identity}"


def _check_email(provider: OidcProvider, person: Person) -> None:
    domain = person.email.rpartition("@")[2].lower()
    if provider.email_domains and not (person.email_verified and domain in provider.email_domains):
        raise PermissionDenied(
            "login", f"only verified e-mail addresses at {', '.join(provider.email_domains)} may log in here"
        )


def _no_roles(provider: OidcProvider) -> PermissionDenied:
    return PermissionDenied(
        "login", f"none of your groups at {provider.shown_name} has a role here: ask an admin for one"
    )
