"""`cloudly provider test`: one verb for all providers, whoever tests them."""

import pytest
from cloudly.backups.v1 import target_pb2
from cloudly.baseos.v1 import corebuild_pb2
from cloudly.clusters.v1 import provider_pb2
from cloudly.common.v1.connection_pb2 import CHECK_OUTCOME_FAILED, CHECK_OUTCOME_PASSED, ConnectionTest
from cloudly_kit.errors import FailedPrecondition

FINE = ConnectionTest(
    provider="smb", target="smb://nas/backup", ok=True, reachable=CHECK_OUTCOME_PASSED, round_trip_milliseconds=12,
    message="files can be written",
)  # fmt: skip
FAILED = ConnectionTest(
    provider="corebuild", target="http://worker", reachable=CHECK_OUTCOME_FAILED, message="it is\x1b[2J silent",
    action="Check the address.",
)  # fmt: skip


async def test_a_good_connection_is_a_table_and_what_was_found(cloudly):
    cloudly.services.answers["TestSmbTarget"] = target_pb2.TestSmbTargetResponse(connections=[FINE])
    lines = (await cloudly("provider", "test", "smb")).stdout.splitlines()
    assert lines[1].split() == ["smb", "smb://nas/backup", "yes", "passed", "-", "-", "12"]
    assert lines[2:] == ["", "files can be written"]


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
async def test_one_bad_connection_of_several_fails_the_command(cloudly, form):
    answer = corebuild_pb2.TestCorebuildWorkersResponse(connections=[FINE, FAILED])
    cloudly.services.answers["TestCorebuildWorkers"] = answer
    told = (await cloudly("provider", "test", "corebuild", "-o", form, code=1)).stdout
    assert "Check the address." in told
    assert form == "json" or "\x1b" not in told


async def test_what_is_not_set_is_told_as_every_refusal(cloudly):
    def refuse(request):
        raise FailedPrecondition(f"the setting for {request.provider} is not set")

    cloudly.services.answers["TestProvider"] = refuse
    assert "the setting for hetzner is not set" in (await cloudly("provider", "test", "hetzner", code=5)).output


async def test_all_of_one_owner_go_the_same_way(cloudly):
    cloudly.services.answers["TestProvider"] = provider_pb2.TestProviderResponse(connections=[FINE])
    for provider in ("hetzner", "cloudflare", "dcrouter"):
        await cloudly("provider", "test", provider)
        assert cloudly.services.last("TestProvider").provider == provider
