"""The audit log: each call is in it once, whoever dies when, and no change of it goes unseen."""

import asyncio
import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from cloudly.auth.v1 import audit_pb2, audit_pb2_grpc, user_pb2
from cloudly_auth.audit_chain import Chain
from cloudly_auth.audit_log import AuditLog
from cloudly_auth.audit_marks import Marks
from cloudly_auth.audit_store import ANCHOR, GENESIS, HEAD, AuditStore, Entry, Mark, padded
from cloudly_auth.signing_keys import KeyRing
from cloudly_auth.tokens import LONGEST_LIFETIME
from cloudly_kit.config import ServiceSettings
from cloudly_kit.crypto import Envelope
from cloudly_kit.errors import DomainError, PermissionDenied
from cloudly_kit.ids import new_id
from google.protobuf.field_mask_pb2 import FieldMask


def fact(number: int, **fields: Any) -> audit_pb2.AuditEntry:
    made = audit_pb2.AuditEntry(id=new_id(), method="UserService.CreateUser", service="auth", took_ms=number, **fields)
    made.time.GetCurrentTime()
    return made


class Log:
    """The chain on a database of its own, without a running auth."""

    def __init__(self, database, redis, envelope: Envelope) -> None:
        self.store = AuditStore(database)
        self.ring = KeyRing(database, envelope, longest_token=LONGEST_LIFETIME)
        self.marks = Marks(self.store, self.ring, envelope)
        self.chain = Chain(self.store, self.marks, redis)
        self.log = AuditLog(self.store, self.marks, redis)
        self.raw = database.raw("audit_entries")

    async def open(self) -> "Log":
        await self.store.ensure()
        await self.ring.collection.ensure()
        await self.ring.open()
        await self.chain.open()
        return self

    async def broken(self) -> str:
        found = await self.log.verify()
        assert found.complete == (found.broken is None)
        return found.broken.kind if found.broken else ""

    async def rehash(self, start: int) -> None:
        """What somebody would do who writes to the database and knows how entries are hashed."""
        before = await self.raw.find_one({"_id": padded(start - 1)})
        previous = before["hash"] if before else GENESIS
        head = await self.store.marks.get(HEAD)
        for sequence in range(start, head.sequence + 1):
            raw = await self.raw.find_one({"_id": padded(sequence)})
            entry = Entry.model_validate({**raw, "previous_hash": previous})
            previous = entry.digest()
            await self.raw.update_one(
                {"_id": raw["_id"]}, {"$set": {"previous_hash": entry.previous_hash, "hash": previous}}
            )


@pytest.fixture
async def log(database, redis_client, harness) -> Log:
    opened = await Log(database, redis_client, Envelope.load(harness.settings(ServiceSettings))).open()
    for start in range(0, 9, 3):
        await opened.chain.append([fact(number) for number in range(start, start + 3)])
    return opened


async def test_the_chain_is_whole_and_two_who_append_at_once_do_not_fork_it(log: Log, database, redis_client):
    second = Chain(log.store, log.marks, redis_client)
    facts = [fact(number) for number in range(40)]
    await asyncio.gather(*(chain.append(facts[at : at + 8]) for at in range(0, 40, 8) for chain in (log.chain, second)))
    found = await log.log.verify()
    assert (found.sequence, found.entries, found.broken) == (49, 49, None)
    assert found.complete


async def cut(log: Log) -> None:
    await log.raw.delete_one({"_id": padded(4)})


async def cut_the_end(log: Log) -> None:
    await log.raw.delete_one({"_id": padded(9)})


async def cut_the_beginning(log: Log) -> None:
    await log.raw.delete_one({"_id": padded(1)})


async def cut_the_end_with_an_old_head(log: Log) -> None:
    raw = await log.raw.find_one({"_id": padded(6)})
    old = await log.marks.signed(Mark(id=HEAD, sequence=6, hash=raw["hash"], day=raw["scope"]))
    await log.store.marks.change(HEAD, lambda head: old.model_copy(update={"etag": head.etag}))
    await log.raw.delete_many({"_id": {"$in": [padded(n) for n in (7, 8, 9)]}})


