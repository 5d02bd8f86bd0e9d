"""The settings there are, as data: each key's type, whether it is secret, who uses it, what it is for.

A key that is not in this table does not exist. A new one is one line here; the pages, the CLI and the events follow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SettingType = Literal["text", "token", "url", "host", "port", "json"]
MASK = "****"
SHOWN = 4
"""How many of a secret's last characters readers see."""
LEAST_MASKED = 12
"""Shorter secrets are not shown at all: four characters would be too much of them."""


@dataclass(frozen=True)
class SettingKey:
    """One setting."""

    key: str
    provider: str
    type: SettingType
    description: str
    secret: bool = False
    owners: tuple[str, ...] = ()
    """The services that use it; none where the provider has no use in Cloudly yet."""


def _secret(key: str, provider: str, description: str, *owners: str, type: SettingType = "token") -> SettingKey:
    return SettingKey(key, provider, type, description, secret=True, owners=owners)


def _plain(key: str, provider: str, type: SettingType, description: str, *owners: str) -> SettingKey:
    return SettingKey(key, provider, type, description, owners=owners)


_KEYS = (
    _secret("hetznerToken", "hetzner", "API token of a Hetzner Cloud project: servers and bare metal.", "clusters"),
    _secret(
        "cloudflareToken",
        "cloudflare",
        "API token with Zone:Read and DNS:Edit: domains, DNS entries, ACME DNS-01.",
        "clusters",
    ),
    _plain("dcrouterGatewayUrl", "dcrouter", "url", "Where the dcrouter gateway's API is.", "clusters"),
    _secret("dcrouterGatewayApiToken", "dcrouter", "API token of the dcrouter gateway.", "clusters"),
    _plain(
        "dcrouterWorkHosterId",
        "dcrouter",
        "text",
        "The name under which the gateway keeps this Cloudly's routes; the cluster's id where it is not set.",
        "clusters",
    ),
    _plain(
        "dcrouterTargetHost", "dcrouter", "host", "Host to which the gateway forwards traffic of workloads.", "clusters"
    ),
    _plain(
        "dcrouterTargetPort", "dcrouter", "port", "Port to which the gateway forwards traffic of workloads.", "clusters"
    ),
    _secret("baseosJoinToken", "baseos", "Lets devices enrol without a one-time token of their image.", "baseos"),
    _secret(
        "corebuildWorkersJson",
        "corebuild",
        'The CoreBuild workers: a JSON array of URLs or of {"url", "token", "id"}.',
        "baseos",
        type="json",
    ),
    _plain("corebuildWorkerUrl", "corebuild", "url", "URL of a single CoreBuild worker.", "baseos"),
    _secret("corebuildWorkerToken", "corebuild", "Token of the single CoreBuild worker.", "baseos"),
    _secret("awsAccessKey", "aws", "AWS access key."),
    _secret("awsSecretKey", "aws", "AWS secret key."),
    _plain("awsRegion", "aws", "text", "AWS region."),
    _secret("digitalOceanToken", "digitalocean", "DigitalOcean API token."),
    _plain("azureClientId", "azure", "text", "Azure application (client) id."),
    _secret("azureClientSecret", "azure", "Azure client secret.", type="text"),
    _plain("azureTenantId", "azure", "text", "Azure tenant id."),
    _plain("azureSubscriptionId", "azure", "text", "Azure subscription id."),
    _secret("googleCloudKeyJson", "google", "Key file of a Google Cloud service account.", type="json"),
    _plain("googleCloudProjectId", "google", "text", "Google Cloud project id."),
    _secret("vultrApiKey", "vultr", "Vultr API key."),
    _secret("linodeToken", "linode", "Linode API token."),
    _secret("ovhApplicationKey", "ovh", "OVH application key."),
    _secret("ovhApplicationSecret", "ovh", "OVH application secret."),
    _secret("ovhConsumerKey", "ovh", "OVH consumer key."),
    _secret("scalewayAccessKey", "scaleway", "Scaleway access key."),
    _secret("scalewaySecretKey", "scaleway", "Scaleway secret key."),
    _plain("scalewayOrganizationId", "scaleway", "text", "Scaleway organization id."),
)

SETTING_KEYS: Mapping[str, SettingKey] = {known.key: known for known in _KEYS}
TESTABLE = frozenset({"hetzner", "cloudflare", "dcrouter", "corebuild"})
"""The providers whose connection an owner of their settings can test."""
OWNERS = tuple(sorted({owner for known in _KEYS for owner in known.owners}))
"""The services that own settings."""


def owned_by(service: str) -> list[SettingKey]:
    """The settings that a service uses."""
    return [known for known in _KEYS if service in known.owners]


def shown(known: SettingKey, value: str) -> str:
    """The value as readers see it."""
    if not known.secret:
        return value
    return MASK + (value[-SHOWN:] if len(value) >= LEAST_MASKED else "")
