"""Calls to the REST API: the address, the token and its renewal, refusals as failures; httpx is imported when needed."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cloudly_cli import contexts
from cloudly_cli.failures import Failure, Unreachable, not_logged_in, problem_of

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 60.0
CONNECT_SECONDS = 10.0
TRANSFER_SECONDS = 3600.0
_ATTEMPTS = 3
_JWT_PARTS = 3
_API_TOKEN = "cloudly_pat_"  # noqa: S105 - how one begins


class Client:
    """One server, as whoever is logged in there.

    The address is CLOUDLY_URL, else the chosen context's; the token is CLOUDLY_TOKEN (an API token or an access token, or a
    cluster's jump code, which is exchanged for one), else the context's session.
    """

    def __init__(self, context_name: str = "", *, url: str = "", token: str = "") -> None:
        known = contexts.read()
        if context_name and context_name not in known.contexts:
            raise Failure(f"there is no context named {context_name!r}", 2, "`cloudly context list` shows them.")
        self._name = context_name or known.current
        self._context = known.contexts.get(self._name)
        url = url or ("" if context_name else os.environ.get("CLOUDLY_URL", ""))
        self.url = (url or (self._context.url if self._context else contexts.DEFAULT_URL)).rstrip("/")
        # A session belongs to the server that it was made at: it is never sent to another.
        if self._context is not None and self._context.url.rstrip("/") != self.url:
            self._context = None
        self._given = token or ("" if context_name else os.environ.get("CLOUDLY_TOKEN", ""))
        self._exchanged = ""
        self._http: httpx.Client | None = None

    @property
    def username(self) -> str:
        """Who is logged in here; empty where nobody is."""
        return self._context.username if self._context else ""

    @property
    def logged_in(self) -> bool:
        """Whether there is anything to log in with."""
        return bool(self._given or (self._context and self._context.access_token))

    def call(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        anonymous: bool = False,
    ) -> Any:
        """The JSON of an answer.

        Raises:
            Problem: the server refused.
            Failure: it does not answer, or nobody is logged in.
        """
        token = "" if anonymous else self._token()
        # What a retry could do twice is not repeated, unless the server can tell by the key.
        safe = verb in {"GET", "PATCH", "PUT", "DELETE"} or "idempotency-key" in {key.lower() for key in headers or {}}
        response = self._send(verb, path, query, body, headers, token, _ATTEMPTS if safe else 1)
        if token and _outdated(response):
            renewed = self._renewed(token)
            if renewed:
                response = self._send(verb, path, query, body, headers, renewed, 1)
        if not response.is_success:
            raise problem_of(response.status_code, response.content)
        return response.json() if response.content else {}

    def readiness(self) -> dict[str, Any]:
        """What /readyz says, ready or not."""
        response = self._send("GET", "/readyz", None, None, None, "", 1)
        try:
            found = response.json()
        except ValueError:
            found = None
        if not isinstance(found, dict) or "parts" not in found:
            raise problem_of(response.status_code, response.content)
        return found

    @contextmanager
    def lines(self, path: str, query: Mapping[str, Any], accept: str, cursor: str = "") -> Iterator[Iterator[str]]:
        """The lines of a stream; of events behind a cursor.

        Raises:
            Problem: the server refused.
            httpx.TransportError: the connection broke.
        """
        with self._stream(path, query, accept, cursor) as response:
            yield response.iter_lines()

    @contextmanager
    def _stream(self, path: str, query: Mapping[str, Any], accept: str, cursor: str = "") -> Iterator["httpx.Response"]:
        import httpx

        for attempt in (1, 2):
            token = self._token()
            headers = {"authorization": f"Bearer {token}", "accept": accept}
            if cursor:
                headers["last-event-id"] = cursor
            timeout = httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
            with self._client().stream("GET", path, params=query, headers=headers, timeout=timeout) as response:
                if not response.is_success:
                    response.read()
                    if attempt == 1 and _outdated(response) and self._renewed(token):
                        continue
                    raise problem_of(response.status_code, response.content)
                yield response
                return

    def upload(self, path: str, query: Mapping[str, Any], pieces: Iterator[bytes]) -> Any:
        """Send bytes as they come; the JSON of the answer. It cannot be repeated, so the token has to be good.

        Raises:
            Problem: the server refused.
            httpx.TransportError: the connection broke.
        """
        import httpx

        headers = {"authorization": f"Bearer {self._token()}", "content-type": "application/octet-stream"}
        # What was sent is worked on before it is answered.
        timeout = httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS, read=TRANSFER_SECONDS)
        response = self._client().post(path, params=query, content=pieces, headers=headers, timeout=timeout)
        if not response.is_success:
            raise problem_of(response.status_code, response.content)
        return response.json()

    @contextmanager
    def download(self, path: str, query: Mapping[str, Any]) -> Iterator[Iterator[bytes]]:
        """The bytes of an answer as they come.

        Raises:
            Problem: the server refused.
            httpx.TransportError: the connection broke; what came is not the whole.
        """
        with self._stream(path, query, "application/octet-stream") as response:
            yield response.iter_raw()

    def _send(
        self,
        verb: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        headers: Mapping[str, str] | None,
        token: str,
        attempts: int,
    ) -> "httpx.Response":
        import httpx

        sent = {**(headers or {}), **({"authorization": f"Bearer {token}"} if token else {})}
        for attempt in range(1, attempts + 1):
            try:
                response = self._client().request(verb, path, params=query, json=body, headers=sent)
            except httpx.TransportError as error:
                if attempt == attempts:
                    raise self._away(error) from error
            else:
                if response.status_code != 503 or attempt == attempts:
                    return response
            time.sleep(0.3 * attempt)
        raise AssertionError

    def _away(self, error: Exception) -> Unreachable:
        return Unreachable(f"Cloudly does not answer at {self.url}: {error}", 1, "Is the address right? Does it run?")

    def _client(self) -> "httpx.Client":
        import httpx

        if self._http is None:
            try:
                timeout = httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
                self._http = httpx.Client(base_url=self.url, timeout=timeout, headers={"user-agent": "cloudly-cli"})
            except (httpx.InvalidURL, ValueError) as error:
                raise Failure(f"{self.url!r} is not an address: {error}", 2) from error
        return self._http

    def _token(self) -> str:
        if self._given:
            as_it_is = self._given.startswith(_API_TOKEN) or self._given.count(".") == _JWT_PARTS - 1
            return self._given if as_it_is else self._exchange()
        if self._context is None or not self._context.access_token:
            raise not_logged_in(f"you are not logged in at {self.url}")
        return self._context.access_token

    def _exchange(self) -> str:
        if not self._exchanged:
            answer = self.call("POST", "/api/v1/auth/exchange", body={"token": self._given}, anonymous=True)
            self._exchanged = str(answer["accessToken"])
        return self._exchanged

    def _renewed(self, refused: str) -> str:
        if self._exchanged == refused:
            # A watch outlives what a jump code was exchanged for; the code is good for more.
            self._exchanged = ""
            return self._exchange()
        # Commands may run side by side, and a refresh token works once: one of them renews, the others read the result.
        if self._given or self._context is None:
            return ""
        with contexts.changing() as known:
            context = known.contexts.get(self._name)
            if context is None or not context.refresh_token:
                return ""
            if context.access_token == refused:
                body = {"refreshToken": context.refresh_token}
                # An answer that was lost can be asked for again within seconds, and later not: it would end the session.
                response = self._send("POST", "/api/v1/auth/refresh", None, body, None, "", _ATTEMPTS)
                if response.status_code == 401:
                    context.access_token = context.refresh_token = ""
                    self._context = context
                    return ""
                if not response.is_success:
                    raise problem_of(response.status_code, response.content)
                answer = response.json()
                context.access_token, context.refresh_token = answer["accessToken"], answer["refreshToken"]
            self._context = context
            return context.access_token


def _outdated(response: "httpx.Response") -> bool:
    """Whether a token was refused that has ended, or that was made before its user had a second factor."""
    return response.status_code == 401 or (
        response.status_code == 403 and problem_of(403, response.content).reason == "SECOND_FACTOR_MISSING"
    )
