"""The agent's login: its jump code for a short access token, exchanged again before that ends."""

import time

import grpc
from cloudly.auth.v1 import auth_pb2, auth_pb2_grpc

EXCHANGE_SECONDS = 10.0
DEFAULT_LIFE_SECONDS = 300.0
FRESH_SECONDS = 5.0


class Login:
    """Holds the present access token."""

    def __init__(self, jump_code: str) -> None:
        self._jump_code = jump_code
        self._token = ""
        self._made_time = 0.0
        self._renew_time = 0.0

    async def token(self, channel: grpc.aio.Channel) -> str:
        """An access token with at least a fifth of its life left.

        Raises:
            grpc.aio.AioRpcError: Cloudly does not answer, or does not know the jump code (UNAUTHENTICATED).
        """
        now = time.monotonic()
        if not self._token or now >= self._renew_time:
            request = auth_pb2.ExchangeTokenRequest(token=self._jump_code)
            answer = await auth_pb2_grpc.AuthServiceStub(channel).ExchangeToken(request, timeout=EXCHANGE_SECONDS)
            life = DEFAULT_LIFE_SECONDS
            if answer.identity.HasField("expire_time"):
                life = answer.identity.expire_time.ToNanoseconds() / 1e9 - time.time()
            self._token, self._made_time, self._renew_time = answer.access_token, now, now + 0.8 * life
        return self._token

    def forget(self) -> bool:
        """The token was refused: exchange the jump code again. Whether it was old, so that a new one may well be taken."""
        old = bool(self._token) and time.monotonic() - self._made_time > FRESH_SECONDS
        self._token = ""
        return old
