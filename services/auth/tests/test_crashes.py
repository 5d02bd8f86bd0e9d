"""kill -9 between a write and its acknowledgement: what was begun is finished or never was, and the system works."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloudly.auth.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    auth_pb2,
    invitation_pb2,
    invitation_pb2_grpc,
    key_pb2,
    key_pb2_grpc,
    setting_pb2,
    setting_pb2_grpc,
    user_pb2,
)
from cloudly_auth.config import Settings
from cloudly_auth.main import serve
from cloudly_auth.signing_keys import KeyRing, KeyState
from cloudly_auth.tokens import LONGEST_LIFETIME
from cloudly_kit.crypto import Envelope
from cloudly_kit.errors import CredentialsInvalid, DomainError, FailedPrecondition, TokenRevoked
from cloudly_kit.ids import new_id
from cloudly_kit.testing import ServiceHarness
from google.protobuf.field_mask_pb2 import FieldMask

from tests.processes import KILLED, Process

PASSWORD = "a long enough passphrase"


def process(settings: Settings, crashpoint: str) -> Process:
    """Auth as a process of its own."""
    account = settings.admin_account.get_secret_value()
    return Process("auth", settings, crashpoint=crashpoint, SERVEZONE_ADMINACCOUNT=account)


@asynccontextmanager
async def dying(settings: Settings, crashpoint: str) -> AsyncIterator[None]:
    """A process that serves, and has died of its crash point by the end of the block."""
    running = process(settings, crashpoint)
    try:
        await running.serving()
        yield
        assert await running.ended() == KILLED
    finally:
        await running.stop()


@pytest.mark.parametrize("place", ["before_write", "after_write"])
async def test_a_start_killed_at_the_first_admin_is_repeated(
    harness: ServiceHarness, settings: Settings, caller_of, store: Any, place: str
):
    assert await process(settings, f"auth.users.bootstrap.{place}").ended() == KILLED
    async with harness.running("auth", serve, settings):
        assert (await caller_of.login()).identity.name == "root"
    assert len(await store.admins()) == 1


@pytest.mark.parametrize("place", ["before_write", "after_write"])
async def test_a_user_being_made_is_made_once(harness: ServiceHarness, replica: Any, caller_of, store: Any, place: str):
    user = user_pb2.User(name="ada", roles=["viewer"], password=PASSWORD)
    request = user_pb2.CreateUserRequest(user=user, request_id=new_id())
    async with dying(replica(1), f"auth.users.create.{place}"):
        token = await caller_of.at(replica(1)).admin()
        with pytest.raises(DomainError):
            await caller_of.at(replica(1)).users(token).CreateUser(request)
    async with harness.running("auth", serve, replica(2)):
        auth = caller_of.at(replica(2))
        made = (await auth.users(token).CreateUser(request)).user
        assert (await auth.login("ada")).identity.id == made.id
        users = (await auth.users(token).ListUsers(user_pb2.ListUsersRequest())).users
        assert sorted(user.name for user in users) == ["ada", "root"]


@pytest.mark.parametrize("what", ["update", "delete"])
async def test_sessions_end_although_the_process_died_before_ending_them(
    harness: ServiceHarness, replica: Any, caller_of, store: Any, what: str
):
    async with dying(replica(1), f"auth.users.{what}.after_write"):
        auth = caller_of.at(replica(1))
        token = await auth.admin()
        user = await auth.add_user("ada", "viewer", token=token)
        sessions = [await auth.login("ada", audience=audience) for audience in ("cloudly", "cloudly-legacy")]
        changed = user_pb2.User(id=user.id, disabled=True)
        with pytest.raises(DomainError):
            if what == "update":
                mask = FieldMask(paths=["disabled"])
                await auth.users(token).UpdateUser(user_pb2.UpdateUserRequest(user=changed, update_mask=mask))
            else:
                await auth.users(token).DeleteUser(user_pb2.DeleteUserRequest(user_id=user.id))
    async with harness.running("auth", serve, replica(2)):
        auth = caller_of.at(replica(2))
        with pytest.raises(CredentialsInvalid):
            await auth.login("ada")
        for session in sessions:
            await until_revoked(auth, session.access_token)
    assert await store.endings.find_all(scope="-") == []


async def test_a_logout_that_died_before_it_was_announced_has_happened(
    harness: ServiceHarness, replica: Any, caller_of
):
    async with dying(replica(1), "auth.revocations.announce.before"):
        auth = caller_of.at(replica(1))
        session = await auth.login()
        with pytest.raises(DomainError):
            await auth.auth(session.access_token).Logout(auth_pb2.LogoutRequest())
    async with harness.running("auth", serve, replica(2)):
        auth = caller_of.at(replica(2))
        await until_revoked(auth, session.access_token)
        with pytest.raises(TokenRevoked):
            await auth.refresh(session.refresh_token)


async def test_a_refresh_whose_answer_was_lost_is_answered_by_the_next_process(
    harness: ServiceHarness, replica: Any, caller_of
):
    async with harness.running("auth", serve, replica(2)), dying(replica(1), "auth.sessions.refresh.after_write"):
        first, second = caller_of.at(replica(1)), caller_of.at(replica(2))
        session = await first.login()
        with pytest.raises(DomainError):
            await first.refresh(session.refresh_token)
        following = await second.refresh(session.refresh_token)
        assert (await second.refresh(following.refresh_token)).access_token


@pytest.mark.parametrize("place", ["after_identity", "after_write"])
async def test_a_jump_code_whose_answer_was_lost_is_made_again(
    harness: ServiceHarness, replica: Any, caller_of, store: Any, place: str
):
    cluster = new_id()
    async with dying(replica(1), f"auth.machines.create.{place}"):
        with pytest.raises(DomainError):
            await caller_of.at(replica(1)).jump_code(cluster)
    async with harness.running("auth", serve, replica(2)):
        auth = caller_of.at(replica(2))
        code = await auth.jump_code(cluster)
        identity = (await auth.exchange(code)).identity
        assert identity.cluster_id == cluster
    endless = [one for one in await store.credentials.find_all(scope=identity.id) if one.expire_time is None]
    assert len(endless) == 1, "the code that nobody saw ends"


async def test_a_cluster_identity_whose_deletion_was_not_answered_is_gone(
    harness: ServiceHarness, replica: Any, caller_of
):
    cluster = new_id()
    async with dying(replica(1), "auth.machines.delete.after_write"):
        auth = caller_of.at(replica(1))
        code = await auth.jump_code(cluster)
        bought = await auth.exchange(code)
        clusters = auth.auth(await auth.service("clusters"))
        with pytest.raises(DomainError):
            await clusters.DeleteClusterIdentity(auth_pb2.DeleteClusterIdentityRequest(cluster_id=cluster))
    async with harness.running("auth", serve, replica(2)):
        auth = caller_of.at(replica(2))
        await until_revoked(auth, bought.access_token)
        with pytest.raises(CredentialsInvalid):
            await auth.exchange(code)
        clusters = auth.auth(await auth.service("clusters"))
        await clusters.DeleteClusterIdentity(auth_pb2.DeleteClusterIdentityRequest(cluster_id=cluster))


ROTATE = """
import asyncio, sys
from motor.motor_asyncio import AsyncIOMotorClient
from cloudly_auth.signing_keys import KeyRing
from cloudly_auth.tokens import LONGEST_LIFETIME
from cloudly_kit.config import ServiceSettings
from cloudly_kit.crypto import Envelope
from cloudly_kit.store import Database

