"""API tokens as Bearer tokens: traded at auth for the short access token that the calls behind are made with."""

import asyncio
import hashlib
import time
from weakref import WeakValueDictionary

from cloudly.auth.v1 import auth_pb2, auth_pb2_grpc
from cloudly_kit import rpc_client
from cloudly_kit.errors import TokenExpired, TokenRevoked
from cloudly_kit.identity import TokenVerifier
from starlette.types import ASGIApp, Receive, Scope, Send

from cloudly_gateway.rest.handler import Channels

PREFIX = "cloudly_pat_"
RENEW_BEFORE_SECONDS = 60.0
_REMEMBERED = 10_000


class ApiTokenLogins:
    """Puts the access token of an API token into its place, and keeps it until shortly before its end.

    It is kept in this process, under the hash of the API token. Refused tokens are not kept: auth limits them by the
    client's address, and knows at once when a token is made or revoked.
    """

    def __init__(self, app: ASGIApp, channels: Channels, verifier: TokenVerifier) -> None:
        self._app = app
        self._auth = auth_pb2_grpc.AuthServiceStub(channels("auth"))
        self._verifier = verifier
        self._bought: dict[str, tuple[str, float]] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request.

        Raises:
            CredentialsInvalid, TokenExpired: nobody's token, or its time is over.
            RateLimited: too many such from this address.
        """
        secret = rpc_client.on_behalf_of.get()
        if scope["type"] == "http" and secret.startswith(PREFIX):
            rpc_client.on_behalf_of.set(await self._access_token(secret))
        await self._app(scope, receive, send)

    async def _access_token(self, secret: str) -> str:
        key = hashlib.sha256(secret.encode()).hexdigest()
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        # The first request of a token buys, those beside it wait for what it gets.
        async with lock:
            token = await self._living(key)
            return token or await self._buy(key, secret)

    async def _living(self, key: str) -> str:
        token, until = self._bought.get(key, ("", 0.0))
        if until <= time.time():
            self._bought.pop(key, None)
            return ""
        try:
            await self._verifier.verify(token)
        except (TokenRevoked, TokenExpired):
            # Ended early: the owner's roles or password changed, or the API token was revoked. Auth knows which.
            self._bought.pop(key, None)
            return ""
        return token

    async def _buy(self, key: str, secret: str) -> str:
        # The secret itself goes no further than into this request.
        rpc_client.on_behalf_of.set("")
        answer = await self._auth.ExchangeToken(auth_pb2.ExchangeTokenRequest(token=secret))
        if len(self._bought) >= _REMEMBERED:
            self._bought.clear()
        ends = float(answer.identity.expire_time.seconds) - RENEW_BEFORE_SECONDS
        self._bought[key] = (answer.access_token, ends)
        return str(answer.access_token)
