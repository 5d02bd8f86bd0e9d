"""Enrolling, naming and removing second factors. Using them is second_step.py's."""

from datetime import timedelta

import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.crypto import Envelope
from cloudly_kit.errors import AlreadyExists, CredentialsInvalid, FailedPrecondition, InvalidArgument, NotFound
from cloudly_kit.store import Session as Transaction
from cloudly_kit.store import now

from cloudly_auth import recovery_codes, totp
from cloudly_auth.challenges import Challenge, Challenges
from cloudly_auth.factor_store import TOTP, Factors, Passkey
from cloudly_auth.passkeys import NAME, RelyingParty
from cloudly_auth.store import AuthStore, User

log = structlog.get_logger()

PENDING = timedelta(minutes=15)
"""So long a secret waits for its first code."""
MOST_PASSKEYS = 20


class SecondFactors:
    """What users have enrolled."""

    def __init__(
        self, store: AuthStore, envelope: Envelope, challenges: Challenges, relying_party: RelyingParty
    ) -> None:
        self._store = store
        self._envelope = envelope
        self._challenges = challenges
        self._relying_party = relying_party

    async def of(self, user_id: str) -> Factors:
        """The user's factors; empty where there are none."""
        return await self._store.factors.find(user_id) or Factors(id=user_id)

    async def begin_totp(self, user: User) -> tuple[str, str]:
        """A new secret and its URI; it counts once `confirm_totp` has seen a code. One before it that waits is dropped.

        Raises:
            FailedPrecondition: there is an authenticator app already.
        """
        if (await self._made(user.id)).totp is not None:
            raise FailedPrecondition("an authenticator app is enrolled already: remove it first")
        secret = totp.new_secret()
        sealed = self._envelope.seal(secret.encode(), TOTP.context(id=user.id))
        await self._store.factors.change(
            user.id, lambda old: old.model_copy(update={"pending_totp": sealed, "pending_until": now() + PENDING})
        )
        return secret, totp.uri(secret, user.name, NAME)

    async def confirm_totp(self, user_id: str, code: str) -> tuple[Factors, list[str]]:
        """Have the secret count from now on; with the first factor the recovery codes that come with it.

        Raises:
            FailedPrecondition: no secret waits, or its time is over.
            InvalidArgument: the code is not one of that secret.
        """
        codes = recovery_codes.new_codes()

        def change(factors: Factors) -> Factors:
            if factors.pending_totp is None or factors.pending_until is None or factors.pending_until <= now():
                raise FailedPrecondition("no authenticator app waits for its code: begin again")
            secret = self._envelope.open(factors.pending_totp, TOTP.context(id=user_id)).decode()
            step = totp.matching_step(secret, "".join(code.split()), after=0)
            if step is None:
                raise InvalidArgument.of(
                    ("code", "is not the app's code; if it goes on, check the time of this device and of the server")
                )
            confirmed = {"totp": factors.pending_totp, "totp_time": now(), "totp_step": step}
            emptied = {"pending_totp": None, "pending_until": None}
            return _with_codes(factors, codes).model_copy(update={**confirmed, **emptied})

        try:
            saved = await self._store.factors.change(user_id, change)
        except NotFound as error:
            raise FailedPrecondition("no authenticator app waits for its code: begin again") from error
        crashpoint("auth.factors.confirm_totp.after_write")
        log.info("auth.totp_enrolled", user=user_id)
        return saved, _shown(saved, codes)

    async def remove_totp(self, user_id: str) -> None:
        """Remove the authenticator app; with the last factor the recovery codes go too. None stays none."""
        without = {"totp": None, "totp_time": None, "pending_totp": None, "pending_until": None}
        await self._made(user_id)
        # The step stays: a code that was used with the old secret is refused with whatever follows.
        await self._store.factors.change(user_id, lambda old: _tidied(old.model_copy(update=without)))
        log.info("auth.totp_removed", user=user_id)

    async def begin_passkey(self, user: User) -> tuple[str, str]:
        """A challenge's token and the options with which a browser makes a passkey.

        Raises:
            FailedPrecondition: passkeys do not work at this address, or there are as many as there may be.
        """
        factors = await self.of(user.id)
        _require_room(factors)
        challenge = Challenge(purpose="passkey", user_id=user.id, epoch=user.session_epoch)
        options = self._relying_party.registration_options(user, factors.passkeys, challenge.nonce)
        return self._challenges.token(challenge), options

    async def create_passkey(self, user: User, token: str, credential: str, name: str) -> tuple[Passkey, list[str]]:
        """Keep the passkey that a browser made; with the first factor the recovery codes that come with it.

        Raises:
            InvalidArgument: the answer does not fit, or the challenge is another's, over, or was answered before.
            AlreadyExists: this passkey is enrolled already.
            FailedPrecondition: there are as many as there may be.
        """
        try:
            challenge = self._challenges.read(token, "passkey")
            if (challenge.user_id, challenge.epoch) != (user.id, user.session_epoch):
                raise CredentialsInvalid("the challenge was made for another login: start again")
            passkey = self._relying_party.verify_registration(credential, name, challenge.nonce)
        except CredentialsInvalid as error:
            raise InvalidArgument.of(("credential", error.message)) from error
        codes = recovery_codes.new_codes()

        def change(factors: Factors) -> Factors:
            _require_room(factors)
            if any(known.id == passkey.id for known in factors.passkeys):
                raise AlreadyExists("passkey", name)
            return _with_codes(factors, codes).model_copy(update={"passkeys": [*factors.passkeys, passkey]})

        async def work(transaction: Transaction) -> Factors:
            await self._challenges.spend(challenge, transaction)
            return await self._store.factors.change(user.id, change, session=transaction)

        await self._made(user.id)
        try:
            saved = await self._store.database.transaction(work)
        except CredentialsInvalid as error:
            raise InvalidArgument.of(("challenge", error.message)) from error
        crashpoint("auth.factors.create_passkey.after_write")
        log.info("auth.passkey_enrolled", user=user.id, passkey=passkey.id)
        return passkey, _shown(saved, codes)

    async def rename_passkey(self, user_id: str, passkey_id: str, name: str) -> Passkey:
        """Give a passkey another name.

        Raises:
            NotFound: the user has no such passkey.
        """

        def change(factors: Factors) -> Factors:
            _passkey(factors, passkey_id)
            renamed = [p.model_copy(update={"name": name}) if p.id == passkey_id else p for p in factors.passkeys]
            return factors.model_copy(update={"passkeys": renamed})

        await self._made(user_id)
        return _passkey(await self._store.factors.change(user_id, change), passkey_id)

    async def remove_passkey(self, user_id: str, passkey_id: str) -> None:
        """Remove a passkey; with the last factor the recovery codes go too.

        Raises:
            NotFound: the user has no such passkey.
        """

        def change(factors: Factors) -> Factors:
            _passkey(factors, passkey_id)
            left = [passkey for passkey in factors.passkeys if passkey.id != passkey_id]
            return _tidied(factors.model_copy(update={"passkeys": left}))

        await self._made(user_id)
        await self._store.factors.change(user_id, change)
        log.info("auth.passkey_removed", user=user_id, passkey=passkey_id)

    async def regenerate_codes(self, user_id: str) -> list[str]:
        """Ten new recovery codes; the earlier ones are void.

        Raises:
            FailedPrecondition: there is no factor for them to stand in for.
        """
        codes = recovery_codes.new_codes()

        def change(factors: Factors) -> Factors:
            if not factors.enrolled:
                raise FailedPrecondition("recovery codes stand in for a second factor: enrol one first")
            return factors.model_copy(update={"recovery_hashes": _hashes(user_id, codes)})

        await self._made(user_id)
        await self._store.factors.change(user_id, change)
        crashpoint("auth.factors.regenerate.after_write")
        log.info("auth.recovery_codes_made", user=user_id)
        return codes

    async def _made(self, user_id: str) -> Factors:
        found = await self._store.factors.find(user_id)
        if found is not None:
            return found
        try:
            made, _ = await self._store.factors.insert(Factors(id=user_id))
        except AlreadyExists:
            return await self._store.factors.get(user_id)
        return made


def _with_codes(factors: Factors, codes: list[str]) -> Factors:
    if factors.enrolled and factors.recovery_hashes:
        return factors
    return factors.model_copy(update={"recovery_hashes": _hashes(factors.id, codes)})


def _shown(factors: Factors, codes: list[str]) -> list[str]:
    return codes if factors.recovery_hashes == _hashes(factors.id, codes) else []


def _hashes(user_id: str, codes: list[str]) -> list[str]:
    return [recovery_codes.hashed(user_id, code) for code in codes]


def _tidied(factors: Factors) -> Factors:
    return factors if factors.enrolled else factors.model_copy(update={"recovery_hashes": []})


def _passkey(factors: Factors, passkey_id: str) -> Passkey:
    for passkey in factors.passkeys:
        if passkey.id == passkey_id:
            return passkey
    raise NotFound("passkey", passkey_id)


def _require_room(factors: Factors) -> None:
    if len(factors.passkeys) >= MOST_PASSKEYS:
        raise FailedPrecondition(f"an account has at most {MOST_PASSKEYS} passkeys: remove one first")
