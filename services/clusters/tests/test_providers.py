"""Tests of providers through gRPC: settings as they are now, missing ones, and what nothing works with."""

from contextlib import AsyncExitStack

import pytest
from cloudly.clusters.v1 import provider_pb2 as pb
from cloudly.clusters.v1.provider_pb2_grpc import ProviderServiceStub
from cloudly.common.v1 import connection_pb2
from cloudly_clusters.config import Settings
from cloudly_clusters.main import serve
from cloudly_kit.errors import FailedPrecondition, InvalidArgument, NotSupported, PermissionDenied
from cloudly_providers.testing.cloudflare import CloudflareFake
from cloudly_providers.testing.dcrouter import DcrouterFake
from cloudly_providers.testing.hetzner import HetznerFake


class Clusters:
    """The service, its settings, and the providers it asks."""

    def __init__(self, harness):
        self.harness = harness
        self.settings = harness.authority.settings.values
        self.hetzner, self.cloudflare, self.dcrouter = HetznerFake(), CloudflareFake(), DcrouterFake()

    async def test(self, provider, role="admin"):
        async with self.harness.channel("clusters", role) as channel:
            answer = await ProviderServiceStub(channel).TestProvider(pb.TestProviderRequest(provider=provider))
        return answer.connections[0]


@pytest.fixture
async def clusters(harness):
    made = Clusters(harness)
    async with AsyncExitStack() as stack:
        for fake in (made.hetzner, made.cloudflare, made.dcrouter):
            stack.enter_context(fake)
        settings = harness.settings(Settings, hetzner_url=made.hetzner.api, cloudflare_url=made.cloudflare.api)
        await stack.enter_async_context(harness.running("clusters", serve, settings))
        yield made


async def test_what_is_set_now_is_tried_and_not_what_was_set_before(clusters):
    clusters.settings["hetznerToken"] = "mistyped"
    wrong = await clusters.test("hetzner")
    assert (wrong.provider, wrong.ok) == ("hetzner", False)
    assert wrong.action.endswith("Then set hetznerToken to it: `cloudly setting set hetznerToken --value -`.")
    clusters.settings["hetznerToken"] = "hetzner-token-write"
    assert (await clusters.test("hetzner")).ok
    assert {asked.bearer for asked in clusters.hetzner.asked} == {"mistyped", "hetzner-token-write"}


async def test_every_provider_of_clusters_is_really_asked(clusters):
    clusters.cloudflare.add_zone("example.com")
    clusters.settings |= {
        "cloudflareToken": "cloudflare-token-edit",
        "dcrouterGatewayUrl": clusters.dcrouter.url,
        "dcrouterGatewayApiToken": "dcrouter-token",
    }
    assert (await clusters.test("cloudflare")).ok
    gateway = await clusters.test("dcrouter")
    assert (gateway.ok, gateway.target) == (True, clusters.dcrouter.url)
    assert gateway.permitted == connection_pb2.CHECK_OUTCOME_NOT_CHECKED
    assert clusters.cloudflare.asked
    assert clusters.dcrouter.asked


@pytest.mark.parametrize(
    ("provider", "key"),
    [
        ("hetzner", "hetznerToken"),
        ("cloudflare", "cloudflareToken"),
        ("dcrouter", "dcrouterGatewayUrl"),
    ],
)
async def test_a_missing_setting_is_named_with_how_to_set_it(clusters, provider, key):
    with pytest.raises(FailedPrecondition, match=f"cloudly setting set {key} --value -"):
        await clusters.test(provider)


@pytest.mark.parametrize("provider", ["aws", "azure", "digitalocean", "google", "linode", "ovh", "scaleway", "vultr"])
async def test_what_nothing_works_with_is_said_to_be_so(clusters, provider):
    with pytest.raises(NotSupported, match=f"with {provider} yet.*: cloudflare, corebuild, dcrouter, hetzner, s3, smb"):
        await clusters.test(provider)


async def test_a_name_that_is_no_provider_is_refused(clusters):
    with pytest.raises(InvalidArgument, match="cloudflare, corebuild"):
        await clusters.test("hezner")


@pytest.mark.parametrize("role", ["operator", "viewer", "api"])
async def test_only_who_may_set_credentials_may_try_them(clusters, role):
    with pytest.raises(PermissionDenied):
        await clusters.test("hetzner", role)
