"""The second step: a login with a second factor, a login with a passkey alone, and proving again who one is.

What a factor is used up by (a code's time step, a recovery code, a sign counter) and the challenge it answers are written
in one transaction before anything is granted, so that no two requests, on whichever replicas, are granted by one answer.
A process that dies after it has used up an answer and granted nothing: the user logs in once more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from cloudly_kit.audit import notes
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.crypto import Envelope
from cloudly_kit.errors import (
    CredentialsInvalid,
    InvalidArgument,
    NotFound,
    SecondFactorMissing,
    SecondFactorNeeded,
)
from cloudly_kit.identity import AUDIENCE, LEGACY_AUDIENCE
from cloudly_kit.store import Session as Transaction

from cloudly_auth import recovery_codes, totp
from cloudly_auth.attempts import Attempts
from cloudly_auth.challenges import Challenge, Challenges
from cloudly_auth.factor_policy import FactorPolicies
from cloudly_auth.factor_store import TOTP, Factors
from cloudly_auth.logins import Logins
from cloudly_auth.passkeys import RelyingParty, parse_assertion
from cloudly_auth.sessions import Client, Granted, Sessions
from cloudly_auth.store import AuthStore, User

log = structlog.get_logger()

NO_SECOND_STEP = (
    "this account has a second factor, and this way of logging in cannot ask for it: use an API token in place of the "
    "password"
)
NO_ENROLMENT = (
    "this account needs a second factor and has none yet: log in with `cloudly login`, enrol one with `cloudly factor "
    "enrol-totp`, then use an API token here"
)


@dataclass(frozen=True)
class Asked:
    """The password was right; what has to follow."""

    token: str
    kinds: tuple[str, ...]
    """totp, passkey, recovery_code."""
    passkey_options: str
    expire_time: datetime


@dataclass(frozen=True)
class Answer:
    """A code (of the authenticator app, or a recovery code) or what a passkey answered."""

    code: str = ""
    credential: str = ""


@dataclass(frozen=True)
class Proof:
    """A password, or a factor's answer; with a passkey's, the challenge that it answers."""

    password: str = ""
    answer: Answer = Answer()
    challenge: str = ""


class SecondStep:
    """Asks for second factors and checks what they answer."""

    def __init__(
        self,
        store: AuthStore,
        *,
        envelope: Envelope,
        challenges: Challenges,
        relying_party: RelyingParty,
        policies: FactorPolicies,
        sessions: Sessions,
        logins: Logins,
        attempts: Attempts,
    ) -> None:
        self._store = store
        self._envelope = envelope
        self._challenges = challenges
        self._relying_party = relying_party
        self._policies = policies
        self._sessions = sessions
        self._logins = logins
        self._attempts = attempts

    async def after_password(self, user: User, audience: str, client: Client) -> Granted | Asked:
        """A session for a user whose password was right, or the challenge that has to be answered first.

        Raises:
            SecondFactorNeeded, SecondFactorMissing: a legacy client can neither answer nor enrol.
        """
        if audience == LEGACY_AUDIENCE:
            await self.refuse_without_second_step(user)
        factors = await self._store.factors.find(user.id)
        if factors is None or not factors.enrolled:
            return await self._sessions.start(user, audience, client.address, client.user_agent)
        challenge = Challenge(purpose="login", user_id=user.id, epoch=user.session_epoch, audience=audience)
        usable = factors.passkeys if self._relying_party.possible else []
        options = self._relying_party.authentication_options(usable, challenge.nonce) if usable else ""
        kinds = [
            *(["totp"] if factors.totp else []),
            *(["passkey"] if usable else []),
            *(["recovery_code"] if factors.recovery_hashes else []),
        ]
        return Asked(self._challenges.token(challenge), tuple(kinds), options, challenge.expire_time)

    async def after_provider(self, user: User, client: Client, *, vouched: bool) -> Granted | Asked:
        """The same for a user whom an identity provider has identified; one that vouches for a second factor stands in for
        it.
        """
        if vouched:
            return await self._sessions.start(user, AUDIENCE, client.address, client.user_agent, vouched=True)
        return await self.after_password(user, AUDIENCE, client)

    async def refuse_without_second_step(self, user: User) -> None:
        """For ways of logging in that have a name and a password only.

        Raises:
            SecondFactorNeeded: the user has a second factor.
            SecondFactorMissing: the user must have one and has none.
        """
        factors = await self._store.factors.find(user.id)
        if factors is not None and factors.enrolled:
            raise SecondFactorNeeded(NO_SECOND_STEP)
        if await self._policies.requires(user):
            raise SecondFactorMissing(NO_ENROLMENT)

    def begin_passkey_login(self, audience: str) -> tuple[str, str]:
        """A challenge's token and the options for the browser, for a login without a name.

        Raises:
            FailedPrecondition: passkeys do not work at this address.
        """
        challenge = Challenge(purpose="passkey-login", audience=audience)
        return self._challenges.token(challenge), self._relying_party.authentication_options((), challenge.nonce)

    async def begin_proof(self, user: User) -> tuple[str, str]:
        """The same for proving again with a passkey.

        Raises:
            InvalidArgument: the user has no passkey.
            FailedPrecondition: passkeys do not work at this address.
        """
        factors = await self._store.factors.find(user.id)
        if factors is None or not factors.passkeys:
            raise InvalidArgument.of(("proof", "this account has no passkey: prove it with the password or a code"))
        challenge = Challenge(purpose="proof", user_id=user.id, epoch=user.session_epoch)
        options = self._relying_party.authentication_options(factors.passkeys, challenge.nonce)
        return self._challenges.token(challenge), options

    async def complete(self, token: str, answer: Answer, client: Client) -> Granted:
        """A session for whoever answers the challenge.

        Raises:
            CredentialsInvalid: the answer is wrong or was used before, or the challenge was.
            TokenExpired: the challenge's time is over.
            RateLimited: too many wrong answers before.
            Unavailable: attempts cannot be counted, so none is looked at.
        """
        challenge = self._challenges.read(token, "login", "passkey-login")
        user_id = challenge.user_id or parse_assertion(answer.credential).user_id
        # Who has shown a password is counted by account. Who has not, and claims a passkey, is not: a signature cannot be
        # guessed, and a stranger could use up the attempts of anybody.
        notes.about(self._store.users.kind, challenge.user_id, "")
        async with self._attempts.attempt(account=challenge.user_id, address=client.address):
            user = await self._store.users.find(user_id)
            if user is not None:
                notes.about(self._store.users.kind, user.id, user.name)
            if user is None or user.disabled or (challenge.user_id and user.session_epoch != challenge.epoch):
                raise CredentialsInvalid
            await self._use(user, answer, challenge)
        return await self._sessions.start(user, challenge.audience, client.address, client.user_agent)

    async def prove(self, user: User, proof: Proof, client: Client) -> None:
        """Let the user through who proves again who they are.

        Raises:
            InvalidArgument: there is no proof, or it is wrong.
            RateLimited, Unavailable: as `complete`.
        """
        try:
            if proof.password:
                await self._logins.check(user.name, proof.password, client.address)
            elif proof.answer.code or proof.answer.credential:
                await self._prove_by_factor(user, proof, client)
            else:
                raise InvalidArgument.of(("proof", "is needed: the password, a code or a passkey"))
        except CredentialsInvalid as error:
            # The caller's token is fine: 401 would have clients throw it away.
            raise InvalidArgument.of(("proof", "is wrong, or was used before")) from error

    async def _prove_by_factor(self, user: User, proof: Proof, client: Client) -> None:
        challenge = self._challenges.read(proof.challenge, "proof") if proof.answer.credential else None
        async with self._attempts.attempt(account=user.id, address=client.address):
            if challenge is not None and (challenge.user_id, challenge.epoch) != (user.id, user.session_epoch):
                raise CredentialsInvalid
            await self._use(user, proof.answer, challenge)

    async def _use(self, user: User, answer: Answer, challenge: Challenge | None) -> None:
        change = self._use_of(user, answer, challenge)

        async def work(transaction: Transaction) -> None:
            if challenge is not None:
                await self._challenges.spend(challenge, transaction)
            await self._store.factors.change(user.id, change, session=transaction)

        crashpoint("auth.second_step.use.before_write")
        try:
            await self._store.database.transaction(work)
        except NotFound as error:
            raise CredentialsInvalid from error
        except CredentialsInvalid:
            log.info("auth.second_factor_refused", user=user.id)
            raise
        crashpoint("auth.second_step.use.after_write")

    def _use_of(self, user: User, answer: Answer, challenge: Challenge | None) -> Callable[[Factors], Factors]:
        if answer.credential and challenge is not None:
            return self._use_of_passkey(answer.credential, challenge)
        if challenge is not None and challenge.purpose == "passkey-login":
            raise CredentialsInvalid
        if recovery_codes.looks_like_one(answer.code):
            return lambda factors: _use_recovery_code(factors, answer.code)
        return lambda factors: self._use_totp(factors, answer.code)

    def _use_of_passkey(self, credential: str, challenge: Challenge) -> Callable[[Factors], Factors]:
        asserted = parse_assertion(credential)

        def change(factors: Factors) -> Factors:
            for index, passkey in enumerate(factors.passkeys):
                if passkey.credential_id == asserted.credential_id:
                    used = self._relying_party.verify(credential, passkey, challenge.nonce)
                    passkeys = [*factors.passkeys[:index], used, *factors.passkeys[index + 1 :]]
                    return factors.model_copy(update={"passkeys": passkeys})
            raise CredentialsInvalid

        return change

    def _use_totp(self, factors: Factors, code: str) -> Factors:
        if factors.totp is None:
            raise CredentialsInvalid
        secret = self._envelope.open(factors.totp, TOTP.context(id=factors.id)).decode()
        step = totp.matching_step(secret, "".join(code.split()), after=factors.totp_step)
        if step is None:
            raise CredentialsInvalid("the code is wrong, or was used before: wait for the next one")
        return factors.model_copy(update={"totp_step": step})


def _use_recovery_code(factors: Factors, code: str) -> Factors:
    left = recovery_codes.without(factors.recovery_hashes, factors.id, code)
    # Without a factor to stand in for, a code that was kept is worth nothing.
    if left is None or not factors.enrolled:
        raise CredentialsInvalid
    log.warning("auth.recovery_code_used", user=factors.id, left=len(left))
    return factors.model_copy(update={"recovery_hashes": left})
