"""Auth's processes: the gRPC server and the worker. Wiring only."""

import asyncio
from datetime import timedelta
from functools import partial

import aiohttp
from cloudly.auth.v1.access_pb2_grpc import add_AccessServiceServicer_to_server
from cloudly.auth.v1.api_token_pb2_grpc import add_ApiTokenServiceServicer_to_server
from cloudly.auth.v1.audit_pb2_grpc import add_AuditServiceServicer_to_server
from cloudly.auth.v1.auth_pb2_grpc import add_AuthServiceServicer_to_server
from cloudly.auth.v1.factor_pb2_grpc import add_FactorServiceServicer_to_server
from cloudly.auth.v1.invitation_pb2_grpc import add_InvitationServiceServicer_to_server
from cloudly.auth.v1.key_pb2_grpc import add_KeyServiceServicer_to_server
from cloudly.auth.v1.oidc_provider_pb2_grpc import add_OidcProviderServiceServicer_to_server
from cloudly.auth.v1.session_pb2_grpc import add_SessionServiceServicer_to_server
from cloudly.auth.v1.setting_pb2_grpc import add_SettingServiceServicer_to_server
from cloudly.auth.v1.sso_pb2_grpc import add_SsoServiceServicer_to_server
from cloudly.auth.v1.user_pb2_grpc import add_UserServiceServicer_to_server
from cloudly_kit.crypto import Envelope
from cloudly_kit.identity import PublicKeys
from cloudly_kit.ids import new_id
from cloudly_kit.jobs import Executions, run_worker, serve_jobs
from cloudly_kit.leases import Lease
from cloudly_kit.outbox import Outbox
from cloudly_kit.runtime import Runtime, run
from cloudly_kit.sealed_values import SealedValues, serve_sealed_values

from cloudly_auth.accounts import Accounts
from cloudly_auth.api_tokens import ApiTokens
from cloudly_auth.attempts import SECOND_FACTORS, Attempts
from cloudly_auth.audit_chain import Chain
from cloudly_auth.audit_log import AuditLog
from cloudly_auth.audit_marks import Marks
from cloudly_auth.audit_store import AuditStore
from cloudly_auth.bootstrap import bootstrap_admin
from cloudly_auth.challenges import Challenges
from cloudly_auth.config import Settings
from cloudly_auth.events import PUBLISHES
from cloudly_auth.factor_policy import FactorPolicies
from cloudly_auth.factors import SecondFactors
from cloudly_auth.invitation_store import InvitationStore
from cloudly_auth.invitations import Invitations
from cloudly_auth.jobs import TASKS, Parts
from cloudly_auth.logins import Logins
from cloudly_auth.machines import Machines
from cloudly_auth.mail import Mail
from cloudly_auth.master_keys import HOLDERS, MasterKeyOrders, MasterKeyRotation
from cloudly_auth.oidc.flows import Flows
from cloudly_auth.oidc.http import ProviderHttp
from cloudly_auth.oidc.people import People
from cloudly_auth.oidc.protocol import RelyingParty as OidcRelyingParty
from cloudly_auth.oidc.providers import OidcProviders
from cloudly_auth.oidc.store import OidcStore
from cloudly_auth.passkeys import RelyingParty
from cloudly_auth.passwords import Passwords
from cloudly_auth.peers import HolderPeer
from cloudly_auth.revocations import Revocations
from cloudly_auth.sealed import sealed
from cloudly_auth.second_step import SecondStep
from cloudly_auth.service_tokens import ServiceTokens
from cloudly_auth.servicers import (
    ApiTokenServicer,
    AuditServicer,
    AuthServicer,
    FactorServicer,
    InvitationServicer,
    KeyServicer,
    OidcProviderServicer,
    SessionServicer,
    SettingServicer,
    SsoServicer,
    UserServicer,
)
from cloudly_auth.servicers.access import AccessServicer
from cloudly_auth.sessions import Sessions
from cloudly_auth.settings import Settings as SettingRules
from cloudly_auth.settings_store import SettingsStore
from cloudly_auth.signing_keys import KeyRing
from cloudly_auth.store import AuthStore
from cloudly_auth.tokens import LONGEST_LIFETIME, Tokens
from cloudly_auth.users import Users

