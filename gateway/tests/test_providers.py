"""Tests of providers from outside: every name has one path, and each goes to the service that works with it."""

import pytest
from cloudly.backups.v1 import target_pb2
from cloudly.baseos.v1 import corebuild_pb2
from cloudly.clusters.v1 import provider_pb2
from cloudly.common.v1.connection_pb2 import CHECK_OUTCOME_PASSED, ConnectionTest
from cloudly_kit.errors import FailedPrecondition, NotSupported

OWNERS = {
    "hetzner": ("TestProvider", provider_pb2.TestProviderResponse),
    "cloudflare": ("TestProvider", provider_pb2.TestProviderResponse),
    "dcrouter": ("TestProvider", provider_pb2.TestProviderResponse),
    "corebuild": ("TestCorebuildWorkers", corebuild_pb2.TestCorebuildWorkersResponse),
    "s3": ("TestS3Target", target_pb2.TestS3TargetResponse),
    "smb": ("TestSmbTarget", target_pb2.TestSmbTargetResponse),
}


async def legacy(gateway, provider):
    request = {"provider": provider, "identity": {"jwt": gateway.harness.authority.issue("admin")}}
    answer = await gateway.client.post("/typedrequest", json={"method": "testProviderConnection", "request": request})
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize("provider", OWNERS)
async def test_each_goes_to_its_owner(gateway, provider):
    method, response = OWNERS[provider]
    good = ConnectionTest(provider=provider, ok=True, reachable=CHECK_OUTCOME_PASSED, message="fine")
    gateway.services.answers[method] = response(connections=[good])
    answer = await gateway.client.post(f"/api/v1/providers/{provider}/test", json={}, headers=gateway.admin)
    assert answer.status_code == 200, answer.text
    (told,) = answer.json()["connections"]
    assert (told["ok"], told["reachable"], told["message"]) == (True, "CHECK_OUTCOME_PASSED", "fine")
    assert (await legacy(gateway, provider))["response"] == {
        "success": True, "message": "Fine.", "connectionValid": True,
    }  # fmt: skip
    assert gateway.services.names().count(method) == 2


async def test_a_failed_test_is_an_answer_that_says_what_to_do(gateway):
    tests = [
        ConnectionTest(ok=True, message="the first is fine"),
        ConnectionTest(ok=False, message="the second is not", action="Mend it."),
    ]
    gateway.services.answers["TestCorebuildWorkers"] = corebuild_pb2.TestCorebuildWorkersResponse(connections=tests)
    assert (await legacy(gateway, "corebuild"))["response"] == {
        "success": True, "message": "The first is fine. · The second is not. Mend it.", "connectionValid": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("refused", "status"), [(NotSupported("not with aws"), 501), (FailedPrecondition("awsRegion is not set"), 409)]
)
async def test_what_cannot_be_tested_is_an_error(gateway, refused, status):
    def refuse(_):
        raise refused

    gateway.services.answers["TestProvider"] = refuse
    answer = await gateway.client.post("/api/v1/providers/aws/test", json={}, headers=gateway.admin)
    assert (answer.status_code, answer.json()["reason"]) == (status, refused.reason)
    assert gateway.services.last("TestProvider").provider == "aws"
    told = (await legacy(gateway, "aws"))["error"]
    assert (told["text"], told["data"]["reason"]) == (refused.message, refused.reason)


async def test_a_legacy_request_without_a_provider_is_refused(gateway):
    assert (await legacy(gateway, ""))["error"]["data"]["violations"][0]["field"] == "provider"
