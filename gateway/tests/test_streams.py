"""Watches as Server-Sent Events."""

import asyncio
import contextlib
import os
import sys

import httpx
import pytest
from cloudly.auth.v1 import audit_pb2
from cloudly.clusters.v1 import cluster_pb2
from cloudly.common.v1 import watch_pb2
from cloudly.executions.v1 import execution_pb2
from cloudly_gateway.rest.streams import EventStream
from cloudly_kit.config import SERVICES
from cloudly_kit.errors import CursorLost, Unavailable
from cloudly_kit.identity import CLOCK_SKEW_SECONDS
from cloudly_kit.testing import free_port


def news(event, cursor, name=""):
    message = cluster_pb2.WatchClustersResponse(event=event, cursor=cursor)
    if name:
        message.cluster.name = name
    return message


async def events(response, count):
    """The first `count` events, as dicts of their fields."""
    found, fields = [], {}
    async for line in response.aiter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif set(fields) - {"retry"}:
            found.append(fields)
            fields = {}
            if len(found) == count:
                break
        else:
            fields = {}
    return found


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def endless(_):
    yield news(watch_pb2.WATCH_EVENT_SNAPSHOT, "", "east")
    yield news(watch_pb2.WATCH_EVENT_BOOKMARK, "c1")
    yield news(watch_pb2.WATCH_EVENT_CHANGED, "c2", "west")
    yield news(watch_pb2.WATCH_EVENT_DELETED, "c3", "west")
    await asyncio.Event().wait()


async def test_a_watch_is_a_snapshot_a_bookmark_and_changes(gateway):
    gateway.services.answers["WatchClusters"] = endless
    async with gateway.client.stream("GET", "/api/v1/clusters:watch", headers=gateway.admin) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert "content-encoding" not in response.headers
        found = await events(response, 4)
    assert [event["event"] for event in found] == ["snapshot", "bookmark", "changed", "deleted"]
    assert [event.get("id") for event in found] == [None, "c1", "c2", "c3"]
    assert '"name":"east"' in found[0]["data"]


async def test_a_client_that_goes_ends_the_call(gateway):
    gateway.services.answers["WatchClusters"] = endless
    async with gateway.client.stream("GET", "/api/v1/clusters:watch", headers=gateway.admin) as response:
        await events(response, 1)
        assert gateway.services.open_streams == 1
    await until(lambda: gateway.services.open_streams == 0)


async def test_a_watch_goes_on_behind_the_last_event_or_the_given_cursor(gateway):
    async def nothing(_):
        return
        yield

    gateway.services.answers["WatchClusters"] = nothing
    await gateway.client.get("/api/v1/clusters:watch", headers={**gateway.admin, "last-event-id": "c7"})
    assert gateway.services.last("WatchClusters").cursor == "c7"
    await gateway.client.get("/api/v1/clusters:watch?cursor=c8", headers=gateway.admin)
    assert gateway.services.last("WatchClusters").cursor == "c8"


async def test_a_refused_watch_is_a_problem_with_its_status(gateway):
    async def lost(_):
        raise CursorLost
        yield

    gateway.services.answers["WatchClusters"] = lost
    gone = await gateway.client.get("/api/v1/clusters:watch?cursor=x", headers=gateway.admin)
    assert (gone.status_code, gone.json()["reason"]) == (410, "CURSOR_LOST")
    nobody = await gateway.client.get("/api/v1/clusters:watch")
    assert nobody.status_code == 401


async def test_an_error_on_the_way_is_the_last_event(gateway):
    async def breaks(_):
        yield news(watch_pb2.WATCH_EVENT_SNAPSHOT, "", "east")
        raise CursorLost

    gateway.services.answers["WatchClusters"] = breaks
    response = await gateway.client.get("/api/v1/clusters:watch", headers=gateway.admin)
    assert response.status_code == 200
    assert "event: error\ndata: {" in response.text
    assert '"reason":"CURSOR_LOST"' in response.text


async def test_a_stream_that_ends_says_so(gateway):
    async def short(_):
        yield execution_pb2.WatchExecutionResponse(execution=execution_pb2.Execution(id="tasks-1"))

    gateway.services.answers["WatchExecution"] = short
    response = await gateway.client.get("/api/v1/executions/tasks-1:watch", headers=gateway.admin)
    assert "event: message\ndata: {" in response.text
    assert response.text.endswith("event: end\ndata: {}\n\n")
    assert gateway.services.last("WatchExecution").execution_id == "tasks-1"


async def test_a_slow_reader_slows_the_stream_instead_of_filling_memory(gateway):
    sent = 0

    async def flood(_):
        nonlocal sent
        for number in range(2000):
            sent = number
            yield news(watch_pb2.WATCH_EVENT_CHANGED, str(number), "x" * 60_000)

    gateway.services.answers["WatchClusters"] = flood
    async with gateway.client.stream("GET", "/api/v1/clusters:watch", headers=gateway.admin) as response:
        await events(response, 1)
        last = -1
        while sent != last:
            last = sent
            await asyncio.sleep(0.3)
        assert sent < 1999


async def test_an_idle_stream_is_kept_alive_by_comments():
    async def idle():
        await asyncio.Event().wait()
        yield

    sent = []

    async def send(message):
        sent.append(message.get("body", b""))

    async def receive():
        while len([block for block in sent if block.startswith(b":")]) < 2:
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    stream = EventStream(idle(), "r1", asyncio.Event(), heartbeat_seconds=0.02)
    async with asyncio.timeout(10):
        await stream({"type": "http"}, receive, send)
    assert sent[1].startswith(b"retry: ")