HEAL_SECONDS = 30.0
"""How often orders are looked for that a dead process left behind."""


async def serve(settings: Settings) -> None:
    """Serve until told to stop."""

    async def own_keys() -> PublicKeys:
        return await keys.public_keys()

    async def own_revocations(sid: str) -> bool:
        return await revocations.is_revoked(sid)

    async with (
        # Proxies of the environment are used: identity providers may be beyond one.
        aiohttp.ClientSession(trust_env=True) as http,
        Runtime("auth", settings, fetch_keys=own_keys, is_revoked=own_revocations) as runtime,
    ):
        envelope = await runtime.envelope()
        keys, store, tokens, revocations, sessions = await _foundations(runtime, settings, envelope)
        passwords = Passwords(settings.password_threads)
        attempts = Attempts(runtime.redis)
        users = Users(store, passwords, sessions)
        longest = timedelta(days=settings.token_max_days) if settings.token_max_days else None
        api_tokens = ApiTokens(store, tokens, revocations, longest=longest)
        sessions.also_carry_out(api_tokens.carry_out)
        executions = Executions(runtime.database, runtime.redis, "auth", TASKS)
        await executions.ensure()
        await users.open()
        await bootstrap_admin(users, settings.admin_account.get_secret_value())
        logins = Logins(users, passwords, attempts)
        challenges, relying_party = Challenges(store, envelope), RelyingParty(settings.public_origin)
        second_step = SecondStep(
            store,
            envelope=envelope,
            challenges=challenges,
            relying_party=relying_party,
            policies=FactorPolicies(store),
            sessions=sessions,
            logins=logins,
            attempts=Attempts(runtime.redis, SECOND_FACTORS),
        )
        accounts = Accounts(store, passwords, sessions, logins)
        factors = FactorServicer(
            second_step=second_step,
            factors=SecondFactors(store, envelope, challenges, relying_party),
            policies=FactorPolicies(store),
            accounts=accounts,
            passkeys_possible=relying_party.possible,
        )
        auth = AuthServicer(
            logins=logins,
            second_step=second_step,
            sessions=sessions,
            api_tokens=api_tokens,
            machines=Machines(store, tokens, revocations),
            services=ServiceTokens(settings.keys_dir, runtime.redis, tokens),
            keys=keys,
            revocations=revocations,
            attempts=attempts,
        )
        runtime.serve(add_AuthServiceServicer_to_server, auth)
        runtime.serve(add_FactorServiceServicer_to_server, factors)
        runtime.serve(add_SessionServiceServicer_to_server, SessionServicer(accounts))
        runtime.serve(add_UserServiceServicer_to_server, UserServicer(users))
        runtime.serve(add_AccessServiceServicer_to_server, AccessServicer(users))
        runtime.serve(add_ApiTokenServiceServicer_to_server, ApiTokenServicer(api_tokens))
        outbox = Outbox(runtime.database, runtime.redis, "auth", PUBLISHES)
        settings_store = SettingsStore(runtime.database)
        await settings_store.ensure()
        rules = SettingRules(settings_store, envelope, outbox)
        runtime.serve(add_SettingServiceServicer_to_server, SettingServicer(rules))
        invitation_store = InvitationStore(runtime.database)
        await invitation_store.ensure()
        mail = Mail(settings.mail_server, settings.public_origin) if settings.mail_server else None
        invitations = Invitations(invitation_store, users, attempts, mail, settings.public_origin)
        runtime.serve(add_InvitationServiceServicer_to_server, InvitationServicer(invitations, sessions))
        rotation = await _rotation(runtime)
        runtime.serve(
            add_KeyServiceServicer_to_server, KeyServicer(keys, rotation, MasterKeyOrders(rotation, executions))
        )
        serve_sealed_values(runtime, SealedValues(envelope, sealed(runtime.database)))
        oidc_store, oidc_party = OidcStore(runtime.database), OidcRelyingParty(ProviderHttp(http))
        await oidc_store.ensure()
        providers = OidcProviders(oidc_store, envelope, oidc_party, settings.public_origin)
        people = People(store, users, accounts)
        flows = Flows(
            oidc_store,
            providers=providers,
            relying_party=oidc_party,
            people=people,
            challenges=challenges,
            second_step=second_step,
            attempts=attempts,
            public_origin=settings.public_origin,
        )
        sso = SsoServicer(
            flows=flows,
            providers=providers,
            people=people,
            users=users,
            accounts=accounts,
            second_step=second_step,
            passkeys_possible=relying_party.possible,
        )
        runtime.serve(add_OidcProviderServiceServicer_to_server, OidcProviderServicer(providers))
        runtime.serve(add_SsoServiceServicer_to_server, sso)
        chain, audit = await _audit(runtime, keys)
        runtime.serve(add_AuditServiceServicer_to_server, AuditServicer(audit))
        runtime.background("audit-chain", chain.run)
        serve_jobs(runtime, executions)
        runtime.background("outbox", outbox.relay)
        runtime.background("revocations", revocations.keep_announced)
        runtime.background("endings", partial(_heal, sessions))
        try:
            await runtime.run()
        finally:
            passwords.close()


