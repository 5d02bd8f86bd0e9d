"""The small pieces: ports, directories, keys, probes, the wire protocols, log lines, the tables."""

import asyncio
import importlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import bson
import pytest
from cloudly_kit.testing import Mongo, Redis
from cloudly_local import config_table, log_files, mongo_wire, probes, servers
from cloudly_local.config import LocalSettings
from cloudly_local.keys import first_login, make_key_pairs
from cloudly_local.layout import LONGEST_SOCKET_PATH, ForeignDirectoryError, Layout
from cloudly_local.ports import EPHEMERAL_RANGE, PortUnavailableError, free_loopback_ports, require_port
from cloudly_local.proc import ProcessIdentity, pss_mib
from cloudly_local.processes import PROCESSES
from cloudly_local.terminal import is_worth_showing, welcome


def test_a_taken_port_is_named_with_its_holder_and_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortUnavailableError) as refused:
            require_port("127.0.0.1", port)
    said = str(refused.value)
    assert f"Port {port} " in said
    assert f"pid {os.getpid()}" in said
    assert "SERVEZONE_PORT=9090" in said
    require_port("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused_in_words() -> None:
    with pytest.raises(PortUnavailableError, match="CLOUDLY_BIND"):
        require_port("192.0.2.1", 8080)


def test_inner_ports_differ_and_stay_clear_of_outgoing_connections() -> None:
    ports = free_loopback_ports([str(number) for number in range(50)])
    assert len(set(ports.values())) == 50
    assert max(ports.values()) < int(EPHEMERAL_RANGE.read_text().split()[0])


def test_sockets_move_to_a_short_directory_where_the_path_would_be_too_long(place: Path) -> None:
    near = Layout.at(place / "data")
    far = Layout.at(place / ("x" * 120))
    assert near.sockets() == near.run
    sockets = far.sockets()
    assert sockets != far.run
    assert len(str(sockets / "registry.sock")) <= LONGEST_SOCKET_PATH
    assert sockets == Layout.at(place / ("x" * 120)).sockets()
    sockets.chmod(0o755)
    with pytest.raises(PermissionError):
        far.sockets()
    sockets.rmdir()


def test_a_directory_with_other_files_is_neither_used_nor_wiped(place: Path) -> None:
    (place / "letter.txt").write_text("mine")
    with pytest.raises(ForeignDirectoryError):
        Layout.at(place).make()
    with pytest.raises(ForeignDirectoryError):
        Layout.at(place).wipe()
    assert (place / "letter.txt").read_text() == "mine"


def test_the_data_directory_is_for_its_owner_alone_and_can_be_wiped(place: Path) -> None:
    layout = Layout.at(place / "data")
    layout.make()
    layout.make()
    assert layout.data.stat().st_mode & 0o777 == 0o700
    layout.wipe()
    assert not layout.data.exists()


def test_key_pairs_are_made_once_and_private_halves_are_private(place: Path) -> None:
    make_key_pairs(place, ["auth", "gateway"])
    first = {file.name: file.read_bytes() for file in place.iterdir()}
    make_key_pairs(place, ["auth", "gateway"])
    assert {file.name: file.read_bytes() for file in place.iterdir()} == first
    assert (place / "auth.key").stat().st_mode & 0o777 == 0o600
    assert first["auth.pub"].startswith(b"-----BEGIN PUBLIC KEY-----")


def test_two_first_logins_differ_and_are_shown_whole() -> None:
    login = first_login()
    assert login != first_login()
    assert login.partition(":")[2] in welcome("http://localhost:8080", login, 5.0)
    assert "password" not in welcome("http://localhost:8080", "", 5.0)


def test_a_pid_file_of_this_process_is_believed_and_one_cut_short_is_not(place: Path) -> None:
    identity = ProcessIdentity.of(os.getpid())
    assert identity is not None
    identity.write(place / "me.pid")
    assert ProcessIdentity.read(place / "me.pid") == identity
    assert identity.is_alive()
    (place / "cut.pid").write_text('{"pid": 12')
    assert ProcessIdentity.read(place / "cut.pid") is None
    assert ProcessIdentity.read(place / "none.pid") is None
    assert pss_mib(os.getpid()) > 1


def test_a_process_that_has_ended_is_nobody_even_while_it_waits_to_be_reaped() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ProcessIdentity.of(process.pid) is None
    process.wait()


async def test_the_database_is_asked_by_hand(own_mongo: Mongo) -> None:
    assert await mongo_wire.takes_writes(own_mongo.port)
    answer = await mongo_wire.command(own_mongo.port, {"ping": 1})
    assert answer["ok"] == 1.0
    refused = await mongo_wire.command(own_mongo.port, {"noSuchCommand": 1})
    assert refused["ok"] == 0.0
    own_mongo.kill()
    with pytest.raises(OSError):
        await mongo_wire.takes_writes(own_mongo.port)


def test_documents_are_encoded_as_the_driver_does() -> None:
    document = {"a": 1, "b": "ü", "c": True, "d": 1.5, "e": {"x": [1, {"y": "z"}]}, "f": []}
    assert mongo_wire.encode(document) == bson.encode(document)


def test_scalars_are_found_among_everything_else() -> None:
    document = {
        "id": bson.ObjectId(),
        "sub": {"ok": 0.0},
        "list": [1, 2],
        "binary": b"1234",
        "none": None,
        "time": bson.Timestamp(1, 2),
        "long": bson.Int64(2**40),
        "name": "cloudly",
        "ok": 1.0,
        "yes": True,
    }
    assert mongo_wire.scalars(bson.encode(document)) == {"long": 2**40, "name": "cloudly", "ok": 1.0, "yes": True}
    with pytest.raises(ValueError, match="0x0b"):
        mongo_wire.scalars(bson.encode({"pattern": bson.Regex("x")}))


async def test_redis_is_asked_with_its_password(own_redis: Redis) -> None:
    assert not await probes.healthy(probes.redis(own_redis.port, "wrong"))
    assert await probes.healthy(probes.listening_at(f"redis://:secret@127.0.0.1:{own_redis.port}/0", 6379))
    own_redis.kill()
    assert not await probes.healthy(probes.listening_at(own_redis.url, 6379))


async def test_a_server_that_accepts_and_never_answers_is_not_healthy() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        for probe in (probes.grpc(f"127.0.0.1:{port}"), probes.http(port, "/"), probes.redis(port, "x")):
            assert not await probes.healthy(probe, seconds=0.3)


def test_events_are_put_into_words_and_other_lines_left_as_they_are() -> None:
    line = log_files.Line("auth", '{"event":"user.created","level":"info","time":"2026-01-02T03:04:05Z","user":"x"}')
    assert line.readable() == "03:04:05 user.created user=x"
    assert log_files.Line("envoy", "[warning] hot").readable() == "[warning] hot"
    assert log_files.Line("auth", '{"no": "event"}').readable() == '{"no": "event"}'


@pytest.mark.parametrize(
    ("process", "text", "shown"),
    [
        ("auth", '{"event":"user.created","level":"info"}', True),
        ("auth", '{"event":"x","level":"debug"}', False),
        ("auth", '{"event":"service.started","level":"info"}', False),
        ("auth", '{"event":"service.started","level":"error"}', True),
        ("redis", "* Ready to accept connections", False),
        ("auth", "Traceback (most recent call last):", True),
        ("auth", "   ", False),
    ],
)
def test_the_terminal_stays_calm(process: str, text: str, shown: bool) -> None:
    assert is_worth_showing(log_files.Line(process, text), "info") is shown


async def test_a_followed_log_survives_being_cut_and_being_replaced(place: Path) -> None:
    log = place / "a.log"
    log.write_text("old\n")
    lines = log_files.follow(place)
    waiting = asyncio.ensure_future(anext(lines))
    await asyncio.sleep(0.3)
    with log.open("a") as stream:
        stream.write("one\n")
    assert (await waiting).text == "one"
    log_files.cut(log, largest=3)
    with log.open("a") as stream:
        stream.write("2\n")
    assert (await anext(lines)).text == "2"
    log_files.rotate(log, largest=1)
    log.write_text("three\n")
    assert (await anext(lines)).text == "three"
    assert (place / "a.log.1").read_text() == "2\n"


def test_every_variable_has_a_meaning_and_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVEZONE_ADMINACCOUNT", "admin:very-secret")
    monkeypatch.setenv("MONGODB_URL", "mongodb://user:hidden@db/")
    monkeypatch.setenv("SERVEZONE_PORT", "9999")
    found = {variable.name: variable for variable in config_table.variables()}
    assert [name for name, variable in found.items() if not variable.meaning] == []
    assert found["SERVEZONE_PORT"].value == "9999"
    assert found["SERVEZONE_PORT"].source == "environment"
    assert found["SERVEZONE_PORT"].default == "8080"
    assert found["CLOUDLY_BIND"].readers == ("local",)
    shown = config_table.table(found.values())
    assert "very-secret" not in shown
    assert "hidden" not in shown
    assert found["SERVEZONE_ADMINACCOUNT"].value == config_table.MASK


def test_loopback_is_the_default_and_anything_else_without_tls_counts_as_exposed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert LocalSettings().bind_host == "127.0.0.1"
    assert not LocalSettings().is_exposed
    monkeypatch.setenv("CLOUDLY_BIND", "0.0.0.0")
    assert LocalSettings().is_exposed
    monkeypatch.setenv("SERVEZONE_SSLMODE", "external")
    assert not LocalSettings().is_exposed


def test_the_table_names_every_process_that_the_members_have() -> None:
    for process in PROCESSES:
        module, _, function = process.call.partition(":")
        assert callable(getattr(importlib.import_module(module), function)), process.call


def test_a_mongod_on_path_is_preferred_and_keeps_the_port_its_replica_set_knows(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongod = place / "bin" / "mongod"
    mongod.parent.mkdir()
    mongod.write_text("#!/bin/sh\n")
    mongod.chmod(0o755)
    layout = Layout.at(place / "data")
    layout.make()
    server, url = servers.mongo(layout, 15_001)
    assert "secantus" in server.arguments[0]
    assert "retryWrites=false" in url
    monkeypatch.setenv("PATH", str(mongod.parent), prepend=os.pathsep)
    first, second = free_loopback_ports(["first", "second"]).values()
    for offered in (first, second):
        server, url = servers.mongo(layout, offered)
        assert server.arguments[0] == str(mongod)
        assert str(first) in server.arguments
        assert url == f"mongodb://127.0.0.1:{first}/?directConnection=true"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        taken.listen()
        with pytest.raises(PortUnavailableError, match="MONGODB_URL"):
            servers.mongo(layout, second)
