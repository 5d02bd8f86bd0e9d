"""Where master keys come from, and how they change while everything runs."""

import asyncio
import base64
import json
import os
import stat
import subprocess
import sys

import pytest
from cloudly_kit.config import ServiceSettings
from cloudly_kit.crypto import CannotOpen, Envelope
from cloudly_kit.hints import Hints
from cloudly_kit.master_keys import HINT, KeysFile, MasterKeys, follow, key_id

OLD, NEW = b"o" * 32, b"n" * 32


def text(*keys: bytes) -> str:
    return "\n".join(base64.b64encode(key).decode() for key in keys)


@pytest.fixture
def settings(tmp_path):
    def made(**given):
        return ServiceSettings(data_dir=tmp_path, **given)

    return made


def test_without_any_key_a_file_is_made_once_and_readable_by_its_owner_alone(settings):
    sealed = Envelope.load(settings()).seal(b"secret", "x")
    assert Envelope.load(settings()).open(sealed, "x") == b"secret"
    path = settings().keys_dir / "master.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert [*json.loads(path.read_text())["keys"]] == [sealed.master_key_id]


@pytest.mark.parametrize("given", ["short", text(b"short"), " \n ", f"{text(OLD)} {text(b'short')}"])
def test_malformed_keys_are_refused_and_not_repeated(settings, given):
    with pytest.raises(ValueError, match="master key|base64") as refused:
        Envelope.load(settings(master_key=given or "\n"))
    assert not given.strip() or given.split()[-1] not in str(refused.value)


@pytest.mark.parametrize("content", ["", "[]", '{"keys": {}}', '{"current": "a", "keys": {"a": "c2hvcnQ="}}'])
def test_a_malformed_keys_file_is_refused_and_left_as_it_is(settings, content):
    path = settings().keys_dir / "master.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ValueError, match="master keys"):
        Envelope.load(settings())
    assert path.read_text() == content


@pytest.mark.parametrize("source", ["environment", "file", "command"])
def test_of_several_keys_the_first_seals_and_all_open(settings, tmp_path, source):
    def given(*keys: bytes) -> ServiceSettings:
        path = tmp_path / "master-keys"
        path.write_text(text(*keys))
        match source:
            case "environment":
                return settings(master_key=text(*keys))
            case "file":
                return settings(master_key_file=path)
        return settings(master_key_command=f"cat {path}")

    before = Envelope.load(given(OLD)).seal(b"secret", "x")
    assert before.master_key_id == key_id(OLD), "the same wherever the key comes from"
    present = Envelope.load(given(NEW, OLD))
    assert present.open(before, "x") == b"secret"
    assert present.seal(b"secret", "x").master_key_id == key_id(NEW)
    with pytest.raises(CannotOpen):
        Envelope.load(given(NEW)).open(before, "x")
    assert not (settings().keys_dir / "master.json").exists()


def test_only_one_source_may_be_set(settings, tmp_path):
    with pytest.raises(ValueError, match="set one of"):
        Envelope.load(settings(master_key=text(OLD), master_key_file=tmp_path / "keys"))


def test_keys_from_elsewhere_open_what_the_keys_file_sealed(settings):
    before = Envelope.load(settings()).seal(b"secret", "x")
    envelope = Envelope.load(settings(master_key=text(NEW)))
    assert envelope.open(before, "x") == b"secret"
    assert envelope.rewrap(before, "x").master_key_id == key_id(NEW)


def test_a_file_is_read_again_when_it_changes_and_a_broken_one_changes_nothing(settings, tmp_path):
    path = tmp_path / "master-keys"
    path.write_text(text(OLD))
    envelope = Envelope.load(settings(master_key_file=path))
    path.write_text(text(NEW, OLD))
    assert envelope.seal(b"secret", "x").master_key_id == key_id(NEW)
    path.write_text("nonsense!")
    assert envelope.seal(b"secret", "x").master_key_id == key_id(NEW)
    path.unlink()
    assert envelope.seal(b"secret", "x").master_key_id == key_id(NEW)