async def test_a_gateway_that_is_told_to_stop_ends_its_streams_in_order(harness, contract_server):
    contract_server.answers["WatchClusters"] = endless
    listen = f"127.0.0.1:{free_port()}"
    environment = {
        **os.environ,
        **{f"CLOUDLY_{service.upper()}_ADDRESS": contract_server.address for service in SERVICES},
        "CLOUDLY_GATEWAY_LISTEN": listen,
        "CLOUDLY_DATA_DIR": str(harness.directory),
        "REDIS_URL": harness.redis_url,
        "MONGODB_URL": harness.mongo_url,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from cloudly_gateway.main import main; main()", env=environment
    )
    headers = {"authorization": f"Bearer {harness.authority.issue('admin')}"}
    try:
        async with httpx.AsyncClient(base_url=f"http://{listen}", timeout=30) as client:
            await until_up(client)
            async with client.stream("GET", "/api/v1/clusters:watch", headers=headers) as response:
                reader = asyncio.create_task(response.aread())
                await until(lambda: contract_server.open_streams == 1)
                process.terminate()
                # The answer ends as HTTP wants it: a broken one would raise here.
                assert b"event: snapshot" in await reader
        assert await asyncio.wait_for(process.wait(), 15) == 0
    finally:
        if process.returncode is None:
            process.kill()
    await until(lambda: contract_server.open_streams == 0)


async def until_up(client):
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(httpx.TransportError):
                await client.get("/healthz")
                return
            await asyncio.sleep(0.05)


async def test_an_export_is_lines_and_half_of_one_is_never_taken_for_the_whole(gateway):
    async def parts(_):
        yield audit_pb2.ExportAuditEntriesResponse(lines=['{"a":1}', '{"b":2}'])
        yield audit_pb2.ExportAuditEntriesResponse(lines=['{"c":3}'])

    gateway.services.answers["ExportAuditEntries"] = parts
    answer = await gateway.client.get("/api/v1/audit/export", headers=gateway.admin)
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.text == '{"a":1}\n{"b":2}\n{"c":3}\n'

    async def broken(_):
        yield audit_pb2.ExportAuditEntriesResponse(lines=['{"a":1}'])
        raise CursorLost

    gateway.services.answers["ExportAuditEntries"] = broken
    with pytest.raises(httpx.RemoteProtocolError):
        await gateway.client.get("/api/v1/audit/export", headers=gateway.admin)
    refused = await gateway.client.get("/api/v1/audit/export", headers=gateway.login("viewer"))
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"


async def test_a_stream_ends_when_the_session_behind_it_does_and_no_other(gateway):
    gateway.services.answers["WatchClusters"] = endless
    living, over = gateway.login("admin", session="s1"), gateway.login("admin", session="s2")
    async with (
        gateway.client.stream("GET", "/api/v1/clusters:watch", headers=living),
        gateway.client.stream("GET", "/api/v1/clusters:watch", headers=over) as response,
    ):
        await until(lambda: gateway.services.open_streams == 2)
        await gateway.services.streams.look()
        assert gateway.services.open_streams == 2
        gateway.harness.authority.revoked.add("s2")
        await gateway.services.streams.look()
        told = await response.aread()
        assert told.count(b"event: ") == 5
        assert b"event: error\ndata: {" in told
        assert b'"status":401' in told
        assert b'"reason":"TOKEN_REVOKED"' in told
        await until(lambda: gateway.services.open_streams == 1)


async def test_a_watch_ends_with_its_token_and_an_export_is_finished(gateway):
    go_on = asyncio.Event()

    async def export(_):
        yield audit_pb2.ExportAuditEntriesResponse(lines=['{"a":1}'])
        await go_on.wait()
        yield audit_pb2.ExportAuditEntriesResponse(lines=['{"b":2}'])

    gateway.services.answers |= {"WatchClusters": endless, "ExportAuditEntries": export}
    short = gateway.login("admin", seconds=1 - CLOCK_SKEW_SECONDS)
    exporting = asyncio.create_task(gateway.client.get("/api/v1/audit/export", headers=short))
    async with gateway.client.stream("GET", "/api/v1/clusters:watch", headers=short) as response:
        await until(lambda: gateway.services.open_streams == 2)
        reading = asyncio.create_task(response.aread())
        async with asyncio.timeout(20):
            while not reading.done():
                await gateway.services.streams.look()
                await asyncio.sleep(0.05)
        assert b'"reason":"TOKEN_EXPIRED"' in await reading
    go_on.set()
    assert (await exporting).text == '{"a":1}\n{"b":2}\n'


async def test_streams_go_on_while_nobody_knows_what_was_revoked(gateway, monkeypatch):
    async def away(_):
        raise Unavailable("redis")

    gateway.services.answers["WatchClusters"] = endless
    login = gateway.login("admin", session="s1")
    async with gateway.client.stream("GET", "/api/v1/clusters:watch", headers=login) as response:
        await until(lambda: gateway.services.open_streams == 1)
        with monkeypatch.context() as patched:
            patched.setattr(gateway.services.streams._verifier, "_is_revoked", away)
            await gateway.services.streams.look()
        gateway.harness.authority.revoked.add("s1")
        await gateway.services.streams.look()
        told = await response.aread()
        assert b'"reason":"TOKEN_REVOKED"' in told
        assert b"UNAVAILABLE" not in told
