"""JSON into messages: what is right arrives, what is wrong is named."""

import json

import pytest
from cloudly.clusters.v1 import cluster_pb2, workload_pb2
from cloudly.tasks.v1 import task_pb2
from cloudly_gateway.rest.reading import read_object
from cloudly_gateway.rest.writing import to_json
from cloudly_kit import contract
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st


def read(message_class, value):
    message, found = message_class(), []
    read_object(message, value, "", found)
    return message, [(violation.field, violation.description) for violation in found]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"replicas": False}, "replicas"),
        ({"replicas": "three"}, "replicas"),
        ({"replicas": 1.5}, "replicas"),
        ({"replicas": -1}, "replicas"),
        ({"replicas": 2**32}, "replicas"),
        ({"replicas": 10**400}, "replicas"),
        ({"replicas": "1_0"}, "replicas"),
        ({"replicas": [1]}, "replicas"),
        ({"name": 5}, "name"),
        ({"name": ["a"]}, "name"),
        ({"deployOnPush": "yes"}, "deploy_on_push"),
        ({"deployOnPush": 1}, "deploy_on_push"),
        ({"mode": "SOMETIMES"}, "mode"),
        ({"mode": True}, "mode"),
        ({"mode": 99}, "mode"),
        ({"labels": []}, "labels"),
        ({"labels": {"a": 1}}, 'labels["a"]'),
        ({"labels": {"a": None}}, 'labels["a"]'),
        ({"command": "sh"}, "command"),
        ({"command": ["sh", 1]}, "command[1]"),
        ({"command": [None]}, "command[0]"),
        ({"domains": [{"name": "a"}, {"port": "x"}]}, "domains[1].port"),
        ({"domains": {}}, "domains"),
        ({"resources": {"cpuLimit": "NaN"}}, "resources.cpu_limit"),
        ({"resources": {"cpuLimit": True}}, "resources.cpu_limit"),
        ({"resources": {"memoryLimitBytes": "9223372036854775808"}}, "resources.memory_limit_bytes"),
        ({"resources": 5}, "resources"),
        ({"createTime": "yesterday"}, "create_time"),
        ({"createTime": 5}, "create_time"),
        ({"nothing": 1}, "nothing"),
        ({"resources": {"nothing": 1}}, "resources.nothing"),
        ([], "body"),
    ],
)
def test_a_wrong_value_is_named_by_its_field(value, field):
    _, found = read(workload_pb2.Workload, value)
    assert [name for name, _ in found] == [field]


def test_all_faults_are_told_at_once():
    _, found = read(workload_pb2.Workload, {"name": 1, "replicas": "x", "nothing": 2})
    assert [name for name, _ in found] == ["name", "replicas", "nothing"]


def test_names_may_be_given_as_in_json_or_as_in_the_proto():
    assert read(workload_pb2.Workload, {"webPort": 1})[0] == read(workload_pb2.Workload, {"web_port": 1})[0]


def test_numbers_may_be_texts_and_whole_floats():
    message, found = read(workload_pb2.Workload, {"replicas": "3", "webPort": 80.0})
    assert (message.replicas, message.web_port, found) == (3, 80, [])


def test_an_enum_may_be_given_by_its_short_name():
    message, found = read(cluster_pb2.Cluster, {"setupMode": "HETZNER"})
    assert (message.setup_mode, found) == (cluster_pb2.SETUP_MODE_HETZNER, [])


def test_null_leaves_a_field_at_its_default():
    message, found = read(workload_pb2.Workload, {"name": None, "resources": None})
    assert (message, found) == (workload_pb2.Workload(), [])


def test_a_struct_deeper_than_protobuf_allows_is_refused_by_name():
    deep: object = 1
    for _ in range(500):
        deep = {"a": deep}
    _, found = read(task_pb2.RunTaskRequest, {"parameters": deep})
    assert [name for name, _ in found] == ["parameters"]


def scalars(field: FieldDescriptor) -> st.SearchStrategy:
    kinds = {
        FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
        FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
        FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
        FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
        FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
        FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    }
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=20)
    return kinds.get(field.cpp_type, st.text(st.characters(exclude_categories=["Cs"]), max_size=20))


@st.composite
def messages(draw, message_class):
    message = message_class()
    fill(draw, message)
    return message


def fill(draw, message):
    for field in message.DESCRIPTOR.fields:
        if not draw(st.booleans()):
            continue
        target = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            key, value = (scalars(field.message_type.fields_by_name[name]) for name in ("key", "value"))
            target.update(draw(st.dictionaries(key, value, max_size=3)))
        elif field.is_repeated:
            for _ in range(draw(st.integers(0, 2))):
                if field.message_type is None:
                    target.append(draw(scalars(field)))
                else:
                    single(draw, target.add())
        elif field.message_type is not None:
            target.SetInParent()
            single(draw, target)
        else:
            setattr(message, field.name, draw(scalars(field)))


def single(draw, message):
    if message.DESCRIPTOR.name == "Timestamp":
        message.seconds, message.nanos = draw(st.integers(0, 4_000_000_000)), draw(st.integers(0, 999_999_999))
    elif message.DESCRIPTOR.name == "Struct":
        json_format.ParseDict(draw(st.dictionaries(st.sampled_from("abc"), st.booleans() | st.text("xyz"))), message)
    elif not message.DESCRIPTOR.full_name.startswith("google."):
        fill(draw, message)


ANSWERS = sorted(contract.methods())


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_message_is_written_as_protobuf_writes_it_and_reads_back(data):
    message_class = contract.methods()[data.draw(st.sampled_from(ANSWERS))].response_class
    message = data.draw(messages(message_class))
    written = json.loads(to_json(message))
    reference = json_format.MessageToJson(message, always_print_fields_with_no_presence=True)
    assert written == json.loads(reference)
    again, found = read(message_class, written)
    assert found == []
    assert again == message
