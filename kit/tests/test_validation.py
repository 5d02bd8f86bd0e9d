"""The rules of the contract, applied."""

import pytest
from cloudly.auth.v1 import api_token_pb2, audit_pb2, user_pb2
from cloudly.clusters.v1 import cluster_pb2, workload_pb2
from cloudly_kit.errors import InvalidArgument, StaleEtag, catalogue, from_status, to_status
from cloudly_kit.masking import masked
from cloudly_kit.validation import json_path, matches, violations
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st


def fields(message, **kwargs):
    return [violation.field for violation in violations(message, **kwargs)]


def test_every_violated_field_is_listed():
    wish = workload_pb2.Workload(name="Not Good", cluster_id="short", replicas=5000, image="UPPER CASE", web_port=70000)
    wish.environment["1BAD"] = "x"
    wish.domains.add(name="http://no")
    assert fields(workload_pb2.CreateWorkloadRequest(workload=wish)) == [
        "workload.name",
        "workload.cluster_id",
        "workload.image",
        "workload.replicas",
        "workload.web_port",
        "workload.domains[0].name",
        'workload.environment["1BAD"]',
    ]


def test_times_and_numbers_that_nothing_can_hold_are_refused_and_can_still_be_logged():
    token = api_token_pb2.ApiToken(name="ci", roles=["admin"], expire_time=Timestamp(seconds=2**62, nanos=-1))
    request = api_token_pb2.CreateApiTokenRequest(token=token)
    assert fields(request) == ["token.expire_time"]
    assert masked(request)["token"]["expire_time"].startswith("not a Timestamp: seconds: 4611686018427387904")
    assert fields(audit_pb2.ExportAuditEntriesRequest(after_sequence=2**63)) == ["after_sequence"]
    mask = user_pb2.UpdateUserRequest(update_mask=FieldMask(paths=["No_Field_"]))
    assert masked(mask)["update_mask"].startswith("not a FieldMask")


def test_a_missing_required_field_is_named():
    assert fields(cluster_pb2.CreateClusterRequest()) == ["cluster"]
    assert fields(cluster_pb2.CreateClusterRequest(cluster=cluster_pb2.Cluster())) == ["cluster.name"]


def test_an_update_may_leave_out_required_fields_that_its_mask_does_not_name():
    request = cluster_pb2.UpdateClusterRequest(cluster=cluster_pb2.Cluster(id="a" * 20, labels={"a": "b"}))
    assert fields(request, partial_mask=FieldMask(paths=["labels"])) == []
    assert fields(request, partial_mask=FieldMask(paths=["name"])) == ["cluster.name"]


def test_output_only_fields_are_not_checked():
    workload = workload_pb2.Workload(name="web", cluster_id="a" * 20, image_digest="nonsense")
    assert fields(workload_pb2.CreateWorkloadRequest(workload=workload)) == []


def test_an_unknown_enum_value_and_a_nul_are_refused():
    workload = workload_pb2.Workload(name="web", cluster_id="a" * 20, description="a\0b")
    workload.mode = 99
    assert fields(workload_pb2.CreateWorkloadRequest(workload=workload)) == ["workload.description", "workload.mode"]


@pytest.mark.parametrize(
    ("format_", "good", "bad"),
    [
        (2, ["a", "web-1", "a" * 40], ["", "-a", "a-", "A", "a_b", "a" * 41, "1a"]),
        (3, ["example.com", "*.example.com", "a.b-c.d"], ["http://a", "a..b", "-a.b", "a:80"]),
        (
            4,
            ["nginx", "docker.io/library/nginx:1.27", "localhost:8080/workloads/web-abc@sha256:" + "a" * 64],
            ["Nginx", "a b", "nginx:", "nginx@sha256:abc", "a//b"],
        ),
        (8, ["* * * * *", "*/5 0 1,2 * mon-fri"], ["* * * *", "a b c d e f", "@daily;"]),
    ],
)
def test_formats(format_, good, bad):
    assert [text for text in good if not matches(format_, text)] == []
    assert [text for text in bad if matches(format_, text)] == []


@given(st.text(max_size=300))
def test_no_text_makes_the_rules_fail(text):
    wish = workload_pb2.Workload(cluster_id="a" * 20)
    try:
        wish.name = wish.image = wish.tag = text
        wish.domains.add(name=text)
    except UnicodeEncodeError:
        return
    violations(workload_pb2.CreateWorkloadRequest(workload=wish))


def test_sensitive_fields_and_values_of_maps_are_masked():
    shown = masked(cluster_pb2.CreateClusterResponse(jump_code="cloudly_jc_secret"))
    assert shown == {"jump_code": "***"}
    workload = workload_pb2.Workload(name="web", environment={"PASSWORD": "hunter2"})
    assert "hunter2" not in str(masked(workload_pb2.CreateWorkloadRequest(workload=workload)))


def test_an_error_survives_the_wire_whole():
    error = from_status(to_status(StaleEtag("cluster", "x", "abc")))
    assert isinstance(error, StaleEtag)
    assert error.metadata == {"current_etag": "abc"}
    assert error.resource == ("cluster", "x")
    invalid = from_status(to_status(InvalidArgument.of(("a.b", "is wrong"))))
    assert invalid.violations[0].field == "a.b"


def test_every_reason_has_codes_a_meaning_and_advice():
    assert len(catalogue()) > 15
    for entry in catalogue().values():
        assert entry.meaning
        assert entry.action
        assert 1 <= entry.grpc_code <= 16
        assert 400 <= entry.http_status <= 504


def test_json_paths():
    assert json_path("workload.published_ports[0].host_port") == "workload.publishedPorts[0].hostPort"