async def _foundations(
    runtime: Runtime, settings: Settings, envelope: Envelope
) -> tuple[KeyRing, AuthStore, Tokens, Revocations, Sessions]:
    keys = KeyRing(runtime.database, envelope, longest_token=LONGEST_LIFETIME)
    store = AuthStore(runtime.database)
    await store.ensure()
    await keys.collection.ensure()
    await keys.open()
    tokens = Tokens(settings.public_origin, keys)
    revocations = Revocations(store, runtime.redis)
    sessions = Sessions(
        store,
        tokens,
        revocations,
        runtime.journal,
        idle=timedelta(days=settings.session_idle_days),
        longest=timedelta(days=settings.session_days),
        must_enrol=FactorPolicies(store).must_enrol,
    )
    return keys, store, tokens, revocations, sessions


async def _audit(runtime: Runtime, keys: KeyRing) -> tuple[Chain, AuditLog]:
    store = AuditStore(runtime.database)
    await store.ensure()
    marks = Marks(store, keys, await runtime.envelope())
    chain = Chain(store, marks, runtime.redis)
    await chain.open()
    return chain, AuditLog(store, marks, runtime.redis)


async def _rotation(runtime: Runtime) -> MasterKeyRotation:
    holders = [HolderPeer(name, runtime.channel(name)) for name in HOLDERS]
    lease = Lease(runtime.redis, "cloudly.lease.auth.master-key", new_id(), 10)
    return MasterKeyRotation(await runtime.master_keys(), holders, runtime.hints, lease)


async def _heal(sessions: Sessions) -> None:
    while True:
        await sessions.carry_out_endings()
        await asyncio.sleep(HEAL_SECONDS)


async def build(runtime: Runtime, settings: Settings) -> Parts:
    """What the tasks work with, in a worker."""
    envelope = await runtime.envelope()
    keys, *_ = await _foundations(runtime, settings, envelope)
    _, audit = await _audit(runtime, keys)
    sealed_values = SealedValues(envelope, sealed(runtime.database))
    return Parts(keys, audit, settings.audit_days, sealed_values, await _rotation(runtime))


def main() -> None:
    """The gRPC process."""
    run(serve, Settings, "auth")


def worker() -> None:
    """The worker process."""
    run_worker("auth", Settings, TASKS, build)


if __name__ == "__main__":
    main()
