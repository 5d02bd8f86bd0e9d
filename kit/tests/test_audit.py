"""Every audited RPC there is, through the real interceptor, is one entry; what goes wrong is told too."""

from contextlib import AsyncExitStack

import grpc
import pytest
from cloudly.auth.v1 import audit_pb2 as pb
from cloudly.auth.v1 import user_pb2
from cloudly_kit import contract, validation
from cloudly_kit.audit import floods, notes
from cloudly_kit.audit.calls import audited
from cloudly_kit.audit.entries import REQUEST_BYTES, shown
from cloudly_kit.audit.journal import Journal
from cloudly_kit.errors import PermissionDenied
from cloudly_kit.rpc_server import CallInterceptor
from cloudly_kit.store import Collection, Document

AUDITED = [method for method in contract.methods().values() if method.rules.audit]


class Thing(Document):
    name: str = "thing"


class Server:
    """A server that serves all audited methods: each writes a document, or does what `work` says."""

    def __init__(self, harness, database, redis):
        self.harness = harness
        self.journal = Journal(database, redis, "test")
        self.rows = database.raw("_audit")
        self.things = Collection(database, "things", Thing, kind="thing")
        self.work = self.write

    async def write(self):
        await self.things.insert(Thing())

    async def start(self, stack):
        server = grpc.aio.server(interceptors=[CallInterceptor(self.harness.authority.verifier(), self.journal)])
        for service in {method.service for method in AUDITED}:
            methods = {method.name: self.handler(method) for method in AUDITED if method.service == service}
            server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, methods)])
        address = f"unix:{self.harness.directory}/audited.sock"
        server.add_insecure_port(address)
        await server.start()
        stack.push_async_callback(server.stop, 0)
        self.channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))

    def handler(self, method):
        async def handle(request, context):
            await self.work()
            return method.response_class()

        async def stream(request, context):
            yield await handle(request, context)

        how = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        return how(
            stream if method.server_streaming else handle,
            request_deserializer=method.request_class.FromString,
            response_serializer=method.response_class.SerializeToString,
        )

    async def call(self, method, *roles):
        token = self.harness.authority.issue(*roles)
        if method.rules.access.WhichOneof("kind") == "services":
            name = method.rules.access.services.names[0]
            token = self.harness.authority.issue(name=name, type="service", audience="service")
        how = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        call = how(
            method.path,
            request_serializer=method.request_class.SerializeToString,
            response_deserializer=method.response_class.FromString,
        )(method.request_class(), metadata=(("authorization", f"Bearer {token}"),), timeout=10)
        return [answer async for answer in call] if method.server_streaming else await call

    async def entries(self):
        return [pb.AuditEntry.FromString(row["body"]) async for row in self.rows.find({"state": "done"})]


@pytest.fixture
async def server(harness, database, redis_client, monkeypatch):
    monkeypatch.setattr(validation, "violations", lambda *_, **__: [])
    async with AsyncExitStack() as stack:
        built = Server(harness, database, redis_client)
        await built.start(stack)
        yield built


async def test_every_audited_method_makes_one_entry(server):
    machines = {"agent.connect": "cluster"}
    for method in AUDITED:
        await server.call(method, machines.get(method.rules.access.permission, "admin"))
        rows = [row async for row in server.rows.find({})]
        assert [row["state"] for row in rows] == ["done"], method.path
        entry = pb.AuditEntry.FromString(rows[0]["body"])
        assert entry.method == f"{method.service.rsplit('.', 1)[1]}.{method.name}"
        assert entry.result == pb.AUDIT_RESULT_DONE
        if not method.server_streaming:
            assert [one.resource.kind for one in entry.changes] == ["thing"], method.path
        await server.rows.delete_many({})


USER_DELETE = contract.methods()["/cloudly.auth.v1.UserService/DeleteUser"]


async def test_a_handler_finds_its_trace_written_before_it_runs(server):
    seen = []

    async def look():
        seen.append([row["state"] async for row in server.rows.find({})])

    server.work = look
    await server.call(USER_DELETE, "admin")
    assert seen == [["begun"]]


async def test_a_flood_of_refusals_is_a_few_entries_and_a_count(server):
    for _ in range(floods.ONE_BY_ONE + 15):
        with pytest.raises(grpc.aio.AioRpcError):
            await server.call(USER_DELETE, "viewer")
    assert len(await server.entries()) == floods.ONE_BY_ONE
    await server.journal.tend(all=True)
    counted = [entry for entry in await server.entries() if entry.count]
    assert [(entry.count, entry.reason) for entry in counted] == [(15, "PERMISSION_DENIED")]
    assert await server.rows.find_one({"state": "begun"}) is None


async def test_a_failure_is_told_with_its_reason(server):
    async def fail():
        raise PermissionDenied("users.write")

    server.work = fail
    with pytest.raises(grpc.aio.AioRpcError):
        await server.call(USER_DELETE, "admin")
    entry = (await server.entries())[0]
    assert (entry.result, entry.reason) == (pb.AUDIT_RESULT_DENIED, "PERMISSION_DENIED")


async def test_other_work_is_told_as_calls_are(server):
    async with audited(server.journal, pb.AuditEntry(method="host.ResetPassword")):
        await server.write()
    with pytest.raises(RuntimeError):
        async with audited(server.journal, pb.AuditEntry(method="host.ResetPassword")):
            raise RuntimeError
    done, failed = sorted(await server.entries(), key=lambda entry: entry.result)
    assert (done.result, len(done.changes)) == (pb.AUDIT_RESULT_DONE, 1)
    assert (failed.result, failed.reason) == (pb.AUDIT_RESULT_FAILED, "RuntimeError")
    assert notes.current() is None


async def test_work_that_writes_nothing_is_no_entry_where_only_writes_count(server):
    async with audited(server.journal, pb.AuditEntry(method="task.idle"), if_it_writes=True):
        pass
    with pytest.raises(RuntimeError):
        async with audited(server.journal, pb.AuditEntry(method="task.idle"), if_it_writes=True):
            raise RuntimeError
    own = frozenset({server.things.kind})
    async with audited(server.journal, pb.AuditEntry(method="task.own"), if_it_writes=True, apart_from=own):
        await server.write()
    assert await server.entries() == []
    async with audited(server.journal, pb.AuditEntry(method="task.busy"), if_it_writes=True):
        await server.write()
    assert [(entry.method, len(entry.changes)) for entry in await server.entries()] == [("task.busy", 1)]


async def test_what_a_machine_does_over_and_over_is_told_by_number(server):
    for _ in range(5):
        told = pb.AuditEntry(method="agent.report", resource=pb.AuditResource(kind="cluster", id="c1"))
        async with audited(server.journal, told, one_by_one=2):
            await server.write()
    await server.journal.tend(all=True)
    entries = sorted(await server.entries(), key=lambda entry: entry.count)
    assert [(one.count, one.result, one.resource.id) for one in entries] == [
        (0, pb.AUDIT_RESULT_DONE, "c1"),
        (0, pb.AUDIT_RESULT_DONE, "c1"),
        (3, pb.AUDIT_RESULT_DONE, "c1"),
    ]


def test_a_request_is_shown_masked_and_within_its_bound():
    user = user_pb2.User(name="n" * 60, password="a canary", roles=["r" * 500] * 50, labels={"key": "a canary"})
    text = shown(user_pb2.CreateUserRequest(user=user))
    assert "canary" not in text
    assert len(text.encode()) <= REQUEST_BYTES
