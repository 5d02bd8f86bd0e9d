"""The one way out to identity providers: JSON over HTTPS, bounded in time and size, without redirects."""

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlsplit

import aiohttp
import orjson
from cloudly_kit.errors import Unavailable

SECONDS = 10.0
"""A provider that takes longer for an answer counts as away."""
ANSWER_BYTES = 512 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=SECONDS)
# Not compressed: what a small answer unpacks to would have to be bounded too.
_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "cloudly"}


class ProviderFault(Unavailable):
    """The provider does not answer, or not as one does. The message is for people and holds no secret."""

    def __init__(self, message: str) -> None:
        super().__init__("identity provider", message)


class ProviderHttp:
    """Requests to providers."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, url: str, *, bearer: str = "") -> dict[str, Any]:
        """The JSON object at an address.

        Raises:
            ProviderFault: it does not answer so.
        """
        status, answer = await self._request("GET", url, {"authorization": f"Bearer {bearer}"} if bearer else {}, None)
        if status != 200:
            raise ProviderFault(f"{place(url)} answers {status}")
        return answer

    async def post(
        self, url: str, form: Mapping[str, str], *, login: tuple[str, str] | None
    ) -> tuple[int, dict[str, Any]]:
        """The status and the JSON object that answer a form; `login` is sent as HTTP Basic (RFC 6749 §2.3.1).

        Raises:
            ProviderFault: no JSON object comes back.
        """
        headers = {}
        if login is not None:
            name, secret = map(quote_plus, login)
            headers["authorization"] = aiohttp.BasicAuth(name, secret).encode()
        return await self._request("POST", url, headers, form)

    async def _request(
        self, verb: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> tuple[int, dict[str, Any]]:
        try:
            async with self._session.request(
                verb,
                url,
                headers={**_HEADERS, **headers},
                data=form,
                timeout=_TIMEOUT,
                allow_redirects=False,
                auto_decompress=False,
            ) as answer:
                if 300 <= answer.status < 400:
                    # Whoever is redirected sends codes and secrets to an address that nobody has checked.
                    raise ProviderFault(f"{place(url)} redirects elsewhere, which is not followed")
                body = await _bounded(answer, url)
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            told = str(error) or "it is silent" if isinstance(error, TimeoutError) else str(error)
            raise ProviderFault(f"{place(url)} cannot be reached: {told}") from error
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise ProviderFault(f"{place(url)} answers {status} without a JSON object")
        return status, found


def place(url: str) -> str:
    """An address for people, without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def address_problem(url: str) -> str:
    """Why an address may not be a provider's, as a sentence; empty when it may."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("http", "https") or not host:
        return "must be an https URL"
    if "@" in parts.netloc or parts.fragment:
        return "must hold neither a login nor a fragment"
    if parts.scheme == "http" and not _is_loopback(host):
        return "must begin with https://; http is for this host alone (localhost)"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def _bounded(answer: aiohttp.ClientResponse, url: str) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > ANSWER_BYTES:
            raise ProviderFault(f"{place(url)} answers more than {ANSWER_BYTES // 1024} KiB")
    return bytes(body)