async def hide(log: Log) -> None:
    await log.raw.update_one({"_id": padded(4)}, {"$set": {"live": False}})


async def test_a_head_that_went_back_is_itself_an_entry_told_once(log: Log):
    await cut_the_end_with_an_old_head(log)
    for _ in range(2):
        # Whoever appends looks back first, and again when it starts again.
        appending = asyncio.create_task(log.chain.run())
        async with asyncio.timeout(20):
            while (await log.store.marks.get(HEAD)).sequence < 7:
                await asyncio.sleep(0.05)
        appending.cancel()
        await asyncio.gather(appending, return_exceptions=True)
    (told,) = await log.store.walk(f"{datetime.now(UTC):%Y-%m-%d}", 6, 10)
    assert (told.sequence, told.method, told.reason) == (7, "AuditService.HeadWentBack", "HEAD_WENT_BACK")
    assert (told.actor.name, told.actor.type, told.result) == ("auth", "service", "failed")
    assert json.loads(told.request) == {"expected": 9, "found": 6}
    assert (await log.store.marks.get(HEAD)).hash == told.hash


async def edit(log: Log) -> None:
    await log.raw.update_one({"_id": padded(4)}, {"$set": {"actor.name": "somebody else"}})


async def edit_and_rehash_all(log: Log) -> None:
    await edit(log)
    await log.rehash(4)


async def reorder(log: Log) -> None:
    fourth, fifth = [await log.raw.find_one({"_id": padded(n)}) for n in (4, 5)]
    await log.raw.delete_many({"_id": {"$in": [padded(4), padded(5)]}})
    await log.raw.insert_one({**fourth, "_id": padded(5), "sequence": 5})
    await log.raw.insert_one({**fifth, "_id": padded(4), "sequence": 4})


async def insert(log: Log) -> None:
    raw = await log.raw.find_one({"_id": padded(4)})
    await log.raw.drop_indexes()
    await log.raw.insert_one({**raw, "_id": new_id(), "event_id": new_id()})


async def forge_a_key(log: Log) -> None:
    other = Envelope.of({"k": b"\x01" * 32}, "k")
    forger = Marks(log.store, KeyRing(log.store.database, other, longest_token=LONGEST_LIFETIME), other)
    await log.store.database.raw("key_rings").delete_many({})
    await forger._ring.open()
    head = await log.store.marks.get(HEAD)
    await log.store.marks.replace(await forger.signed(head))
    log.marks._known.clear()


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        (cut, "cut"),
        (cut_the_end, "cut"),
        (cut_the_beginning, "cut"),
        (cut_the_end_with_an_old_head, "cut"),
        (hide, "cut"),
        (edit, "edited"),
        (edit_and_rehash_all, "rewritten"),
        (reorder, "forked"),
        (insert, "forked"),
        (forge_a_key, "rewritten"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_a_change_of_the_log_shows(log: Log, tamper: Any, kind: str):
    assert await log.broken() == ""
    await tamper(log)
    assert await log.broken() == kind


async def test_days_that_are_over_go_and_the_rest_verifies(log: Log, monkeypatch: pytest.MonkeyPatch):
    day = (datetime.now(UTC) + timedelta(days=3)).date()
    monkeypatch.setattr("cloudly_auth.audit_chain._today", lambda: f"{day:%Y-%m-%d}")
    await log.chain.append([fact(10), fact(11)])
    assert (await log.log.verify()).checkpoints == 1
    assert await log.log.drop_before(day - timedelta(days=1)) == 9
    found = await log.log.verify()
    assert (found.first_sequence, found.sequence, found.entries, found.broken) == (10, 11, 2, None)
    assert await log.log.drop_before(date(9999, 1, 1)) == 0, "the day of the head stays"
    assert await log.raw.find_one({"_id": padded(9)}) is None
    await log.store.marks.change(ANCHOR, lambda anchor: anchor.model_copy(update={"sequence": 10}))
    assert await log.broken() == "rewritten"


def audit(auth: Any, token: str) -> Any:
    return audit_pb2_grpc.AuditServiceStub(auth.channel(token))


async def until_listed(auth: Any, token: str, filter: str, count: int = 1) -> list[audit_pb2.AuditEntry]:
    async with asyncio.timeout(15):
        while True:
            request = audit_pb2.ListAuditEntriesRequest(filter=filter)
            found = list((await audit(auth, token).ListAuditEntries(request)).entries)
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)


