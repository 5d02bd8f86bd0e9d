"""For tests: a real identity provider (oidc-provider-mock) in a process of its own, and a proxy in front of it that can do
what no honest provider does: forge tokens, answer without end, be somebody else.
"""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import jwt
import pytest
from aiohttp import web
from cloudly_kit.testing import free_port, wait_for_port
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

TOKEN_PATH = "/oauth2/token"  # noqa: S105 - an address


class ProviderProcess:
    """An identity provider that logs in whoever says so. It makes its keys when it starts, and forgets all at its end."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self._log = directory / f"oidc-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "oidc_provider_mock", "--port", str(self.port)],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for_port(self.port, self._process)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Provider:
    """The provider as tests and Cloudly see it: a proxy that hands everything on, unless it is told otherwise."""

    def __init__(self, behind: ProviderProcess) -> None:
        self.behind = behind
        self.port = free_port()
        self.issuer = f"http://localhost:{self.port}"
        self.key: RSAPrivateKey | None = None
        """Set: tokens are signed with it, and it stands among the published keys."""
        self.claims: dict[str, Any] = {}
        """What ID tokens say otherwise than the provider would; None takes a claim away. Needs `key`."""
        self.forge: Callable[[str], str] = lambda token: token
        """What becomes of an ID token."""
        self.answers: dict[str, web.Response] = {}
        """Answers by path, instead of the provider's."""
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        """Path, headers and form of every request, in order."""
        self._told: set[str] = set()
        self._runner: web.AppRunner | None = None
        self._http = aiohttp.ClientSession()

    async def start(self) -> None:
        """Begin to serve."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "localhost", self.port).start()

    async def stop(self) -> None:
        """End serving: the provider is away."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def close(self) -> None:
        """End for good; the process behind outlives it, and knows nothing of anybody then."""
        for subject in self._told:
            await self._tell(subject, {"email": subject})  # as of somebody it has not heard of
        await self.stop()
        await self._http.close()

    def sign_by_itself(self) -> RSAPrivateKey:
        """Have the proxy sign ID tokens, so that they can say anything."""
        self.key = generate_private_key(65537, 2048)
        return self.key

    async def person(self, subject: str, **claims: Any) -> None:
        """Say what the provider knows of somebody."""
        self._told.add(subject)
        await self._tell(subject, claims)

    async def _tell(self, subject: str, claims: dict[str, Any]) -> None:
        async with self._http.put(f"http://localhost:{self.behind.port}/users/{subject}", json=claims) as answer:
            assert answer.status == 204, await answer.text()

    async def client(self, redirect_uri: str) -> tuple[str, str]:
        """The id and the secret of a client whose secret is looked at; any other client is let through."""
        body = {"redirect_uris": [redirect_uri], "scope": "openid profile email"}
        async with self._http.post(f"{self.issuer}/oauth2/clients", json=body) as answer:
            made = await answer.json()
            return made["client_id"], made["client_secret"]

    async def log_in(self, authorization_url: str, subject: str) -> dict[str, str]:
        """What the browser brings back when this person logs in there; nobody ("") declines."""
        form = {"sub": subject} if subject else {"action": "deny"}
        async with self._http.post(authorization_url, data=form, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            return dict(parse_qsl(urlsplit(answer.headers["location"]).query))

    def token_requests(self) -> list[dict[str, str]]:
        """The forms with which tokens were asked for."""
        return [form for path, _, form in self.asked if path == TOKEN_PATH]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        form = dict(parse_qsl(body.decode(errors="replace"))) if request.method == "POST" else {}
        self.asked.append((request.path, dict(request.headers), form))
        if request.path in self.answers:
            canned = self.answers[request.path]
            # A response can be sent once.
            return web.Response(body=canned.body, status=canned.status, headers=canned.headers)
        # The provider takes its own address from the Host header, which is the proxy's.
        async with self._http.request(
            request.method,
            f"{self.behind.url}{request.raw_path}",
            headers=request.headers,
            data=body,
            allow_redirects=False,
        ) as answer:
            content = await answer.read()
            if answer.status == 200 and request.path in (TOKEN_PATH, "/jwks"):
                found = await answer.json()
                return web.json_response(self._keys(found) if request.path == "/jwks" else self._tokens(found))
            kept = {
                name: value for name, value in answer.headers.items() if name.lower() in ("location", "content-type")
            }
            return web.Response(body=content, status=answer.status, headers=kept)

    def _tokens(self, answer: dict[str, Any]) -> dict[str, Any]:
        token = answer["id_token"]
        if self.key is not None:
            said = jwt.decode(token, options={"verify_signature": False}) | self.claims
            said = {name: value for name, value in said.items() if value is not None}
            token = jwt.encode(said, self.key, algorithm="RS256", headers={"kid": "proxy"})
        return {**answer, "id_token": self.forge(token)}

    def _keys(self, answer: dict[str, Any]) -> dict[str, Any]:
        if self.key is None:
            return answer
        own = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [*answer["keys"], {**own, "kid": "proxy", "use": "sig"}]}


@pytest.fixture(scope="session")
def provider_process(scratch: Path) -> Iterator[ProviderProcess]:
    """See ProviderProcess; one for the session, since people there do not know of each other."""
    running = ProviderProcess(scratch)
    running.start()
    yield running
    running.stop()


@pytest.fixture
async def provider(provider_process: ProviderProcess) -> AsyncIterator[Provider]:
    """See Provider."""
    made = Provider(provider_process)
    await made.start()
    yield made
    await made.close()
