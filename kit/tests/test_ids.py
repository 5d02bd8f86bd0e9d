"""Ids, etags and secrets, and the places to die at."""

import os
import re
import subprocess
import sys

from cloudly_kit.ids import derived_id, hash_secret, new_etag, new_id, new_secret
from hypothesis import given
from hypothesis import strategies as st


def test_ids_fit_where_they_are_used():
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"[a-z2-7]{20}", id) for id in ids)
    assert re.fullmatch(r"[0-9a-f]{16}", new_etag())


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_a_derived_id_belongs_to_its_parts_alone(one, other):
    assert (derived_id(*one) == derived_id(*other)) == (one == other)
    assert re.fullmatch(r"[a-z2-7]{20}", derived_id(*one))


def test_a_secret_is_recognisable_and_kept_as_a_hash():
    secret = new_secret("cly")
    assert re.fullmatch(r"cly_[A-Za-z0-9_-]{43}", secret)
    assert hash_secret(secret) == hash_secret(secret) != hash_secret(new_secret("cly"))


def crashing(wanted):
    script = (
        "from cloudly_kit.crashpoint import crashpoint\nfor n in range(3):\n crashpoint('here'); print(n, flush=True)"
    )
    environment = {**os.environ, "CLOUDLY_CRASHPOINT": wanted}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.split()


def test_a_process_dies_where_it_is_told_to():
    assert crashing("") == (0, ["0", "1", "2"])
    assert crashing("there") == (0, ["0", "1", "2"])
    assert crashing("here") == (137, [])
    assert crashing("here:3") == (137, ["0", "1"])
