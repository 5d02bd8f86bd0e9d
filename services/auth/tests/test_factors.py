"""Second factors and two-step logins, over real gRPC."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pyotp
import pytest
from cloudly.auth.v1 import auth_pb2, factor_pb2, factor_pb2_grpc, user_pb2
from cloudly_auth.config import Settings
from cloudly_auth.main import serve
from cloudly_auth.totp import STEP_SECONDS, matching_step, new_secret
from cloudly_kit.errors import (
    CredentialsInvalid,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    RateLimited,
    SecondFactorMissing,
    SecondFactorNeeded,
    TokenRevoked,
    Unavailable,
)
from cloudly_kit.testing import Redis, ServiceHarness
from google.protobuf.field_mask_pb2 import FieldMask

from .test_audit import until_listed
from .test_crashes import dying

PASSWORD = "a long enough passphrase"


def factors(auth: Any, token: str = "") -> Any:
    return factor_pb2_grpc.FactorServiceStub(auth.channel(token))


def code_of(secret: str, ahead: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(time.time()) + ahead * STEP_SECONDS)


async def enrol(auth: Any, token: str) -> tuple[str, list[str]]:
    """An authenticator app, confirmed with the code before the present one; its secret and the recovery codes."""
    begun = await factors(auth, token).BeginTotp(factor_pb2.BeginTotpRequest())
    confirm = factor_pb2.ConfirmTotpRequest(code=code_of(begun.secret, -1))
    confirmed = await factors(auth, token).ConfirmTotp(confirm)
    return begun.secret, [one.code for one in confirmed.recovery_codes]


async def challenge_of(auth: Any) -> str:
    answer = await auth.login()
    assert (answer.access_token, answer.refresh_token) == ("", "")
    return str(answer.challenge.token)


async def complete(auth: Any, challenge: str, code: str) -> auth_pb2.Identity:
    request = factor_pb2.CompleteLoginRequest(challenge=challenge, code=code)
    answer = await factors(auth).CompleteLogin(request)
    return await auth.identity(answer.access_token)


def granted(answers: list[Any]) -> int:
    for answer in answers:
        assert not isinstance(answer, BaseException) or isinstance(answer, CredentialsInvalid), answer
    return sum(not isinstance(answer, BaseException) for answer in answers)


async def test_a_user_with_an_app_gets_a_challenge_and_its_code_completes_the_login(auth, claims: Callable[..., Any]):
    token = await auth.admin()
    secret, codes = await enrol(auth, token)
    assert len(set(codes)) == 10
    answer = await auth.login()
    assert not answer.identity.id
    kinds = [auth_pb2.FACTOR_KIND_TOTP, auth_pb2.FACTOR_KIND_RECOVERY_CODE]
    assert list(answer.challenge.factors) == kinds
    request = factor_pb2.CompleteLoginRequest(challenge=answer.challenge.token, code=code_of(secret))
    completed = await factors(auth).CompleteLogin(request)
    assert (await auth.identity(completed.access_token)).name == "root"
    assert (await auth.refresh(completed.refresh_token)).access_token


async def test_a_secret_counts_only_after_a_code_of_it(auth):
    token = await auth.admin()
    await factors(auth, token).BeginTotp(factor_pb2.BeginTotpRequest())
    with pytest.raises(InvalidArgument) as caught:
        await factors(auth, token).ConfirmTotp(factor_pb2.ConfirmTotpRequest(code="000000"))
    assert caught.value.violations[0].field == "code"
    assert (await auth.login()).access_token


async def test_neither_a_code_nor_a_challenge_works_twice(auth):
    secret, _ = await enrol(auth, await auth.admin())
    first, second = await challenge_of(auth), await challenge_of(auth)
    code = code_of(secret)
    assert (await complete(auth, first, code)).name == "root"
    with pytest.raises(CredentialsInvalid):
        await complete(auth, second, code)
    with pytest.raises(CredentialsInvalid):
        await complete(auth, first, code_of(secret, 1))
    assert (await complete(auth, second, code_of(secret, 1))).name == "root"


async def test_of_one_code_sent_many_times_at_once_one_is_granted_on_two_replicas(
    auth, harness: ServiceHarness, replica: Callable[..., Settings]
):
    secret, codes = await enrol(auth, await auth.admin())
    async with harness.running("auth", serve, replica(2)):
        both = [auth, auth.at(replica(2))]
        for code in (code_of(secret), codes[0]):
            challenges = [await challenge_of(auth) for _ in range(4)]
            tries = [complete(both[i % 2], challenge, code) for i, challenge in enumerate(challenges)]
            assert granted(await asyncio.gather(*tries, return_exceptions=True)) == 1


async def test_a_recovery_code_works_once_and_new_ones_void_the_old(auth):
    token = await auth.admin()
    _, codes = await enrol(auth, token)
    assert (await complete(auth, await challenge_of(auth), codes[0].upper().replace("-", " "))).name == "root"
    with pytest.raises(CredentialsInvalid):
        await complete(auth, await challenge_of(auth), codes[0])
    with pytest.raises(InvalidArgument):
        await factors(auth, token).RegenerateRecoveryCodes(factor_pb2.RegenerateRecoveryCodesRequest())
    request = factor_pb2.RegenerateRecoveryCodesRequest(proof=factor_pb2.Proof(password=PASSWORD))
    answer = await factors(auth, token).RegenerateRecoveryCodes(request)
    renewed = [one.code for one in answer.recovery_codes]
    with pytest.raises(CredentialsInvalid):
        await complete(auth, await challenge_of(auth), codes[1])
    assert (await complete(auth, await challenge_of(auth), renewed[1])).name == "root"


async def test_secrets_of_factors_are_not_kept_readable(auth, store: Any):
    answer = await auth.login()
    secret, codes = await enrol(auth, answer.access_token)
    kept = str((await store.factors.get(answer.identity.id)).model_dump())
    assert not any(code in kept for code in [secret, *codes, *(code.replace("-", "") for code in codes)])


async def test_an_app_is_removed_with_a_proof_and_not_without(auth):
    token = await auth.admin()
    secret, _ = await enrol(auth, token)
    for proof in (factor_pb2.Proof(), factor_pb2.Proof(password="not the password"), factor_pb2.Proof(code="000000")):
        with pytest.raises(InvalidArgument):
            await factors(auth, token).RemoveTotp(factor_pb2.RemoveTotpRequest(proof=proof))
    proof = factor_pb2.Proof(code=code_of(secret))
    await factors(auth, token).RemoveTotp(factor_pb2.RemoveTotpRequest(proof=proof))
    assert (await auth.login()).access_token


async def test_logins_that_cannot_ask_for_a_factor_are_told_what_to_do(auth):
    await enrol(auth, await auth.admin())
    with pytest.raises(SecondFactorNeeded, match="API token"):
        await auth.login(audience="cloudly-legacy")
    registry = auth.auth(await auth.service("registry"))
    with pytest.raises(SecondFactorNeeded, match="API token"):
        await registry.VerifyCredentials(auth_pb2.VerifyCredentialsRequest(username="root", password=PASSWORD))


async def test_a_new_password_voids_the_challenges_before_it_and_keeps_this_session_alone(auth):
    here, there = await auth.login(), await auth.login()
    secret, _ = await enrol(auth, here.access_token)
    challenge = await challenge_of(auth)
    change = factor_pb2.ChangePasswordRequest(old_password="another one", new_password="a second long passphrase")
    with pytest.raises(InvalidArgument) as caught:
        await factors(auth, here.access_token).ChangePassword(change)
    assert caught.value.violations[0].field == "old_password"
    change.old_password = PASSWORD
    await factors(auth, here.access_token).ChangePassword(change)
    with pytest.raises(CredentialsInvalid):
        await complete(auth, challenge, code_of(secret))
    with pytest.raises(TokenRevoked):
        await auth.refresh(there.refresh_token)
    assert (await auth.refresh(here.refresh_token)).access_token
    assert (await auth.login(password="a second long passphrase")).challenge.token


async def test_guesses_at_codes_are_few(auth):
    token = await auth.admin()
    secret, _ = await enrol(auth, token)
    challenge = await challenge_of(auth)
    for _ in range(5):
        with pytest.raises(CredentialsInvalid):
            await complete(auth, challenge, "000000")
    with pytest.raises(RateLimited):
        await complete(auth, challenge, code_of(secret))
    # Somebody has the password: whose, the log says.
    entries = await until_listed(auth, token, 'method = "FactorService.CompleteLogin"', 6)
    me = (await auth.identity(token)).id
    assert {(entry.reason, entry.resource.kind, entry.resource.id) for entry in entries} == {
        ("CREDENTIALS_INVALID", "user", me),
        ("RATE_LIMITED", "user", me),
    }
    assert entries[-1].resource.name == "root"


async def test_without_redis_passwords_still_work_and_second_factors_do_not(
    harness: ServiceHarness, settings: Settings, caller_of, own_redis: Redis
):
    changed = settings.model_copy(update={"redis_url": type(settings.redis_url)(own_redis.url)})
    async with harness.running("auth", serve, changed):
        auth = caller_of.at(changed)
        secret, _ = await enrol(auth, await auth.admin())
        own_redis.kill()
        challenge = await challenge_of(auth)
        with pytest.raises(Unavailable, match="Redis"):
            await complete(auth, challenge, code_of(secret))


async def test_whoever_must_have_a_factor_can_do_nothing_but_enrol_one(auth):
    token = await auth.admin()
    user = await auth.add_user("ada", "viewer", token=token)
    policy = factor_pb2.FactorPolicy(required_roles=["viewer"])
    mask = FieldMask(paths=["required_roles"])
    update = factor_pb2.UpdateFactorPolicyRequest(policy=policy, update_mask=mask)
    assert list((await factors(auth, token).UpdateFactorPolicy(update)).policy.required_roles) == ["viewer"]
    session = await auth.login("ada")
    assert session.identity.must_enrol
    with pytest.raises(SecondFactorMissing):
        await auth.users(session.access_token).ListUsers(user_pb2.ListUsersRequest())
    with pytest.raises(SecondFactorMissing):
        await auth.login("ada", audience="cloudly-legacy")
    await enrol(auth, session.access_token)
    renewed = await auth.refresh(session.refresh_token)
    assert not renewed.identity.must_enrol
    await auth.users(renewed.access_token).ListUsers(user_pb2.ListUsersRequest())
    await factors(auth, token).ResetUserFactors(factor_pb2.ResetUserFactorsRequest(user_id=user.id))
    with pytest.raises(TokenRevoked):
        await auth.refresh(renewed.refresh_token)
    again = await auth.login("ada")
    assert again.identity.must_enrol
    await enrol(auth, again.access_token)


async def test_a_policy_on_roles_that_do_not_exist_is_refused(auth):
    policy = factor_pb2.FactorPolicy(required_roles=["boss"])
    update = factor_pb2.UpdateFactorPolicyRequest(policy=policy, update_mask=FieldMask(paths=["required_roles"]))
    with pytest.raises(InvalidArgument, match="viewer"):
        await factors(auth, await auth.admin()).UpdateFactorPolicy(update)


@pytest.mark.parametrize("place", ["before_write", "after_write"])
async def test_a_code_is_used_up_exactly_when_its_use_was_written(
    harness: ServiceHarness, replica: Callable[..., Settings], caller_of, place: str
):
    async with harness.running("auth", serve, replica(2)), dying(replica(1), f"auth.second_step.use.{place}"):
        first, second = caller_of.at(replica(1)), caller_of.at(replica(2))
        _, codes = await enrol(second, await second.admin())
        challenge = await challenge_of(first)
        with pytest.raises(DomainError):
            await complete(first, challenge, codes[0])
        if place == "before_write":
            assert (await complete(second, challenge, codes[0])).name == "root"
        else:
            with pytest.raises(CredentialsInvalid):
                await complete(second, await challenge_of(second), codes[0])
            assert (await complete(second, await challenge_of(second), codes[1])).name == "root"


async def test_passkeys_need_a_domain_and_the_options_name_it(auth):
    begun = await factors(auth).BeginPasskeyLogin(factor_pb2.BeginPasskeyLoginRequest())
    assert '"rpId": "localhost"' in begun.options
    request = factor_pb2.CompleteLoginRequest(challenge=begun.challenge, credential="{}")
    with pytest.raises(CredentialsInvalid):
        await factors(auth).CompleteLogin(request)
    with pytest.raises(FailedPrecondition):
        await factors(auth, await auth.service("registry")).GetFactors(factor_pb2.GetFactorsRequest())


def test_codes_of_the_steps_beside_now_are_taken_and_no_others():
    secret, now = new_secret(), 1_700_000_000.0
    step = int(now // STEP_SECONDS)
    near = {d: matching_step(secret, pyotp.TOTP(secret).generate_otp(step + d), after=0, now=now) for d in range(-3, 4)}
    assert near == {-3: None, -2: None, -1: step - 1, 0: step, 1: step + 1, 2: None, 3: None}
    assert matching_step(secret, pyotp.TOTP(secret).generate_otp(step), after=step, now=now) is None
