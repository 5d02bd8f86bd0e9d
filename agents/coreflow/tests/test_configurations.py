"""What the agent takes in, and when it uses new credentials."""

import hashlib
import time

import pytest
from cloudly.coreflow.v1 import coreflow_pb2
from cloudly_coreflow.configurations import Configurations
from cloudly_coreflow.state import State

CLUSTER = "c" * 20


def push(version=1, credentials=None, **fields):
    configuration = coreflow_pb2.Configuration(**{"cluster_id": CLUSTER, **fields})
    hash_ = hashlib.sha256(configuration.SerializeToString(deterministic=True)).hexdigest()
    return coreflow_pb2.ConfigPush(
        version=version, nonce="n", hash=hash_, configuration=configuration, credentials=credentials
    )


def credentials(password, life, **fields):
    made = coreflow_pb2.RegistryCredentials(**{"server": "r", "username": "u", "password": password, **fields})
    made.expire_time.FromSeconds(int(time.time() + life))
    return made


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "state")


def test_the_last_good_configuration_is_on_disk_without_its_credentials(state):
    held = Configurations(state)
    assert held.take(push(3, credentials("secret", 100), cluster_name="east"), CLUSTER) == ""
    again = Configurations(state)
    assert (again.push.version, again.push.configuration.cluster_name) == (3, "east")
    assert not again.push.HasField("credentials")
    assert again.credentials.password == "secret"


def test_a_newer_version_of_the_same_content_comes_without_it(state):
    held = Configurations(state)
    held.take(push(3), CLUSTER)
    newer = push(4)
    newer.ClearField("configuration")
    assert held.take(newer, CLUSTER) == ""
    assert Configurations(state).push.version == 4


def test_what_cannot_be_taken_leaves_the_last_good_one(state):
    held = Configurations(state)
    held.take(push(3), CLUSTER)
    wrong = push(4, cluster_name="west")
    wrong.hash = "0" * 64
    assert held.take(wrong, CLUSTER)
    assert held.take(push(5, cluster_id="d" * 20), CLUSTER)
    assert held.take(push(5, cluster_id="d" * 20), "")
    assert held.push.version == 3


def test_a_configuration_with_fields_of_a_newer_contract_is_taken(state):
    content = coreflow_pb2.Configuration(cluster_id=CLUSTER).SerializeToString() + b"\xfa\x06\x01a"
    newer = coreflow_pb2.ConfigPush(version=9, hash=hashlib.sha256(b"other order").hexdigest())
    newer.configuration.ParseFromString(content)
    assert Configurations(state).take(newer, CLUSTER) == ""


def test_new_credentials_are_used_at_half_the_life_of_the_old_or_when_those_are_denied(state):
    held = Configurations(state)
    held.take(push(1, credentials("first", 1000)), CLUSTER)
    held.take(push(1, credentials("second", 1500)), CLUSTER)
    assert held.credentials.password == "first"
    held.take(push(1, credentials("third", 2500)), CLUSTER)
    assert held.credentials.password == "third"
    held.take(push(1, credentials("fourth", 2500)), CLUSTER)
    assert held.credentials.password == "third"
    held.adopt_offered()
    assert held.credentials.password == "fourth"
    assert state.credentials().password == "fourth"
    held.take(push(1, credentials("fifth", 2500, server="moved")), CLUSTER)
    assert held.credentials.password == "fifth"