def test_a_command_is_run_again_at_a_pace_and_its_failure_changes_nothing(settings, tmp_path, monkeypatch):
    path = tmp_path / "master-keys"
    path.write_text(text(OLD))
    keys = MasterKeys(settings(master_key_command=f"cat {path}"))
    path.write_text(text(NEW, OLD))
    assert keys.look_again().current == key_id(OLD)
    monkeypatch.setattr("cloudly_kit.master_keys.RERUN_SECONDS", 0)
    assert keys.present().current == key_id(OLD), "present runs nothing"
    assert keys.look_again().current == key_id(NEW)
    path.unlink()
    assert keys.look_again().current == key_id(NEW)


def test_no_shell_reads_the_command(settings, tmp_path):
    with pytest.raises(ValueError, match="base64"):
        Envelope.load(settings(master_key_command=f"echo {text(OLD)}; touch {tmp_path}/made"))
    assert not (tmp_path / "made").exists()


def test_a_command_that_fails_stops_the_start_and_its_output_is_not_repeated(settings):
    with pytest.raises(ValueError, match="ended with 3") as refused:
        Envelope.load(settings(master_key_command="sh -c 'echo canary; exit 3'"))
    assert "canary" not in str(refused.value)


async def test_a_command_is_run_again_for_a_key_that_is_missed_and_when_somebody_tells(
    settings, tmp_path, monkeypatch, redis_client
):
    monkeypatch.setattr("cloudly_kit.master_keys.RERUN_SECONDS", 0)
    path = tmp_path / "master-keys"
    path.write_text(text(OLD))
    keys, hints = MasterKeys(settings(master_key_command=f"cat {path}")), Hints(redis_client)
    sealed = Envelope.of({key_id(NEW): NEW}, key_id(NEW)).seal(b"secret", "x")
    following = asyncio.create_task(follow(keys, hints))
    try:
        async with asyncio.timeout(20):
            path.write_text(text(OLD, NEW))
            while True:
                try:
                    assert Envelope(keys).open(sealed, "x") == b"secret"
                    break
                except CannotOpen:
                    await asyncio.sleep(0.02)
            path.write_text(text(NEW, OLD))
            while keys.present().current != key_id(NEW):
                await hints.publish(HINT)  # again: what is told before anybody listens is lost
                await asyncio.sleep(0.02)
    finally:
        following.cancel()


# ------------------------------------------------------------------------------------------- changing the keys file


def test_a_new_key_waits_then_seals_and_the_earlier_one_opens_until_it_is_dropped(settings):
    envelope = Envelope.load(settings())
    file = envelope.keys.file
    before = envelope.seal(b"secret", "x")
    waiting = file.add()
    assert file.add() == waiting, "one waits at a time"
    assert envelope.seal(b"secret", "x").master_key_id == before.master_key_id
    other = Envelope.load(settings())
    file.promote(waiting)
    file.promote(waiting)
    assert other.seal(b"secret", "x").master_key_id == waiting
    assert other.open(before, "x") == b"secret"
    assert [*file.read().retired] == [before.master_key_id]
    file.drop({before.master_key_id, waiting})
    with pytest.raises(CannotOpen):
        other.open(before, "x")
    assert other.keys.present().current == waiting, "the current key is never dropped"
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


CHANGE = """
import sys
from pathlib import Path
from cloudly_kit.master_keys import KeysFile
file = KeysFile(Path(sys.argv[1]))
file.promote(file.add())
file.drop({*file.read().retired})
"""


@pytest.mark.parametrize("place", ["written", "added", "promoted", "dropped", "written:2", "written:3"])
def test_a_change_killed_anywhere_leaves_a_file_that_opens_what_was_sealed_and_can_be_changed(settings, place):
    envelope = Envelope.load(settings())
    before = envelope.seal(b"secret", "x")
    file = KeysFile(envelope.keys.file.path)
    done = subprocess.run(
        [sys.executable, "-c", CHANGE, file.path],
        env={**os.environ, "CLOUDLY_CRASHPOINT": f"master_keys.{place}"},
        check=False,
    )
    assert done.returncode == 137
    if place != "dropped":
        assert Envelope.load(settings()).open(before, "x") == b"secret"
    after = file.add()
    file.promote(after)
    assert envelope.seal(b"secret", "x").master_key_id == after
    assert sorted(path.name for path in file.path.parent.iterdir()) == ["master.json"]
