"""Testing the connections to the providers that clusters works with, with what is set now."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from cloudly.common.v1.connection_pb2 import ConnectionTest
from cloudly_kit.errors import InvalidArgument, NotSupported
from cloudly_kit.settings_view import SettingsView
from cloudly_providers import cloudflare, dcrouter, hetzner
from cloudly_providers.connection import try_connection

TESTED_ELSEWHERE = ("corebuild", "s3", "smb")
"""By baseos and backups; their routes stand beside this one, with the name in place of the variable."""
NOT_USED = ("aws", "azure", "digitalocean", "google", "linode", "ovh", "scaleway", "vultr")
"""What has settings, because the contract has them, and nothing in Cloudly that works with it."""

log = structlog.get_logger()


@dataclass(frozen=True)
class ProviderUrls:
    """Where the providers' APIs are that are at one place for everybody."""

    hetzner: str = hetzner.URL
    cloudflare: str = cloudflare.URL


class Providers:
    """The tests, by the provider's name."""

    def __init__(self, settings: SettingsView, urls: ProviderUrls) -> None:
        self._settings = settings
        self._urls = urls
        self._tests: dict[str, Callable[[], Awaitable[ConnectionTest]]] = {
            "hetzner": self._hetzner,
            "cloudflare": self._cloudflare,
            "dcrouter": self._dcrouter,
        }

    async def test(self, provider: str) -> ConnectionTest:
        """Ask the provider.

        Raises:
            InvalidArgument: there is no such provider.
            NotSupported: nothing in Cloudly works with it.
            FailedPrecondition: a setting that it needs is not set.
        """
        test = self._tests.get(provider)
        if test is None:
            known = ", ".join(sorted((*self._tests, *TESTED_ELSEWHERE)))
            if provider in NOT_USED:
                raise NotSupported(f"nothing in Cloudly works with {provider} yet; what can be tested: {known}")
            raise InvalidArgument.of(("provider", f"must be one of {known}"))
        answer = await test()
        log.info("provider.tested", provider=provider, ok=answer.ok, took_ms=answer.round_trip_milliseconds)
        return answer

    async def _hetzner(self) -> ConnectionTest:
        (token,) = await self._settings.newest("hetznerToken")
        url = self._urls.hetzner
        return await try_connection(
            "hetzner", url, lambda watch: hetzner.check(token, url, watch), advice=_set("hetznerToken")
        )

    async def _cloudflare(self) -> ConnectionTest:
        (token,) = await self._settings.newest("cloudflareToken")
        url = self._urls.cloudflare
        return await try_connection(
            "cloudflare", url, lambda watch: cloudflare.check(token, url, watch), advice=_set("cloudflareToken")
        )

    async def _dcrouter(self) -> ConnectionTest:
        url, token = await self._settings.newest("dcrouterGatewayUrl", "dcrouterGatewayApiToken")
        return await try_connection(
            "dcrouter", url, lambda watch: dcrouter.check(token, url, watch), advice=_set("dcrouterGatewayApiToken")
        )


def _set(key: str) -> str:
    return f"Then set {key} to it: `cloudly setting set {key} --value -`."
