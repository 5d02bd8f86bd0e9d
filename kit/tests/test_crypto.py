"""Envelope encryption."""

import pytest
from cloudly_kit.crypto import CannotOpen, Envelope, Sealed
from hypothesis import given
from hypothesis import strategies as st

A, B = b"a" * 32, b"b" * 32
ENVELOPE = Envelope.of({"a": A, "b": B}, "a")


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
    newer = Envelope.of({"a": A, "b": B}, "b")
    sealed = newer.rewrap(ENVELOPE.seal(b"secret", "x"), "x")
    assert Envelope.of({"b": B}, "b").open(sealed, "x") == b"secret"
    with pytest.raises(CannotOpen, match="'b'"):
        Envelope.of({"a": A}, "a").open(sealed, "x")


@pytest.mark.parametrize("name", ["environment", "command", "0a1b2c3d"])
def test_what_was_sealed_under_a_name_of_earlier_versions_opens_with_whichever_key_it_was(name):
    earlier = Envelope.of({name: A}, name).seal(b"secret", "x")
    present = Envelope.of({"new": B, "old": A}, "new")
    assert present.open(earlier, "x") == b"secret"
    assert present.rewrap(earlier, "x").master_key_id == "new"
    assert Envelope.of({"new": B}, "new").open(present.rewrap(earlier, "x"), "x") == b"secret"


def test_master_keys_are_of_32_bytes_and_the_current_one_is_among_them():
    for keys, current in (({"a": b"short"}, "a"), ({"a": A}, "b")):
        with pytest.raises(ValueError, match="32 bytes each"):
            Envelope.of(keys, current)
