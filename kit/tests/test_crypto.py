"""Envelope encryption."""

import base64
import json
import stat

import pytest
from cloudly_kit.crypto import CannotOpen, Envelope, Sealed
from hypothesis import given
from hypothesis import strategies as st

ENVELOPE = Envelope({"a": b"a" * 32, "b": b"b" * 32}, "a")


@given(st.binary(max_size=300), st.text(max_size=30))
def test_what_is_sealed_opens_in_its_context_alone(plain, context):
    sealed = Sealed.model_validate(ENVELOPE.seal(plain, context).model_dump())
    assert ENVELOPE.open(sealed, context) == plain
    with pytest.raises(CannotOpen):
        ENVELOPE.open(sealed, context + "x")


def test_an_altered_value_does_not_open():
    sealed = ENVELOPE.seal(b"secret", "x")
    altered = sealed.model_copy(update={"ciphertext": sealed.ciphertext[:-1] + bytes([sealed.ciphertext[-1] ^ 1])})
    with pytest.raises(CannotOpen):
        ENVELOPE.open(altered, "x")


def test_a_rewrapped_value_needs_the_new_key_alone():
    newer = Envelope({"a": b"a" * 32, "b": b"b" * 32}, "b")
    sealed = newer.rewrap(ENVELOPE.seal(b"secret", "x"), "x")
    assert Envelope({"b": b"b" * 32}, "b").open(sealed, "x") == b"secret"
    with pytest.raises(CannotOpen):
        Envelope({"a": b"a" * 32}, "a").open(sealed, "x")


def test_the_master_key_is_made_once_and_readable_by_its_owner_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("CLOUDLY_MASTER_KEY", raising=False)
    sealed = Envelope.load(tmp_path).seal(b"secret", "x")
    assert Envelope.load(tmp_path).open(sealed, "x") == b"secret"
    path = tmp_path / "master.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert len(json.loads(path.read_text())["keys"]) == 1


def test_a_malformed_master_key_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUDLY_MASTER_KEY", "short")
    with pytest.raises(ValueError, match="bytes|base64"):
        Envelope.load(tmp_path)


def test_a_master_key_from_the_environment_opens_what_the_files_keys_sealed(tmp_path, monkeypatch):
    monkeypatch.delenv("CLOUDLY_MASTER_KEY", raising=False)
    before = Envelope.load(tmp_path).seal(b"secret", "x")
    monkeypatch.setenv("CLOUDLY_MASTER_KEY", base64.b64encode(b"e" * 32).decode())
    envelope = Envelope.load(tmp_path)
    assert envelope.open(before, "x") == b"secret"
    assert Envelope({"environment": b"e" * 32}, "environment").open(envelope.rewrap(before, "x"), "x") == b"secret"


@pytest.mark.parametrize("content", ["", "[]", '{"keys": {}}', '{"current": "a", "keys": {"a": "c2hvcnQ="}}'])
def test_a_malformed_key_file_is_refused_and_left_as_it_is(tmp_path, monkeypatch, content):
    monkeypatch.delenv("CLOUDLY_MASTER_KEY", raising=False)
    (tmp_path / "master.json").write_text(content)
    with pytest.raises(ValueError, match="master keys"):
        Envelope.load(tmp_path)
    assert (tmp_path / "master.json").read_text() == content


def test_a_master_key_comes_from_a_command_that_no_shell_reads(tmp_path, monkeypatch):
    monkeypatch.delenv("CLOUDLY_MASTER_KEY", raising=False)
    key = base64.b64encode(b"c" * 32).decode()
    monkeypatch.setenv("CLOUDLY_MASTER_KEY_COMMAND", f"printf '%s\\n' {key}")
    sealed = Envelope.load(tmp_path).seal(b"secret", "x")
    assert Envelope({"command": b"c" * 32}, "command").open(sealed, "x") == b"secret"
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("CLOUDLY_MASTER_KEY_COMMAND", f"echo {key}; touch {tmp_path}/made")
    with pytest.raises(ValueError, match="base64"):
        Envelope.load(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_fails_stops_the_start_and_its_output_is_not_repeated(tmp_path, monkeypatch):
    monkeypatch.delenv("CLOUDLY_MASTER_KEY", raising=False)
    monkeypatch.setenv("CLOUDLY_MASTER_KEY_COMMAND", "sh -c 'echo canary; exit 3'")
    with pytest.raises(ValueError, match="ended with 3") as refused:
        Envelope.load(tmp_path)
    assert "canary" not in str(refused.value)
    monkeypatch.setenv("CLOUDLY_MASTER_KEY", base64.b64encode(b"e" * 32).decode())
    with pytest.raises(ValueError, match="not both"):
        Envelope.load(tmp_path)
