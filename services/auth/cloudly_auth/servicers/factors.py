"""cloudly.auth.v1.FactorService: second steps of logins, and what people enrol for them."""

from typing import Any

from cloudly.auth.v1 import factor_pb2 as pb
from cloudly.auth.v1 import factor_pb2_grpc
from cloudly_kit.errors import InvalidArgument
from cloudly_kit.identity import AUDIENCE, caller
from cloudly_kit.masks import apply_mask
from cloudly_kit.resources import timestamp

from cloudly_auth.accounts import Accounts
from cloudly_auth.factor_policy import FactorPolicies
from cloudly_auth.factor_store import FactorPolicy, Factors, Passkey
from cloudly_auth.factors import SecondFactors
from cloudly_auth.second_step import Answer, SecondStep
from cloudly_auth.servicers.identities import client, identity_message
from cloudly_auth.servicers.proofs import proved
from cloudly_auth.store import User


class FactorServicer(factor_pb2_grpc.FactorServiceServicer):
    """Using and enrolling second factors, and the policy on them."""

    def __init__(
        self,
        *,
        second_step: SecondStep,
        factors: SecondFactors,
        policies: FactorPolicies,
        accounts: Accounts,
        passkeys_possible: bool,
    ) -> None:
        self._second_step = second_step
        self._factors = factors
        self._policies = policies
        self._accounts = accounts
        self._passkeys_possible = passkeys_possible

    async def CompleteLogin(self, request: pb.CompleteLoginRequest, context: Any) -> pb.CompleteLoginResponse:
        """A session for the right answer."""
        if bool(request.code) == bool(request.credential):
            raise InvalidArgument.of(("code", "give either a code or a passkey's credential"))
        answer = Answer(request.code, request.credential)
        granted = await self._second_step.complete(request.challenge, answer, client())
        return pb.CompleteLoginResponse(
            identity=identity_message(granted.identity),
            access_token=granted.access_token,
            refresh_token=granted.refresh_token,
        )

    async def BeginPasskeyLogin(
        self, request: pb.BeginPasskeyLoginRequest, context: Any
    ) -> pb.BeginPasskeyLoginResponse:
        """Options for a login without a name."""
        token, options = self._second_step.begin_passkey_login(AUDIENCE)
        return pb.BeginPasskeyLoginResponse(challenge=token, options=options)

    async def GetFactors(self, request: pb.GetFactorsRequest, context: Any) -> pb.GetFactorsResponse:
        """What the caller has."""
        user, _ = await self._accounts.own(caller().actor)
        return pb.GetFactorsResponse(factors=await self._message(user, await self._factors.of(user.id)))

    async def ChangePassword(self, request: pb.ChangePasswordRequest, context: Any) -> pb.ChangePasswordResponse:
        """A new password for the caller."""
        user, session = await self._accounts.own(caller().actor)
        await self._accounts.change_password(user, request.old_password, request.new_password, session, client())
        return pb.ChangePasswordResponse()

    async def BeginProof(self, request: pb.BeginProofRequest, context: Any) -> pb.BeginProofResponse:
        """Options for proving with a passkey."""
        user, _ = await self._accounts.own(caller().actor)
        token, options = await self._second_step.begin_proof(user)
        return pb.BeginProofResponse(challenge=token, options=options)

    async def BeginTotp(self, request: pb.BeginTotpRequest, context: Any) -> pb.BeginTotpResponse:
        """A secret for an authenticator app."""
        user = await self._proved(request.proof, or_fresh=True)
        secret, uri = await self._factors.begin_totp(user)
        return pb.BeginTotpResponse(secret=secret, uri=uri)

    async def ConfirmTotp(self, request: pb.ConfirmTotpRequest, context: Any) -> pb.ConfirmTotpResponse:
        """Have it count."""
        user, _ = await self._accounts.own(caller().actor)
        factors, codes = await self._factors.confirm_totp(user.id, request.code)
        return pb.ConfirmTotpResponse(factors=await self._message(user, factors), recovery_codes=_codes(codes))

    async def RemoveTotp(self, request: pb.RemoveTotpRequest, context: Any) -> pb.RemoveTotpResponse:
        """Remove it."""
        user = await self._proved(request.proof)
        await self._factors.remove_totp(user.id)
        return pb.RemoveTotpResponse()

    async def BeginPasskey(self, request: pb.BeginPasskeyRequest, context: Any) -> pb.BeginPasskeyResponse:
        """Options for making a passkey."""
        user = await self._proved(request.proof, or_fresh=True)
        token, options = await self._factors.begin_passkey(user)
        return pb.BeginPasskeyResponse(challenge=token, options=options)

    async def CreatePasskey(self, request: pb.CreatePasskeyRequest, context: Any) -> pb.CreatePasskeyResponse:
        """Keep it."""
        user, _ = await self._accounts.own(caller().actor)
        passkey, codes = await self._factors.create_passkey(user, request.challenge, request.credential, request.name)
        return pb.CreatePasskeyResponse(passkey=_passkey(passkey), recovery_codes=_codes(codes))

    async def UpdatePasskey(self, request: pb.UpdatePasskeyRequest, context: Any) -> pb.UpdatePasskeyResponse:
        """Rename it."""
        user, _ = await self._accounts.own(caller().actor)
        passkey = await self._factors.rename_passkey(user.id, request.passkey.id, request.passkey.name)
        return pb.UpdatePasskeyResponse(passkey=_passkey(passkey))

    async def RemovePasskey(self, request: pb.RemovePasskeyRequest, context: Any) -> pb.RemovePasskeyResponse:
        """Remove it."""
        user = await self._proved(request.proof)
        await self._factors.remove_passkey(user.id, request.id)
        return pb.RemovePasskeyResponse()

    async def RegenerateRecoveryCodes(
        self, request: pb.RegenerateRecoveryCodesRequest, context: Any
    ) -> pb.RegenerateRecoveryCodesResponse:
        """Ten new ones."""
        user = await self._proved(request.proof)
        codes = await self._factors.regenerate_codes(user.id)
        return pb.RegenerateRecoveryCodesResponse(recovery_codes=_codes(codes))

    async def ResetUserFactors(self, request: pb.ResetUserFactorsRequest, context: Any) -> pb.ResetUserFactorsResponse:
        """Take all factors from a user."""
        await self._accounts.reset_factors(request.user_id)
        return pb.ResetUserFactorsResponse()

    async def GetFactorPolicy(self, request: pb.GetFactorPolicyRequest, context: Any) -> pb.GetFactorPolicyResponse:
        """Who must have one."""
        return pb.GetFactorPolicyResponse(policy=_policy(await self._policies.get()))

    async def UpdateFactorPolicy(
        self, request: pb.UpdateFactorPolicyRequest, context: Any
    ) -> pb.UpdateFactorPolicyResponse:
        """Change that."""

        def change(policy: FactorPolicy) -> FactorPolicy:
            asked = apply_mask(_policy(policy), request.policy, request.update_mask)
            roles = list(dict.fromkeys(asked.required_roles))
            return policy.model_copy(update={"required_for_all": asked.required_for_all, "required_roles": roles})

        saved = await self._policies.update(change, etag=request.policy.etag)
        return pb.UpdateFactorPolicyResponse(policy=_policy(saved))

    async def _proved(self, proof: pb.Proof, *, or_fresh: bool = False) -> User:
        return await proved(self._accounts, self._second_step, proof, or_fresh=or_fresh)

    async def _message(self, user: User, factors: Factors) -> pb.Factors:
        return pb.Factors(
            totp=factors.totp is not None,
            totp_create_time=timestamp(factors.totp_time),
            passkeys=[_passkey(passkey) for passkey in factors.passkeys],
            recovery_codes_left=len(factors.recovery_hashes),
            required=await self._policies.requires(user),
            passkeys_possible=self._passkeys_possible,
            password=bool(user.password_hash),
        )


def _codes(codes: list[str]) -> list[pb.RecoveryCode]:
    return [pb.RecoveryCode(code=code) for code in codes]


def _passkey(passkey: Passkey) -> pb.Passkey:
    return pb.Passkey(
        id=passkey.id,
        name=passkey.name,
        create_time=timestamp(passkey.create_time),
        last_use_time=timestamp(passkey.last_use_time),
        backed_up=passkey.backed_up,
    )


def _policy(policy: FactorPolicy) -> pb.FactorPolicy:
    return pb.FactorPolicy(
        required_for_all=policy.required_for_all,
        required_roles=policy.required_roles,
        etag=policy.etag,
        update_time=timestamp(policy.update_time) if policy.etag else None,
    )