async def main(url, name, keys):
    database = Database(AsyncIOMotorClient(url, tz_aware=True), name)
    envelope = Envelope.load(ServiceSettings(keys_dir_setting=keys))
    await KeyRing(database, envelope, longest_token=LONGEST_LIFETIME).rotate()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(("place", "turned"), [("before_write", False), ("after_write", True)])
async def test_a_rotation_killed_anywhere_leaves_a_whole_ring(auth, store: Any, place: str, turned: bool):
    token = await auth.admin()
    ring = KeyRing(store.database, Envelope.load(auth.settings), longest_token=LONGEST_LIFETIME)
    before, _ = await ring.signer()
    rotating = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ROTATE,
        auth.settings.mongodb_url.get_secret_value(), store.database.name, str(auth.settings.keys_dir),
        env={**os.environ, "CLOUDLY_CRASHPOINT": f"auth.keys.rotate.{place}"},
    )  # fmt: skip
    assert await rotating.wait() == KILLED
    ring = KeyRing(store.database, Envelope.load(auth.settings), longest_token=LONGEST_LIFETIME)
    active, _ = await ring.signer()
    assert (active != before) is turned
    states = [key.state for key in await ring.published()]
    assert states.count(KeyState.ACTIVE) == states.count(KeyState.NEXT) == 1
    assert (await auth.identity(token)).name == "root"
    assert (await auth.identity(await auth.admin())).name == "root"
    assert await ring.rotate() != active


