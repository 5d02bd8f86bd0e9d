"""The Hetzner Cloud API (docs.hetzner.cloud): a project's servers. A token belongs to one project."""

from collections.abc import Callable
from typing import Any

from cloudly_providers.connection import Finding, Stopwatch
from cloudly_providers.errors import NotAuthenticated, NotPermitted
from cloudly_providers.http import Answer, Http

URL = "https://api.hetzner.cloud/v1"
_ADVICE = "Make a token with Read & Write in the project's Security, API tokens."


class Hetzner(Http):
    """A client for one project; an asynchronous context manager."""

    def __init__(self, token: str, url: str = URL, answered: Callable[[], None] = lambda: None) -> None:
        super().__init__("Hetzner", url, token, answered)

    async def server_count(self) -> tuple[int, str]:
        """How many servers the project has, and what is left of the requests that it may make in an hour.

        Raises:
            NotAuthenticated, NotPermitted, RateLimited, Unreachable.
        """
        answer = await self.call("GET", "/servers", query={"per_page": 1})
        if answer.status != 200:
            raise self._refused(answer)
        try:
            count = int(answer.body["meta"]["pagination"]["total_entries"])
        except (KeyError, TypeError, ValueError):
            raise self.unlike(answer) from None
        left, limit = (self.told(answer.headers.get(f"ratelimit-{name}", "")) for name in ("remaining", "limit"))
        return count, f"{left} of {limit} requests are left this hour" if left and limit else ""

    async def check_writes(self) -> None:
        """Whether the token may change things: a key without name and content is refused as invalid, so none is made.

        Raises:
            NotPermitted: the token is for reading alone.
            NotAuthenticated, RateLimited, Unreachable.
        """
        answer = await self.call("POST", "/ssh_keys", body={})
        if not (answer.status in (400, 422) and _error(answer).get("code") == "invalid_input"):
            raise self._refused(answer)

    def _refused(self, answer: Answer) -> Exception:
        error = _error(answer)
        message, request_id = self.told(str(error.get("message", ""))), answer.request_id
        if answer.status == 401:
            said = f"Hetzner does not take the token ({message})"
            return NotAuthenticated(said, action=_ADVICE, request_id=request_id)
        if answer.status == 403 and error.get("code") == "token_readonly":
            said = "the token may only read; Cloudly makes and deletes servers"
            return NotPermitted(said, action=_ADVICE, request_id=request_id)
        if answer.status == 403:
            return NotPermitted(f"Hetzner does not allow it ({message})", action=_ADVICE, request_id=request_id)
        return self.unlike(answer)


async def check(token: str, url: str, watch: Stopwatch) -> Finding:
    """Whether Cloudly can work with this token."""
    async with Hetzner(token, url, watch.answered) as hetzner:
        count, left = await hetzner.server_count()
        await hetzner.check_writes()
    found = f"the token may read and write; servers in the project: {count}"
    return Finding(f"{found}; {left}" if left else found)


def _error(answer: Answer) -> dict[str, Any]:
    body = answer.body
    found = body.get("error") if isinstance(body, dict) else None
    return found if isinstance(found, dict) else {}
