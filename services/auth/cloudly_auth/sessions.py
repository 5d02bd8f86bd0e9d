"""Sessions of people: a short access token, and a refresh token that works once.

A refresh token is `cloudly_rt_<session>.<family>.<secret>`; only hashes of both secrets are kept. `family` is the same in
all refresh tokens of a session, so that an old one (whose holder knows it) is told from a made-up one (whose holder knows
at most the session's id), and only the former ends the session.

Each use replaces the secret. Two tabs, or a client whose answer was lost, may use the same one twice: within GRACE both
get the same successor, computed from the secret they present and a random number kept with the session, so that there is
one line of tokens and nobody is logged out. After GRACE a used token means that two hold it: the session is ended
(RFC 9700 §4.14.2). A thief who keeps within ten seconds of the owner at every step is not noticed; any other is.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from cloudly.auth.v1 import audit_pb2
from cloudly_kit.audit.calls import audited
from cloudly_kit.audit.entries import cut
from cloudly_kit.audit.journal import Journal
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import Conflict, CredentialsInvalid, StaleEtag, TokenExpired, TokenRevoked
from cloudly_kit.identity import AUDIENCE, Identity
from cloudly_kit.ids import hash_secret
from cloudly_kit.store import Session as Transaction

from cloudly_auth.revocations import Revocations
from cloudly_auth.store import ROOT, AuthStore, Ending, Revocation, Session, User
from cloudly_auth.tokens import LIFETIMES, Tokens

log = structlog.get_logger()

PREFIX = "cloudly_rt"
GRACE = timedelta(seconds=10)
_TRIES = 20


@dataclass(frozen=True)
class Granted:
    """What a login or a refresh gives; `refresh_token` is empty where the audience has none."""

    identity: Identity
    access_token: str
    refresh_token: str


@dataclass(frozen=True)
class Client:
    """Where a call comes from; `user_agent` is what it calls itself."""

    address: str = ""
    user_agent: str = ""


class Sessions:
    """Starts, continues and ends sessions. `must_enrol` tells who has to enrol a second factor first."""

    def __init__(
        self,
        store: AuthStore,
        tokens: Tokens,
        revocations: Revocations,
        journal: Journal,
        *,
        idle: timedelta,
        longest: timedelta,
        must_enrol: Callable[[User], Awaitable[bool]],
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._revocations = revocations
        self._journal = journal
        self._idle = idle
        self._longest = longest
        self._followers: list[Callable[[Ending], Awaitable[None]]] = []
        self._must_enrol = must_enrol

    async def start(
        self, user: User, audience: str, remote_address: str, user_agent: str = "", *, vouched: bool = False
    ) -> Granted:
        """A session for a user who has just proved who they are, whichever way.

        `vouched` says that an identity provider has seen a second factor, so that none has to be enrolled here.

        Raises:
            CredentialsInvalid: the user was disabled, deleted or given a new password in this very moment.
        """
        now = datetime.now(UTC)
        family, secret = _random(), _random()
        renewable = audience == AUDIENCE
        last = now + (self._longest if renewable else LIFETIMES[audience])
        session, _ = await self._store.sessions.insert(
            Session(
                scope=user.id,
                audience=audience,
                epoch=user.session_epoch,
                remote_address=remote_address,
                user_agent=user_agent,
                vouched=vouched,
                family_hash=hash_secret(family) if renewable else "",
                current_hash=hash_secret(secret) if renewable else "",
                rotate_time=now,
                last_time=last,
                expire_time=min(last, now + self._idle) if renewable else last,
            )
        )
        crashpoint("auth.sessions.start.after_write")
        # Whoever ended the user's sessions meanwhile may have looked before this one was there: look after it.
        again = await self._store.users.find(user.id)
        if again is None or not _may_continue(session, again):
            await self.end(session.id)
            raise CredentialsInvalid
        return await self._granted(session, again, _compose(session.id, family, secret) if renewable else "")

    async def refresh(self, refresh_token: str, remote_address: str = "") -> Granted:
        """The next pair of tokens, for somebody at this address.

        Raises:
            CredentialsInvalid: no refresh token of ours.
            TokenExpired: the session's time is over.
            TokenRevoked: it was ended, or is ended now because the token was used before.
        """
        session_id, family, secret = _parse(refresh_token)
        presented = hash_secret(secret)
        for _ in range(_TRIES):
            now = datetime.now(UTC)
            session = await self._store.sessions.find(session_id)
            if session is None or not hmac.compare_digest(session.family_hash, hash_secret(family)):
                raise CredentialsInvalid
            if not session.open:
                raise TokenRevoked
            if session.expire_time <= now:
                raise TokenExpired
            user = await self._store.users.find(session.scope)
            if user is None or not _may_continue(session, user):
                again = await self._store.sessions.find(session_id)
                if again is not None and again.etag != session.etag:
                    continue  # all others were ended in this moment, and this one was kept
                await self.end(session.id)
                raise TokenRevoked
            if hmac.compare_digest(presented, session.previous_hash) and now - session.rotate_time <= GRACE:
                return await self._granted(session, user, _compose(session.id, family, _successor(secret, session)))
            if not hmac.compare_digest(presented, session.current_hash):
                await self._end_reused(session, user, remote_address)
                raise TokenRevoked
            try:
                return await self._rotate(session, user, family, secret, now, remote_address)
            except StaleEtag:
                continue  # another tab was faster by a moment: what is presented is the previous one by now
        raise Conflict

    async def end(self, session_id: str) -> None:
        """End a session: its tokens are refused from now on. One that is unknown or over stays so."""
        now = datetime.now(UTC)

        async def work(transaction: Transaction) -> Revocation | None:
            session = await self._store.sessions.find(session_id, session=transaction)
            if session is None or not session.open:
                return None
            closed = session.model_copy(update={"open": False, "end_time": now})
            await self._store.sessions.change(session_id, lambda _: closed, session=transaction)
            return await self._revocations.record(session_id, LIFETIMES[session.audience], transaction)

        revocation = await self._store.database.transaction(work)
        if revocation is not None:
            await self._revocations.announce([revocation])
            log.info("auth.session_ended", session=session_id)

    def also_carry_out(self, follower: Callable[[Ending], Awaitable[None]]) -> None:
        """Have an ending end other things too; they may be told of the same one more than once."""
        self._followers.append(follower)

    async def carry_out(self, ending: Ending) -> None:
        """End all sessions that an ending is about, and what else hangs on the user. Repeating it changes nothing."""
        for session in await self._store.sessions.find_all(scope=ending.user_id, open=True):
            if session.epoch < ending.epoch:
                await self.end(session.id)
        for follow in self._followers:
            await follow(ending)
        await self._store.forget_ending(ending)

    async def carry_out_endings(self) -> None:
        """Finish what processes that died left behind."""
        for ending in await self._store.endings.find_all(scope=ROOT):
            await self.carry_out(ending)

    async def _end_reused(self, session: Session, user: User, remote_address: str) -> None:
        """End a session whose old refresh token came back: two hold it, and one of them has stolen it."""
        log.warning("auth.refresh_token_reused", session=session.id, user=user.id)
        entry = audit_pb2.AuditEntry(
            method="auth.EndReusedSession",
            actor=audit_pb2.AuditActor(id="auth", name="auth", type="service"),
            resource=audit_pb2.AuditResource(kind=self._store.users.kind, id=user.id, name=user.name),
            remote_address=cut(remote_address),
        )
        async with audited(self._journal, entry):
            await self.end(session.id)

    async def _rotate(
        self, session: Session, user: User, family: str, secret: str, now: datetime, remote_address: str
    ) -> Granted:
        turned = session.model_copy(update={"rotation": _random()})
        following = _successor(secret, turned)
        saved = await self._store.sessions.replace(
            turned.model_copy(
                update={
                    "current_hash": hash_secret(following),
                    "previous_hash": session.current_hash,
                    "rotate_time": now,
                    "remote_address": remote_address or session.remote_address,
                    "expire_time": min(session.last_time, now + self._idle),
                }
            )
        )
        crashpoint("auth.sessions.refresh.after_write")
        return await self._granted(saved, user, _compose(saved.id, family, following))

    async def _granted(self, session: Session, user: User, refresh_token: str) -> Granted:
        identity = Identity(
            id=user.id,
            name=user.name,
            type=user.type,
            roles=tuple(user.roles),
            session_id=session.id,
            audience=session.audience,
            must_enrol=not session.vouched and await self._must_enrol(user),
        )
        access_token, identity = await self._tokens.sign(identity, not_after=session.last_time)
        return Granted(identity, access_token, refresh_token)


def _may_continue(session: Session, user: User) -> bool:
    return not user.disabled and user.session_epoch == session.epoch


def _random() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


def _successor(secret: str, session: Session) -> str:
    """What follows a secret: nobody can tell it who lacks the secret, or the number kept with the session."""
    digest = hmac.digest(secret.encode(), session.rotation.encode(), hashlib.sha256)
    return digest.hex()


def _compose(session_id: str, family: str, secret: str) -> str:
    return f"{PREFIX}_{session_id}.{family}.{secret}"


def _parse(refresh_token: str) -> tuple[str, str, str]:
    prefix, _, rest = refresh_token.rpartition(f"{PREFIX}_") if refresh_token.startswith(PREFIX) else ("", "", "")
    parts = rest.split(".")
    if prefix or len(parts) != 3 or not all(parts):
        raise CredentialsInvalid
    return parts[0], parts[1], parts[2]
