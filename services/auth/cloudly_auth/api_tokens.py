"""API tokens: making, listing and revoking them, and what they are traded for.

A token acts for its owner, with those of its roles that the owner still has. The access tokens it buys bear the sid
`<token>.<owner's epoch>`: revoking the token ends them by that sid, and so does whatever ends the owner's sessions, while
the token itself buys new ones of the next epoch as long as its owner may.
"""

import asyncio
import hmac
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from cloudly_kit.access import known_permissions
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import CredentialsInvalid, InvalidArgument, NotFound, PermissionDenied, TokenExpired
from cloudly_kit.identity import LEGACY_AUDIENCE, Identity
from cloudly_kit.ids import derived_id, hash_secret, new_secret
from cloudly_kit.scopes import Scope, matches
from cloudly_kit.store import Page, PageRequest, RequestKey
from cloudly_kit.store import Session as Transaction

from cloudly_auth import names
from cloudly_auth.api_token_store import ApiToken
from cloudly_auth.revocations import Revocations
from cloudly_auth.store import ROOT, AuthStore, Ending, Revocation, User
from cloudly_auth.tokens import LIFETIMES, Tokens

log = structlog.get_logger()

PREFIX = "cloudly_pat"
ANY_USERNAME = "token"
"""What may stand for the owner's name in a Basic login."""
DEFAULT_LIFE = timedelta(days=90)
USE_WRITTEN_EVERY = timedelta(minutes=5)
_LONGEST_EXCHANGED = LIFETIMES[LEGACY_AUDIENCE]


@dataclass(frozen=True)
class NewApiToken:
    """What a token is made of; see the contract."""

    name: str
    owner_id: str
    roles: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    cluster_ids: tuple[str, ...] = ()
    workload_ids: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    expire_time: datetime | None = None
    never_expires: bool = False
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Shown:
    """A token and what its owner is called; empty where the owner is gone."""

    token: ApiToken
    owner_name: str


