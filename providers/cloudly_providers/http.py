"""JSON over HTTP as the APIs of clouds speak it: bounded answers, and failures told apart.

Whatever the other side says is cut short and freed of the secret before it gets into a message.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Self

import aiohttp
import orjson

from cloudly_providers.errors import RateLimited, Unreachable

ANSWER_BYTES = 4 << 20
TOLD_CHARACTERS = 200
_REQUEST_IDS = ("x-request-id", "x-correlation-id", "cf-ray")
_TIMEOUT = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True)
class Answer:
    """An answer that is neither a failure of the other side nor a refusal for being asked too often."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Any
    """The JSON in it; None where there is none."""

    @property
    def request_id(self) -> str:
        """The provider's id of the request; empty where it gives none."""
        return next((self.headers[name] for name in _REQUEST_IDS if name in self.headers), "")


class Http:
    """An API at one URL, asked with one token; an asynchronous context manager."""

    def __init__(self, name: str, url: str, token: str = "", answered: Callable[[], None] = lambda: None) -> None:
        self.name = name
        """What messages call the provider."""
        self.url = url.rstrip("/")
        self._token = token
        self._answered = answered

    async def __aenter__(self) -> Self:
        # Nothing of one answer is sent with the next question, and no proxy's or netrc's login slips in.
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Any = None,
        anonymous: bool = False,
    ) -> Answer:
        """Send a request, with the token unless `anonymous`, and read the answer. Redirects are not followed.

        Raises:
            Unreachable: no answer, a 5xx, or more than a JSON API says at once.
            RateLimited: 429.
        """
        headers = {"accept": "application/json", "user-agent": "cloudly"}
        if self._token and not anonymous:
            headers["authorization"] = f"Bearer {self._token}"
        try:
            async with self._session.request(
                method, self.url + path, params=query, json=body, headers=headers, allow_redirects=False
            ) as response:
                content = await _read(response)
        except aiohttp.ClientConnectorCertificateError as error:
            raise Unreachable(
                f"the certificate of {self.url} is not trusted: {self.told(str(error.certificate_error))}",
                action="Give the server a certificate of a known authority for this name.",
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(
                f"{self.url} cannot be reached: {self.told(str(error)) or type(error).__name__}",
                action="Check the address, the network and firewalls on the way.",
            ) from error
        self._answered()
        found = {name.lower(): value for name, value in response.headers.items()}
        answer = Answer(response.status, found, _json(content))
        if answer.status == 429:
            raise RateLimited(
                f"{self.name} takes no more requests for now",
                retry_after_seconds=_retry_after(found),
                request_id=answer.request_id,
            )
        if answer.status >= 500:
            raise Unreachable(
                f"{self.name} answers {answer.status}: the fault is on its side",
                action=f"Try again later; see whether {self.name} reports a disturbance.",
                request_id=answer.request_id,
            )
        return answer

    def unlike(self, answer: Answer) -> Unreachable:
        """The error for an answer that this provider's API does not give."""
        where = self.told(answer.headers.get("location", ""))
        said = f"leads to {where}" if where else f"answers {answer.status}"
        return Unreachable(
            f"{self.url} {said}, not as {self.name}'s API does",
            action=f"Check that the address is that of {self.name}'s API and that no proxy answers in its place.",
            request_id=answer.request_id,
        )

    def told(self, text: str) -> str:
        """A text from outside, fit for a message: one line, short, without the token."""
        if self._token:
            text = text.replace(self._token, "***")
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return line if len(line) <= TOLD_CHARACTERS else line[: TOLD_CHARACTERS - 1] + "…"


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > ANSWER_BYTES:
            raise ValueError(f"it answers more than {ANSWER_BYTES >> 20} MiB")
    return bytes(content)


def _json(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None


def _retry_after(headers: Mapping[str, str]) -> int:
    """Seconds, from Retry-After (RFC 9110 §10.2.3) or from RateLimit-Reset as a Unix time."""
    told, reset = headers.get("retry-after", ""), headers.get("ratelimit-reset", "")
    if told.isdecimal():
        return int(told[:9])
    try:
        until = parsedate_to_datetime(told).timestamp() if told else float(int(reset[:12]))
    except ValueError:
        return 0
    return max(0, round(until - time.time()))
