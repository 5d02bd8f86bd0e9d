"""Talking to another registry as its client: the addresses, the login dance of Docker's token authentication, requests.

A request is sent as it is; a 401 tells by its WWW-Authenticate header (RFC 9110 §11.6.1) whether the registry wants the
login itself (Basic) or a token that is got for it elsewhere (Bearer; "Token Authentication Specification" of the
distribution project).
"""

import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
import orjson

DOCKER_HUB = "docker.io"
_HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "hub.docker.com", "www.docker.com"})
_HUB_ENDPOINT = "https://registry-1.docker.io"
_ANSWER_BYTES = 1 << 20
_TOKEN_SECONDS = 60
"""How long a token is good that does not say so (the specification's default)."""
_TOKENS_KEPT = 1_000
TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10, sock_read=30)
_PARAMETER = re.compile(r'([a-zA-Z_]+)="?((?<=")[^"]*|[^",\s]+)"?')


class UpstreamError(Exception):
    """The other registry could not be asked; the message is for people and holds no secret."""


class UpstreamDenied(UpstreamError):
    """It does not take the login, or does not let it do this."""


class UpstreamLoginRefused(UpstreamDenied):
    """It does not take the login, whatever is asked for."""


class UpstreamLimited(UpstreamError):
    """It wants to be left alone for a while."""

    def __init__(self, server: str, seconds: int) -> None:
        super().__init__(f"{server} allows no more requests for {seconds} seconds")
        self.seconds = seconds


class UpstreamUnreachable(UpstreamError):
    """It does not answer, or not as a registry does."""


@dataclass(frozen=True)
class Login:
    """How to reach a registry."""

    url: str
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def auth(self) -> aiohttp.BasicAuth | None:
        """The login; None to go without."""
        return aiohttp.BasicAuth(self.username, self.password, "utf-8") if self.username else None


def server_of(url: str) -> str:
    """host[:port] of a registry as it stands in front of images' names."""
    parts = urlsplit(url)
    host = (parts.netloc.rpartition("@")[2]).lower()
    return DOCKER_HUB if parts.hostname in _HUB_NAMES else host


def endpoint_of(url: str) -> str:
    """Where a registry serves /v2, without a slash at the end."""
    parts = urlsplit(url)
    return _HUB_ENDPOINT if parts.hostname in _HUB_NAMES else f"{parts.scheme}://{parts.netloc}"