class ApiTokens:
    """The API tokens, and everything that may happen to them. `longest` bounds their life; None does not."""

    def __init__(
        self, store: AuthStore, tokens: Tokens, revocations: Revocations, *, longest: timedelta | None
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._revocations = revocations
        self._longest = longest

    async def create(self, wanted: NewApiToken, request: RequestKey | None = None) -> tuple[Shown, str]:
        """Make a token; the text is its secret, or empty for a repeated request.

        Raises:
            InvalidArgument: a role is not the owner's, a permission is unknown, or it would live too long.
            AlreadyExists: the owner has a token of this name.
            PermissionDenied: the owner is no user, but a cluster, or was deleted.
        """
        owner = await self._store.users.find(wanted.owner_id)
        if owner is None:
            raise PermissionDenied("user", f"only users have API tokens, and {wanted.owner_id} is none")
        expires = self._end(wanted)
        _check(wanted, owner)
        secret = new_secret(PREFIX)
        hashed = hash_secret(secret)
        token = ApiToken(
            id=_token_id(hashed),
            owner_id=owner.id,
            name=wanted.name,
            secret_hash=hashed,
            roles=list(wanted.roles) or owner.roles,
            permissions=list(wanted.permissions),
            cluster_ids=list(wanted.cluster_ids),
            workload_ids=list(wanted.workload_ids),
            repositories=list(wanted.repositories),
            expire_time=expires,
            labels=dict(wanted.labels),
        )
        made, repeated = await self._store.api_tokens.insert(token, request=request)
        crashpoint("auth.api_tokens.create.after_write")
        if not repeated:
            log.info("auth.api_token_made", token=made.id, owner=owner.id, roles=made.roles)
        return Shown(made, owner.name), "" if repeated else secret

    async def get(self, id: str, *, owner_id: str | None) -> Shown:
        """A token, of this owner where one is named.

        Raises:
            NotFound: there is none, or it is another's.
        """
        token = await self._store.api_tokens.get(id)
        if owner_id is not None and token.owner_id != owner_id:
            raise NotFound(self._store.api_tokens.kind, id)
        return (await self._shown([token]))[0]

    async def page(self, request: PageRequest, *, owner_id: str | None) -> Page[Shown]:
        """The tokens by name, of one owner or of all."""
        equal = {} if owner_id is None else {"owner_id": owner_id}
        page = await self._store.api_tokens.page([ROOT], request, **equal)
        return Page(await self._shown(page.items), page.next_page_token)

    async def revoke(self, id: str, *, owner_id: str | None) -> None:
        """End a token and all that it bought.

        Raises:
            NotFound: as `get`.
        """

        async def work(transaction: Transaction) -> list[Revocation]:
            token = await self._store.api_tokens.get(id, session=transaction)
            if owner_id is not None and token.owner_id != owner_id:
                raise NotFound(self._store.api_tokens.kind, id)
            await self._store.api_tokens.delete(id, session=transaction)
            owner = await self._store.users.find(token.owner_id, session=transaction)
            if owner is None:
                return []
            sid = _sid(token, owner.session_epoch)
            return [await self._revocations.record(sid, _LONGEST_EXCHANGED, transaction)]

        revocations = await self._store.database.transaction(work)
        crashpoint("auth.api_tokens.revoke.after_write")
        await self._revocations.announce(revocations)
        log.info("auth.api_token_revoked", token=id)

    async def exchange(self, secret: str, audience: str, remote_address: str) -> tuple[str, Identity]:
        """A short access token for an API token.

        Raises:
            CredentialsInvalid: unknown, or its owner may not come in any more.
            TokenExpired: its time is over.
        """
        token, identity = await self.identify(secret, remote_address)
        return await self._tokens.sign(replace(identity, audience=audience), not_after=token.expire_time)

    async def identify(self, secret: str, remote_address: str) -> tuple[ApiToken, Identity]:
        """The token with this secret, and the identity it stands for.

        Raises:
            CredentialsInvalid, TokenExpired: as `exchange`.
        """
        hashed = hash_secret(secret)
        token = await self._store.api_tokens.find(_token_id(hashed))
        if token is None or not hmac.compare_digest(token.secret_hash, hashed):
            raise CredentialsInvalid
        now = datetime.now(UTC)
        if token.expire_time is not None and token.expire_time <= now:
            raise TokenExpired("the API token's time is over; make another one")
        owner = await self._store.users.find(token.owner_id)
        if owner is None or owner.disabled:
            raise CredentialsInvalid
        await self._note_use(token, now, remote_address)
        return token, _identity(token, owner)

    async def check_login(self, username: str, secret: str, remote_address: str) -> Identity:
        """The identity of a Basic login with the token as the password and its owner's name, or `token`, before it.

        Raises:
            CredentialsInvalid, TokenExpired: as `exchange`; also for another's name.
        """
        _, identity = await self.identify(secret, remote_address)
        if username != ANY_USERNAME and names.folded(username) != names.folded(identity.name):
            raise CredentialsInvalid
        return identity

    async def carry_out(self, ending: Ending) -> None:
        """End what the tokens of a user bought in earlier epochs, and the tokens too when the user is gone."""
        owner = await self._store.users.find(ending.user_id)
        for token in await self._store.api_tokens.find_all(scope=ROOT, owner_id=ending.user_id):
            await self._end_epoch(token, ending.epoch - 1, gone=owner is None)

    async def _end_epoch(self, token: ApiToken, epoch: int, *, gone: bool) -> None:
        async def work(transaction: Transaction) -> Revocation | None:
            if gone:
                if await self._store.api_tokens.find(token.id, session=transaction) is None:
                    return None
                await self._store.api_tokens.delete(token.id, session=transaction)
            return await self._revocations.record(_sid(token, epoch), _LONGEST_EXCHANGED, transaction)

        revocation = await self._store.database.transaction(work)
        if revocation is not None:
            await self._revocations.announce([revocation])

    async def _note_use(self, token: ApiToken, now: datetime, remote_address: str) -> None:
        if token.last_use_time is not None and now - token.last_use_time < USE_WRITTEN_EVERY:
            return

        def used(found: ApiToken) -> ApiToken | None:
            if found.last_use_time is not None and now - found.last_use_time < USE_WRITTEN_EVERY:
                return None  # another replica was faster
            return found.model_copy(update={"last_use_time": now, "last_use_address": remote_address})

        try:
            await self._store.api_tokens.change(token.id, used)
        except NotFound as error:
            raise CredentialsInvalid from error

    async def _shown(self, tokens: list[ApiToken]) -> list[Shown]:
        ids = list({token.owner_id for token in tokens})
        owners = dict(zip(ids, await asyncio.gather(*map(self._store.users.find, ids)), strict=True))
        names = {id: owner.name if owner else "" for id, owner in owners.items()}
        return [Shown(token, names[token.owner_id]) for token in tokens]

    def _end(self, wanted: NewApiToken) -> datetime | None:
        now = datetime.now(UTC)
        latest = None if self._longest is None else now + self._longest
        if wanted.never_expires:
            if wanted.expire_time is not None:
                raise InvalidArgument.of(("token.never_expires", "must not be set together with expire_time"))
            if latest is not None:
                raise InvalidArgument.of(("token.never_expires", f"is not allowed here; {self._bound()}"))
            return None
        if wanted.expire_time is None:
            return now + DEFAULT_LIFE if latest is None else min(now + DEFAULT_LIFE, latest)
        if wanted.expire_time <= now:
            raise InvalidArgument.of(("token.expire_time", "must be in the future"))
        # A client that adds the days up by its own clock may be a little ahead.
        if latest is not None and wanted.expire_time > latest + timedelta(minutes=5):
            raise InvalidArgument.of(("token.expire_time", f"is too late; {self._bound()}"))
        return wanted.expire_time

    def _bound(self) -> str:
        return f"an API token lives at most {self._longest.days if self._longest else 0} days"


def _check(wanted: NewApiToken, owner: User) -> None:
    violations = []
    if wanted.name != wanted.name.strip() or not wanted.name.isprintable():
        violations.append(("token.name", "must be printable text without spaces around it"))
    foreign = sorted(set(wanted.roles) - set(owner.roles))
    if foreign:
        allowed = ", ".join(owner.roles)
        violations.append(("token.roles", f"{', '.join(foreign)}: not a role of {owner.name}, who has {allowed}"))
    for pattern in wanted.permissions:
        if pattern.count(".") != 1 or not any(matches(pattern, known) for known in known_permissions()):
            violations.append(("token.permissions", f"{pattern!r} covers no permission there is"))
    if violations:
        raise InvalidArgument.of(*violations)


def _identity(token: ApiToken, owner: User) -> Identity:
    limits = {("cluster", id) for id in token.cluster_ids} | {("workload", id) for id in token.workload_ids}
    limits |= {("repository", name) for name in token.repositories}
    return Identity(
        id=owner.id,
        name=owner.name,
        type=owner.type,
        roles=tuple(role for role in token.roles if role in owner.roles),
        session_id=_sid(token, owner.session_epoch),
        scope=Scope(tuple(token.permissions) or ("*.*",), frozenset(limits)),
    )


def _token_id(hashed: str) -> str:
    # Found by id, whoever it belongs to: no other index is needed, and the id tells nothing of the secret.
    return derived_id("api-token", hashed)


def _sid(token: ApiToken, epoch: int) -> str:
    return f"{token.id}.{epoch}"
