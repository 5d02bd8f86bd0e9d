"""Backup policies through gRPC, on real servers."""

from datetime import UTC, datetime

import pytest
from cloudly.backups.v1 import policy_pb2 as pb
from cloudly.backups.v1.policy_pb2_grpc import PolicyServiceStub
from cloudly_backups.config import Settings
from cloudly_backups.main import serve
from cloudly_kit.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied, StaleEtag
from google.protobuf.field_mask_pb2 import FieldMask


@pytest.fixture
async def policies(harness):
    async with harness.running("backups", serve, harness.settings(Settings)), harness.channel("backups", "admin") as to:
        yield PolicyServiceStub(to)


def nightly(**fields):
    return pb.Policy(**{"name": "nightly", "schedule": "0 3 * * *", "enabled": True, **fields})


async def create(policies, request_id="", **fields):
    answer = await policies.CreatePolicy(pb.CreatePolicyRequest(policy=nightly(**fields), request_id=request_id))
    return answer.policy


async def test_a_policy_is_created_with_its_defaults_and_next_times(policies):
    made = await create(policies, labels={"tier": "gold"})
    assert (made.keep_last, dict(made.labels), len(made.id)) == (24, {"tier": "gold"}, 20)
    times = [time.ToDatetime(UTC) for time in made.next_times]
    assert [(time.hour, time.minute) for time in times] == [(3, 0)] * 3
    assert times[0] > datetime.now(UTC)
    assert (await policies.GetPolicy(pb.GetPolicyRequest(policy_id=made.id))).policy == made


async def test_a_policy_that_is_off_has_no_next_times(policies):
    assert not (await create(policies, enabled=False)).next_times


async def test_a_repeated_create_answers_the_same_policy(policies):
    assert await create(policies, request_id="r1") == await create(policies, request_id="r1")
    with pytest.raises(InvalidArgument):
        await create(policies, request_id="r1", name="other")


async def test_a_name_is_taken_once_and_free_again_after_the_delete(policies):
    made = await create(policies)
    with pytest.raises(AlreadyExists):
        await create(policies)
    await policies.DeletePolicy(pb.DeletePolicyRequest(policy_id=made.id, etag=made.etag))
    with pytest.raises(NotFound):
        await policies.GetPolicy(pb.GetPolicyRequest(policy_id=made.id))
    await create(policies)


@pytest.mark.parametrize("schedule", ["", "hourly", "0 25 * * *", "0 0 30 2 *", "R * * * *", "* * * * * *"])
async def test_a_schedule_that_never_comes_is_refused(policies, schedule):
    with pytest.raises(InvalidArgument) as refused:
        await create(policies, schedule=schedule)
    assert [violation.field for violation in refused.value.violations] == ["policy.schedule"]


async def test_an_update_changes_what_the_mask_names(policies):
    made = await create(policies, labels={"tier": "gold"})
    made.keep_last, made.name = 7, "ignored"
    answer = await policies.UpdatePolicy(
        pb.UpdatePolicyRequest(policy=made, update_mask=FieldMask(paths=["keep_last"]))
    )
    assert (answer.policy.keep_last, answer.policy.name, dict(answer.policy.labels)) == (7, "nightly", {"tier": "gold"})
    assert answer.policy.etag != made.etag


async def test_a_stale_etag_is_refused_and_changes_nothing(policies):
    made = await create(policies)
    fresh = pb.Policy(id=made.id, keep_last=7)
    await policies.UpdatePolicy(pb.UpdatePolicyRequest(policy=fresh, update_mask=FieldMask(paths=["keep_last"])))
    stale = pb.Policy(id=made.id, keep_last=9, etag=made.etag)
    with pytest.raises(StaleEtag):
        await policies.UpdatePolicy(pb.UpdatePolicyRequest(policy=stale, update_mask=FieldMask(paths=["keep_last"])))
    with pytest.raises(StaleEtag):
        await policies.DeletePolicy(pb.DeletePolicyRequest(policy_id=made.id, etag=made.etag))
    found = (await policies.GetPolicy(pb.GetPolicyRequest(policy_id=made.id))).policy
    assert found.keep_last == 7


async def test_an_update_refuses_bad_schedules_and_foreign_fields(policies):
    made = await create(policies)
    for path, wish in (
        ("schedule", pb.Policy(id=made.id, schedule="0 0 31 4 *")),
        ("nothing", pb.Policy(id=made.id)),
        ("next_times", pb.Policy(id=made.id)),
    ):
        with pytest.raises(InvalidArgument):
            await policies.UpdatePolicy(pb.UpdatePolicyRequest(policy=wish, update_mask=FieldMask(paths=[path])))


async def test_policies_are_listed_by_name_page_by_page(policies):
    for name in ("c", "a", "b"):
        await create(policies, name=name)
    first = await policies.ListPolicies(pb.ListPoliciesRequest(page_size=2))
    rest = await policies.ListPolicies(pb.ListPoliciesRequest(page_size=2, page_token=first.next_page_token))
    assert [policy.name for answer in (first, rest) for policy in answer.policies] == ["a", "b", "c"]


async def test_a_viewer_reads_and_does_not_write(policies, harness):
    made = await create(policies)
    async with harness.channel("backups", "viewer") as channel:
        viewer = PolicyServiceStub(channel)
        assert (await viewer.GetPolicy(pb.GetPolicyRequest(policy_id=made.id))).policy == made
        with pytest.raises(PermissionDenied):
            await viewer.DeletePolicy(pb.DeletePolicyRequest(policy_id=made.id))