async def test_a_call_is_in_the_log_with_who_what_and_which_etags_and_no_secret(auth: Any):
    token = await auth.admin()
    user = await auth.add_user("ada", "viewer", token=token, password="a canary of a password")
    changed = user_pb2.User(id=user.id, roles=["operator"], etag=user.etag)
    answer = await auth.users(token).UpdateUser(
        user_pb2.UpdateUserRequest(user=changed, update_mask=FieldMask(paths=["roles"]))
    )
    made = (await until_listed(auth, token, 'method = "UserService.CreateUser"'))[0]
    assert (made.actor.name, made.actor.type, made.result) == ("root", "human", audit_pb2.AUDIT_RESULT_DONE)
    assert (made.resource.kind, made.resource.id, made.resource.name) == ("user", user.id, "ada")
    assert [(one.etag_before, one.etag_after) for one in made.changes if one.resource.id == user.id] == [
        ("", user.etag)
    ]
    assert "canary" not in made.request
    assert '"password":"***"' in made.request
    update = (await until_listed(auth, token, f'resource.id = "{user.id}" AND method = "UserService.UpdateUser"'))[0]
    assert [(one.etag_before, one.etag_after) for one in update.changes if one.resource.kind == "user"] == [
        (user.etag, answer.user.etag)
    ]
    login = (await until_listed(auth, token, 'method = "AuthService.Login"'))[0]
    assert (login.actor.name, bool(login.actor.session_id)) == ("root", True)
    verified = await audit(auth, token).VerifyAuditLog(audit_pb2.VerifyAuditLogRequest())
    assert verified.complete
    assert not verified.HasField("broken")
    export = audit(auth, token).ExportAuditEntries(audit_pb2.ExportAuditEntriesRequest(after_sequence=1))
    lines = [line async for part in export for line in part.lines]
    assert len(lines) == verified.sequence - 1
    for line, following in pairwise(lines):
        assert json.loads(following)["previous_hash"] == hashlib.sha256(line.encode()).hexdigest()
    one = await audit(auth, token).GetAuditEntry(audit_pb2.GetAuditEntryRequest(entry_id=made.id))
    assert one.entry == made


async def test_refusals_are_in_the_log_and_a_flood_of_them_is_counted(auth: Any, store: Any, monkeypatch):
    token = await auth.admin()
    await auth.add_user("eve", "viewer", token=token)
    eve = (await auth.login("eve")).access_token
    for _ in range(25):
        with pytest.raises(PermissionDenied):
            await auth.users(eve).DeleteUser(user_pb2.DeleteUserRequest(user_id=new_id()))
    with pytest.raises(DomainError):
        await auth.users("").DeleteUser(user_pb2.DeleteUserRequest(user_id=new_id()))
    denied = await until_listed(auth, token, 'result = "DENIED" AND actor.name = "eve"', 10)
    assert len(denied) == 10
    nobody = await until_listed(auth, token, 'reason = "CREDENTIALS_MISSING"')
    assert (nobody[0].actor.id, nobody[0].method) == ("", "UserService.DeleteUser")
    with pytest.raises(PermissionDenied):
        await audit(auth, eve).ListAuditEntries(audit_pb2.ListAuditEntriesRequest())


async def test_pages_go_through_all_entries_newest_first(auth: Any):
    token = await auth.admin()
    for number in range(5):
        await auth.add_user(f"user{number}", "viewer", token=token)
    await until_listed(auth, token, 'method = "UserService.CreateUser"', 5)
    seen: list[int] = []
    request = audit_pb2.ListAuditEntriesRequest(page_size=2)
    while True:
        answer = await audit(auth, token).ListAuditEntries(request)
        seen += [entry.sequence for entry in answer.entries]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == 1
    assert len(set(seen)) == len(seen) >= 6
