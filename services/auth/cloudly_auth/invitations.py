"""One-time links: by an invitation a person becomes a user, by a reset link a user chooses a new password.

A link is `<origin>/invite#cloudly_inv_<id>.<secret>`: what follows the # stays in the browser and reaches no access log.
Only a hash of the secret is kept. A link is used up in the same transaction that makes or changes the user, so that of
many who use it at once one succeeds, and a process that dies leaves either the link or the user.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import AlreadyExists, CredentialsInvalid, FailedPrecondition, InvalidArgument
from cloudly_kit.ids import hash_secret, new_id
from cloudly_kit.store import Page, PageRequest, RequestKey
from cloudly_kit.store import Session as Transaction

from cloudly_auth import names
from cloudly_auth.attempts import Attempts
from cloudly_auth.invitation_store import Invitation, InvitationStore
from cloudly_auth.mail import Mail, MailFailed, address_problem
from cloudly_auth.passwords import weakness
from cloudly_auth.store import ROOT, User
from cloudly_auth.users import NewUser, Users, ordered, role_problems

log = structlog.get_logger()

PREFIX = "cloudly_inv_"
PATH = "/invite#"
INVITE_HOURS, RESET_HOURS = 72, 24


@dataclass(frozen=True)
class Issued:
    """A link, as it is shown once; empty when a repeated request is answered."""

    invitation: Invitation
    link: str
    mailed: bool = False
    mail_problem: str = ""


class Invitations:
    """Issues, shows, revokes and accepts links."""

    def __init__(
        self, store: InvitationStore, users: Users, attempts: Attempts, mail: Mail | None, public_origin: str
    ) -> None:
        self._store = store
        self._users = users
        self._attempts = attempts
        self._mail = mail
        self._origin = public_origin

    async def invite(
        self,
        name: str,
        roles: tuple[str, ...],
        *,
        email: str,
        hours: int,
        invited_by: str,
        labels: dict[str, str],
        request: RequestKey | None,
    ) -> Issued:
        """A link that makes a user; an earlier one for the same name ends.

        Raises:
            InvalidArgument: the name, a role or the e-mail address is not allowed.
            AlreadyExists: there is a user of this name.
        """
        violations = [("invitation.roles", problem) for problem in role_problems(roles)]
        if refusal := names.refusal(name):
            violations.append(("invitation.name", refusal))
        if email and (problem := address_problem(email)):
            violations.append(("invitation.email", problem))
        if violations:
            raise InvalidArgument.of(*violations)
        if await self._users.by_name(name) is not None:
            raise AlreadyExists("user", name)
        invitation = Invitation(
            kind="invite",
            name=name,
            name_folded=names.folded(name),
            roles=ordered(roles),
            email=email,
            invited_by=invited_by,
            labels=labels,
            expire_time=_in_hours(hours or INVITE_HOURS),
        )
        return await self._issue(invitation, request)

    async def reset(self, user_id: str, *, email: str, hours: int, invited_by: str) -> Issued:
        """A link by which a user chooses a new password; earlier ones end.

        Raises:
            NotFound: there is no such user.
            FailedPrecondition: it is a machine, or disabled.
            InvalidArgument: the e-mail address is none.
        """
        if email and (problem := address_problem(email)):
            raise InvalidArgument.of(("email", problem))
        user = await self._users.get(user_id)
        _check_resettable(user)
        invitation = Invitation(
            kind="reset",
            name=user.name,
            name_folded=user.name_folded,
            roles=user.roles,
            email=email,
            user_id=user.id,
            invited_by=invited_by,
            expire_time=_in_hours(hours or RESET_HOURS),
        )
        return await self._issue(invitation, None)

    async def page(self, request: PageRequest) -> Page[Invitation]:
        """What was issued, the latest to end first."""
        return await self._store.invitations.page([ROOT], request)

    async def revoke(self, id: str) -> Invitation:
        """End a link; one that has ended already stays as it is.

        Raises:
            NotFound: there is none.
            FailedPrecondition: it was used.
        """

        def change(invitation: Invitation) -> Invitation | None:
            if invitation.state == "accepted":
                raise FailedPrecondition("it was used already: disable or delete the user instead")
            return invitation.model_copy(update={"state": "revoked"}) if invitation.state == "pending" else None

        revoked = await self._store.invitations.change(id, change)
        log.info("auth.invitation_revoked", invitation=id)
        return revoked

    async def look_up(self, token: str, remote_address: str) -> Invitation:
        """What a link is for.

        Raises:
            CredentialsInvalid: no link of ours.
            FailedPrecondition: it was used, revoked or has run out.
            RateLimited: too many wrong ones before.
        """
        async with self._attempts.secret(address=remote_address):
            return _usable(await self._proved(token))

    async def accept(self, token: str, password: str, remote_address: str) -> tuple[Invitation, User]:
        """Use a link up: the user is made, or has the new password and no sessions.

        Raises:
            CredentialsInvalid, FailedPrecondition, RateLimited: as look_up.
            InvalidArgument: the password is not allowed; the link stays usable.
            AlreadyExists: somebody else took the name meanwhile.
        """
        async with self._attempts.secret(address=remote_address):
            invitation = _usable(await self._proved(token))
        if problem := weakness(password, invitation.name):
            raise InvalidArgument.of(("password", problem))

        async def use_up(user_id: str, transaction: Transaction) -> None:
            current = _usable(await self._store.invitations.get(invitation.id, session=transaction))
            used = current.model_copy(
                update={"state": "accepted", "accept_time": datetime.now(UTC), "user_id": user_id}
            )
            await self._store.invitations.change(current.id, lambda _: used, session=transaction)

        crashpoint("auth.invitations.accept.before_write")
        if invitation.kind == "invite":
            wanted = NewUser(invitation.name, tuple(invitation.roles), password=password)
            user = await self._users.create(wanted, within=use_up)
        else:
            user = await self._users.update(invitation.user_id, _unchanged, password=password, within=use_up)
        crashpoint("auth.invitations.accept.after_write")
        log.info("auth.invitation_accepted", invitation=invitation.id, kind=invitation.kind, user=user.id)
        return invitation, user

    async def _issue(self, invitation: Invitation, request: RequestKey | None) -> Issued:
        secret = secrets.token_urlsafe(32)
        wanted = invitation.model_copy(update={"id": new_id(), "secret_hash": hash_secret(secret)})

        async def work(transaction: Transaction) -> tuple[Invitation, bool]:
            made, repeated = await self._store.invitations.insert(wanted, request=request, session=transaction)
            if not repeated:
                for earlier in await self._store.pending_of(wanted.name_folded, transaction):
                    if earlier.id != made.id and earlier.kind == wanted.kind:
                        ended = earlier.model_copy(update={"state": "revoked"})
                        await self._store.invitations.change(earlier.id, _always(ended), session=transaction)
            return made, repeated

        made, repeated = await self._store.database.transaction(work)
        crashpoint("auth.invitations.create.after_write")
        if repeated:
            return Issued(made, "")
        log.info("auth.invitation_made", invitation=made.id, kind=made.kind, name=made.name)
        link = f"{self._origin}{PATH}{PREFIX}{made.id}.{secret}"
        if not made.email:
            return Issued(made, link)
        if self._mail is None:
            return Issued(made, link, mail_problem="no mail server is set (CLOUDLY_SMTP_HOST): hand the link over")
        try:
            await self._mail.send_link(made, link)
        except MailFailed as failure:
            return Issued(made, link, mail_problem=str(failure))
        return Issued(made, link, mailed=True)

    async def _proved(self, token: str) -> Invitation:
        id, dot, secret = token.removeprefix(PREFIX).partition(".")
        if not token.startswith(PREFIX) or not dot:
            raise CredentialsInvalid
        found = await self._store.invitations.find(id)
        if found is None or not hmac.compare_digest(found.secret_hash, hash_secret(secret)):
            raise CredentialsInvalid
        if found.kind == "reset":
            _check_resettable(await self._users.get(found.user_id))
        return found


def state_of(invitation: Invitation) -> str:
    """pending, accepted, revoked or expired, at this moment."""
    over = invitation.state == "pending" and invitation.expire_time <= datetime.now(UTC)
    return "expired" if over else invitation.state


def _usable(invitation: Invitation) -> Invitation:
    match state_of(invitation):
        case "accepted":
            raise FailedPrecondition("this link was used already: log in, or ask an admin for a new one")
        case "revoked":
            raise FailedPrecondition("this link was revoked or replaced by a newer one: ask an admin for a new one")
        case "expired":
            raise FailedPrecondition("this link has run out: ask an admin for a new one")
    return invitation


def _check_resettable(user: User) -> None:
    if user.type != "human":
        raise FailedPrecondition("a machine has no password: it uses tokens")
    if user.disabled:
        raise FailedPrecondition("the user is disabled: enable them first")


def _in_hours(hours: int) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def _unchanged(user: User) -> User:
    return user


def _always(invitation: Invitation) -> Callable[[Invitation], Invitation]:
    return lambda _: invitation