@pytest.mark.parametrize("place", ["before_write", "after_write"])
async def test_an_ordered_rotation_whose_answer_was_lost_is_one_rotation(
    harness: ServiceHarness, replica: Any, caller_of, age_next_key: Any, place: str
):
    request = key_pb2.RotateSigningKeysRequest(request_id=new_id())
    async with dying(replica(1), f"auth.keys.rotate.{place}"):
        there = caller_of.at(replica(1))
        token = await there.admin()
        (waiting,) = await kids(there, token, key_pb2.SIGNING_KEY_STATE_NEXT)
        await age_next_key()
        with pytest.raises(DomainError):
            await key_pb2_grpc.KeyServiceStub(there.channel(token)).RotateSigningKeys(request)
    async with harness.running("auth", serve, replica(2)):
        there = caller_of.at(replica(2))
        stub = key_pb2_grpc.KeyServiceStub(there.channel(token))
        for _ in range(2):
            await stub.RotateSigningKeys(request)
            assert await kids(there, token, key_pb2.SIGNING_KEY_STATE_ACTIVE) == [waiting]
        assert len(await kids(there, token, key_pb2.SIGNING_KEY_STATE_RETIRED)) == 1
        assert (await there.identity(await there.admin())).name == "root"


async def kids(auth: Any, token: str, state: int) -> list[str]:
    stub = key_pb2_grpc.KeyServiceStub(auth.channel(token))
    keys = (await stub.ListSigningKeys(key_pb2.ListSigningKeysRequest())).signing_keys
    return [key.kid for key in keys if key.state == state]


@pytest.mark.parametrize(("place", "made"), [("before_write", False), ("after_write", True)])
async def test_a_link_whose_use_was_not_answered_is_used_up_exactly_if_the_user_is_there(
    harness: ServiceHarness, replica: Any, caller_of, place: str, made: bool
):
    def accepting(link: str) -> invitation_pb2.AcceptInvitationRequest:
        return invitation_pb2.AcceptInvitationRequest(token=link.partition("#")[2], password=PASSWORD)

    async with dying(replica(1), f"auth.invitations.accept.{place}"):
        there = caller_of.at(replica(1))
        token = await there.admin()
        stub = invitation_pb2_grpc.InvitationServiceStub(there.channel(token))
        invitation = invitation_pb2.Invitation(name="ada", roles=["viewer"])
        link = (await stub.CreateInvitation(invitation_pb2.CreateInvitationRequest(invitation=invitation))).link
        with pytest.raises(DomainError):
            await stub.AcceptInvitation(accepting(link))
    async with harness.running("auth", serve, replica(2)):
        there = caller_of.at(replica(2))
        stub = invitation_pb2_grpc.InvitationServiceStub(there.channel(token))
        if made:
            with pytest.raises(FailedPrecondition, match="used already"):
                await stub.AcceptInvitation(accepting(link))
        else:
            await stub.AcceptInvitation(accepting(link))
        assert (await there.login("ada", PASSWORD)).identity.name == "ada"
        (listed,) = (await stub.ListInvitations(invitation_pb2.ListInvitationsRequest())).invitations
        assert listed.state == invitation_pb2.INVITATION_STATE_ACCEPTED
        users = (await there.users(token).ListUsers(user_pb2.ListUsersRequest())).users
        assert sorted(user.name for user in users) == ["ada", "root"]


@pytest.mark.parametrize(("place", "written"), [("update.before_write", False), ("update.after_write", True)])
async def test_settings_whose_answer_was_lost_are_whole_and_their_owner_is_told(
    harness: ServiceHarness, replica: Any, caller_of, store: Any, place: str, written: bool
):
    values = {"hetznerToken": "hcloud-0123456789", "dcrouterTargetPort": "8443"}
    updates = [setting_pb2.SettingUpdate(key=key, value=value) for key, value in values.items()]
    first = replica(1)
    async with dying(first, f"auth.settings.{place}"):
        there = caller_of.at(first)
        stub = setting_pb2_grpc.SettingServiceStub(there.channel(await there.admin()))
        with pytest.raises(DomainError):
            await stub.UpdateSettings(setting_pb2.UpdateSettingsRequest(updates=updates))
    rows = [row async for row in store.database.raw("_outbox").find({"topic": "settings.changed.clusters"})]
    assert len(rows) == written
    second = replica(2)
    async with harness.running("auth", serve, second):
        there = caller_of.at(second)
        owner = setting_pb2_grpc.SettingServiceStub(there.channel(await there.service("clusters")))
        owned = (await owner.ReadOwnedSettings(setting_pb2.ReadOwnedSettingsRequest())).settings
        assert {setting.key: setting.value for setting in owned} == (values if written else {})