class Upstream:
    """A client of any number of registries. Tokens are kept, per registry, login and scope, while they are good."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._tokens: dict[tuple[Login, str], tuple[str, float]] = {}

    @asynccontextmanager
    async def request(
        self, login: Login, method: str, path: str, scope: str = "", headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A request to /v2, logged in; the answer with its body unread.

        Redirects of reads are followed (blobs lie elsewhere); the login goes to the registry's own address alone.

        Raises:
            UpstreamDenied, UpstreamLimited, UpstreamUnreachable.
        """
        url = endpoint_of(login.url) + path
        sent = dict(headers or {})
        known = self._tokens.get((login, scope))
        if known and known[1] > time.monotonic():
            sent["Authorization"] = known[0]
        try:
            answer = await self._session.request(method, url, headers=sent, timeout=TIMEOUT)
            if answer.status == 401:
                challenge = answer.headers.getall("WWW-Authenticate", [])
                answer.release()
                sent["Authorization"] = await self._authorization(login, scope, challenge)
                answer = await self._session.request(method, url, headers=sent, timeout=TIMEOUT)
            async with answer:
                if answer.status in (401, 403):
                    self._tokens.pop((login, scope), None)
                    if answer.status == 401 and sent["Authorization"].startswith("Basic "):
                        raise UpstreamLoginRefused(f"{server_of(login.url)} does not take the login (401)")
                    raise UpstreamDenied(f"{server_of(login.url)} denies it ({answer.status})")
                if answer.status == 429:
                    raise UpstreamLimited(server_of(login.url), _seconds(answer.headers.get("Retry-After", "")))
                yield answer
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UpstreamUnreachable(f"{server_of(login.url)} cannot be reached: {_told(error)}") from error

    async def check(self, login: Login) -> None:
        """Whether it is a registry that takes the login.

        Raises:
            UpstreamDenied, UpstreamUnreachable.
        """
        async with self.request(login, "GET", "/v2/") as answer:
            if answer.status != 200:
                raise UpstreamUnreachable(
                    f"{server_of(login.url)} is no registry that speaks /v2: it answers {answer.status}"
                )

    async def check_npm(self, login: Login) -> None:
        """Whether it is a package registry of npm that takes the login. Raises as `check`."""
        path = "/-/whoami" if login.username else "/-/ping"
        try:
            async with self._session.get(
                login.url.rstrip("/") + path, auth=login.auth, timeout=TIMEOUT, allow_redirects=False
            ) as answer:
                if answer.status in (401, 403):
                    raise UpstreamDenied(f"{server_of(login.url)} does not take the login ({answer.status})")
                if answer.status != 200:
                    raise UpstreamUnreachable(f"{server_of(login.url)} answers {answer.status} to {path}")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UpstreamUnreachable(f"{server_of(login.url)} cannot be reached: {_told(error)}") from error

    async def _authorization(self, login: Login, scope: str, challenges: list[str]) -> str:
        """The header that answers the challenge."""
        by_scheme = {told.partition(" ")[0].lower(): told.partition(" ")[2] for told in challenges}
        if "bearer" in by_scheme:
            value, seconds = await self._token(login, scope, dict(_PARAMETER.findall(by_scheme["bearer"])))
        elif "basic" in by_scheme:
            if login.auth is None:
                raise UpstreamLoginRefused(f"{server_of(login.url)} wants a login: set user name and password")
            value, seconds = login.auth.encode(), 300.0
        else:
            raise UpstreamDenied(f"{server_of(login.url)} wants a kind of login that is not known here")
        if len(self._tokens) >= _TOKENS_KEPT:
            self._tokens.clear()
        self._tokens[login, scope] = value, time.monotonic() + seconds * 0.8
        return value

    async def _token(self, login: Login, scope: str, challenge: Mapping[str, str]) -> tuple[str, float]:
        realm = challenge.get("realm", "")
        scheme = urlsplit(realm).scheme
        if scheme not in ("https", "http") or (scheme == "http" and login.url.startswith("https:")):
            # A password that travelled encrypted so far is not sent in the clear.
            raise UpstreamUnreachable(f"{server_of(login.url)} leads to a token server that is not usable: {realm!r}")
        asked = {"service": challenge["service"]} if "service" in challenge else {}
        wanted = scope or challenge.get("scope", "")
        if wanted:
            asked["scope"] = wanted
        async with self._session.get(
            realm, params=asked, auth=login.auth, timeout=TIMEOUT, allow_redirects=False
        ) as answer:
            if answer.status == 401 and login.username:
                raise UpstreamLoginRefused(f"{server_of(login.url)} does not take the login (401)")
            if answer.status in (400, 401, 403):
                # Some refuse a token for what the login may not read, or what is not there, like this.
                raise UpstreamDenied(f"{server_of(login.url)} gives no token for it ({answer.status})")
            body = await answer.content.read(_ANSWER_BYTES)
            try:
                content = orjson.loads(body) if answer.status == 200 else {}
                token = content.get("token") or content.get("access_token")
                seconds = float(content.get("expires_in") or _TOKEN_SECONDS)
            except (ValueError, AttributeError, TypeError):
                token, seconds = None, 0.0
        if not isinstance(token, str):
            raise UpstreamUnreachable(
                f"the token server of {server_of(login.url)} answers {answer.status} without a token"
            )
        return f"Bearer {token}", seconds


def _seconds(told: str) -> int:
    """Retry-After (RFC 9110 §10.2.3); a minute where it says nothing or a date."""
    return min(int(told), 3600) if told.isascii() and told.isdigit() and len(told) < 10 else 60


def _told(error: BaseException) -> str:
    return str(error) or {"TimeoutError": "it is silent"}.get(type(error).__name__, type(error).__name__)
