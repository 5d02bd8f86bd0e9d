"""Updates by field mask."""

import pytest
from cloudly.backups.v1.policy_pb2 import Policy
from cloudly.baseos.v1.node_pb2 import BaseosNode
from cloudly_kit.errors import InvalidArgument
from cloudly_kit.masks import apply_mask
from google.protobuf.field_mask_pb2 import FieldMask


def policy() -> Policy:
    return Policy(
        id="a" * 20,
        name="nightly",
        schedule="0 3 * * *",
        keep_last=7,
        enabled=True,
        labels={"a": "1"},
        workload_ids=["x"],
    )


def test_only_the_named_fields_change():
    changed = apply_mask(policy(), Policy(name="weekly", keep_last=4), FieldMask(paths=["keep_last"]))
    assert (changed.name, changed.keep_last) == ("nightly", 4)


def test_a_named_field_that_is_missing_in_the_source_becomes_empty():
    changed = apply_mask(policy(), Policy(), FieldMask(paths=["enabled", "labels", "workload_ids"]))
    assert (changed.enabled, dict(changed.labels), list(changed.workload_ids)) == (False, {}, [])


def test_lists_and_maps_are_replaced_whole():
    source = Policy(labels={"b": "2"}, workload_ids=["y", "z"])
    changed = apply_mask(policy(), source, FieldMask(paths=["labels", "workload_ids"]))
    assert (dict(changed.labels), list(changed.workload_ids)) == ({"b": "2"}, ["y", "z"])


def test_a_message_is_replaced_whole_and_can_be_removed():
    node = BaseosNode(id="n")
    node.desired_state.update({"a": 1, "b": 2})
    source = BaseosNode()
    source.desired_state.update({"c": 3})
    changed = apply_mask(node, source, FieldMask(paths=["desired_state"]))
    assert dict(changed.desired_state) == {"c": 3}
    assert not apply_mask(node, BaseosNode(), FieldMask(paths=["desired_state"])).HasField("desired_state")


def test_no_mask_means_the_fields_that_are_set():
    changed = apply_mask(policy(), Policy(keep_last=4), FieldMask())
    assert (changed.name, changed.keep_last, changed.enabled) == ("nightly", 4, True)


def test_a_star_means_all_that_a_client_may_set():
    changed = apply_mask(policy(), Policy(name="weekly", schedule="0 3 * * 0"), FieldMask(paths=["*"]))
    assert (changed.name, changed.keep_last, changed.enabled, changed.id) == ("weekly", 0, False, "a" * 20)


def test_the_id_and_the_etag_may_be_named_and_are_not_applied():
    changed = apply_mask(policy(), Policy(id="b" * 20, etag="e"), FieldMask(paths=["id", "etag"]))
    assert (changed.id, changed.etag) == ("a" * 20, "")


def test_fields_that_the_server_sets_are_refused_unless_they_are_as_they_were():
    source = policy()
    assert apply_mask(policy(), source, FieldMask(paths=["create_time", "name"])).name == "nightly"
    source.create_time.seconds = 5
    with pytest.raises(InvalidArgument) as refused:
        apply_mask(policy(), source, FieldMask(paths=["create_time", "nothing.here", "keep_last"]))
    assert [violation.field for violation in refused.value.violations] == [
        "update_mask.create_time",
        "update_mask.nothing.here",
    ]


def test_the_stored_resource_itself_is_left_alone():
    stored = policy()
    apply_mask(stored, Policy(keep_last=1), FieldMask(paths=["keep_last"]))
    assert stored.keep_last == 7