@pytest.mark.parametrize(
    ("place", "used"), [("create.before_write", False), ("create.after_write", True), ("complete.after_write", True)]
)
async def test_a_login_by_a_provider_killed_anywhere_makes_one_whole_user_and_its_code_works_once(
    harness: ServiceHarness, replica: Any, sso_at: Any, store: Any, place: str, used: bool
):
    first, second = sso_at(replica(1)), sso_at(replica(2))
    async with dying(replica(1), f"auth.oidc.{place}"):
        await first.make()
        started = await first.start()
        onward = await first.finish(**await first.provider.log_in(started.authorization_url, "grace"))
        code = onward.partition("#sso=")[2]
        with pytest.raises(DomainError):
            await first.complete(code, started.verifier)
    async with harness.running("auth", serve, replica(2)):
        if not used:
            await second.complete(code, started.verifier)
        with pytest.raises(CredentialsInvalid, match="completed before"):
            await second.complete(code, started.verifier)
        session = await second.login("grace")
        assert (await second.auth.identity(session.access_token)).name == "grace"
        users = (await second.auth.users(session.access_token).ListUsers(user_pb2.ListUsersRequest())).users
        assert sorted(user.name for user in users) == ["grace", "root"]
    links = await store.oidc_links.find_all(scope=session.identity.id)
    assert [link.subject for link in links] == ["grace"]


async def test_what_a_provider_sent_back_to_a_process_that_died_is_used_up_and_the_next_login_works(
    harness: ServiceHarness, replica: Any, sso_at: Any
):
    first, second = sso_at(replica(1)), sso_at(replica(2))
    async with dying(replica(1), "auth.oidc.finish.after_spending"):
        await first.make()
        brought = await first.provider.log_in((await first.start()).authorization_url, "alan")
        with pytest.raises(DomainError):
            await first.finish(**brought)
    assert first.provider.token_requests() == []
    async with harness.running("auth", serve, replica(2)):
        with pytest.raises(CredentialsInvalid, match="answered before"):
            await second.finish(**brought)
        assert (await second.login("alan")).identity.name == "alan"


async def until_revoked(auth, token: str, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while True:
            try:
                await auth.identity(token)
            except TokenRevoked:
                return
            await asyncio.sleep(0.05)


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("place", "results"),
    [
        ("audit.after_begin", [audit_pb2.AUDIT_RESULT_UNKNOWN]),
        ("audit.before_finish", [audit_pb2.AUDIT_RESULT_UNKNOWN]),
        ("audit.chain.before_append", [audit_pb2.AUDIT_RESULT_DONE]),
        ("audit.chain.after_append", [audit_pb2.AUDIT_RESULT_DONE]),
    ],
)
async def test_a_process_killed_anywhere_leaves_each_call_in_the_log_once(
    harness: Any, replica: Any, caller_of: Any, store: Any, redis_client: Any, place: str, results: list[int]
):
    async with dying(replica(1), f"{place}:2" if place.startswith("audit.before") else place):
        auth = caller_of.at(replica(1))
        await asyncio.gather(auth.login(), auth.login(), return_exceptions=True)
    if place == "audit.chain.before_append":
        await redis_client.flushall()
    # As if the time of the dead process's lease, and of what it had begun, were over.
    await redis_client.delete("cloudly.lease.audit")
    past = datetime.now(UTC) - timedelta(seconds=1)
    await store.database.raw("_audit").update_many({"state": "begun"}, {"$set": {"due": past}})
    async with harness.running("auth", serve, replica(2)):
        auth = caller_of.at(replica(2))
        token = await auth.admin()
        # This login's entry may be in the chain long before those of the process that died.
        await all_chained(store)
        log = audit_pb2_grpc.AuditServiceStub(auth.channel(token))
        request = audit_pb2.ListAuditEntriesRequest(filter='method = "AuthService.Login"')
        logins = (await log.ListAuditEntries(request)).entries
        assert len({entry.id for entry in logins}) == len(logins) >= 2
        assert set(results) <= {entry.result for entry in logins}
        assert (await log.VerifyAuditLog(audit_pb2.VerifyAuditLogRequest())).complete


async def all_chained(store: Any) -> None:
    """A row of the journal goes once its entry is in the chain.

    What was killed may have been appending to it: the server keeps others away from what such a transaction has written
    until it ends it, after a minute.
    """
    async with asyncio.timeout(100):
        while await store.database.raw("_audit").find_one({}) is not None:
            await asyncio.sleep(0.05)
