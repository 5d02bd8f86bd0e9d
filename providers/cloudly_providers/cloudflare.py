"""The Cloudflare API v4 (developers.cloudflare.com/api): zones and their DNS records."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloudly_providers.connection import Finding, Stopwatch
from cloudly_providers.errors import NotAuthenticated, NotPermitted
from cloudly_providers.http import Answer, Http

URL = "https://api.cloudflare.com/client/v4"
_PAGE = 50
_MAX_PAGES = 100
_ADVICE = "Make a token with Zone:Read and DNS:Edit for your zones (My Profile, API Tokens)."


@dataclass(frozen=True)
class Zone:
    """A domain at Cloudflare."""

    id: str
    name: str


class Cloudflare(Http):
    """A client with an API token, of a user or of an account; an asynchronous context manager."""

    def __init__(self, token: str, url: str = URL, answered: Callable[[], None] = lambda: None) -> None:
        super().__init__("Cloudflare", url, token, answered)

    async def token_status(self) -> str:
        """`active`, `disabled` or `expired`; empty where the API does not know the token.

        It knows tokens of users only: those of accounts are verified elsewhere, by an account id that we do not have.

        Raises:
            RateLimited, Unreachable.
        """
        answer = await self.call("GET", "/user/tokens/verify")
        if answer.status in (400, 401, 403):
            return ""
        result = self._result(answer)
        if not isinstance(result, dict):
            raise self.unlike(answer)
        return str(result.get("status", ""))

    async def zones(self) -> list[Zone]:
        """All zones that the token may read.

        Raises:
            NotPermitted: it may read none.
            RateLimited, Unreachable.
        """
        found: list[Zone] = []
        for page in range(1, _MAX_PAGES + 1):
            answer = await self.call("GET", "/zones", query={"page": page, "per_page": _PAGE})
            result = self._result(answer)
            try:
                found += [Zone(str(zone["id"]), str(zone["name"])) for zone in result]
                pages = int(answer.body["result_info"]["total_pages"])
            except (KeyError, TypeError, ValueError):
                raise self.unlike(answer) from None
            if page >= pages:
                break
        return found

    async def check_dns(self, zone: Zone) -> None:
        """Whether the token may edit the zone's records: one without content is refused as invalid, so none is made.

        Raises:
            NotPermitted: it may not.
            RateLimited, Unreachable.
        """
        path = f"/zones/{zone.id}/dns_records"
        self._result(await self.call("GET", path, query={"per_page": 1}))
        answer = await self.call("POST", path, body={})
        if answer.status not in (400, 422):
            self._result(answer)
            raise self.unlike(answer)

    def _result(self, answer: Answer) -> Any:
        # Every answer has the same envelope: success, errors, messages, result.
        body = answer.body if isinstance(answer.body, dict) else {}
        if answer.status in (400, 401, 403):
            errors = [error for error in body.get("errors") or () if isinstance(error, dict)]
            said = "; ".join(f"{error.get('message')} ({error.get('code')})" for error in errors) or str(answer.status)
            message = f"Cloudflare does not allow it: {self.told(said)}"
            raise NotPermitted(message, action=_ADVICE, request_id=answer.request_id)
        if answer.status != 200 or body.get("success") is not True:
            raise self.unlike(answer)
        return body.get("result")


async def check(token: str, url: str, watch: Stopwatch) -> Finding:
    """Whether Cloudly can work with this token."""
    async with Cloudflare(token, url, watch.answered) as cloudflare:
        status = await cloudflare.token_status()
        if status not in ("", "active"):
            raise NotAuthenticated(f"the token is {cloudflare.told(status)}", action=_ADVICE)
        try:
            zones = await cloudflare.zones()
        except NotPermitted as error:
            if status:
                raise
            # Neither a user's token nor an account's that may read zones: nothing shows that it is a token at all.
            raise NotAuthenticated(str(error), action=_ADVICE, request_id=error.request_id) from error
        if not zones:
            raise NotPermitted("the token may read no zone", action=_ADVICE)
        await cloudflare.check_dns(zones[0])
    name = cloudflare.told(zones[0].name)
    return Finding(f"the token may read zones ({len(zones)}) and edit the DNS entries of {name}")
