"""One attempt to hand a message over by HTTP.

Receivers may be anywhere, in private networks too: only admins write webhooks, and operators run inside such networks. So
that nobody reaches what was not meant, redirects are not followed, nothing of the answer but its status is kept (and of a
TypedRequest's the text of its error), no login is ever sent, and the addresses of `CLOUDLY_WEBHOOK_DENIED_NETWORKS` are
refused when the connection is made, whatever name led there.
"""

import errno
import ipaddress
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import orjson
from cloudly_kit.crypto import Envelope
from cloudly_kit.store import now

from cloudly_registry.webhooks import signing
from cloudly_registry.webhooks.messages import CONTENT_TYPES
from cloudly_registry.webhooks.store import SECRET, DeliveryDocument, Format, WebhookDocument

SECONDS = 15.0
"""A receiver that does not answer for so long has not taken it."""
_LONGEST_WAIT = 3600
_ANSWER_BYTES = 64 << 10

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt."""

    status_code: int
    """0: there was no answer."""
    error: str
    """Why it failed; empty where it did not."""
    millis: int
    wait_seconds: int = 0
    """How long the receiver asks to be left alone."""

    @property
    def gone(self) -> bool:
        """Whether the receiver says that it wants nothing any more (Standard Webhooks: 410)."""
        return self.status_code == 410


class Sender:
    """Posts messages; an asynchronous context manager."""

    def __init__(self, envelope: Envelope, denied: Sequence[Network]) -> None:
        self._envelope = envelope
        self._denied = tuple(denied)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=self._socket, force_close=True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=SECONDS),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def send(self, webhook: WebhookDocument, delivery: DeliveryDocument) -> Outcome:
        """Hand a message over."""
        assert self._session is not None
        body = delivery.body.encode()
        headers = {
            "Content-Type": CONTENT_TYPES[delivery.format],
            "User-Agent": "Cloudly-Webhooks/1",
            **signing.headers(delivery.id, int(time.time()), body, self._secrets(webhook)),
        }
        started = time.monotonic()
        status, wait = 0, 0
        try:
            async with self._session.post(
                webhook.url, data=body, headers=headers, allow_redirects=False, ssl=_trusted(webhook.ca_certificates)
            ) as answer:
                status, wait = answer.status, _wait(answer.headers.get("Retry-After", ""))
                error = _refusal(status)
                if not error and delivery.format is Format.TYPED_REQUEST:
                    error = _told_error(await answer.content.read(_ANSWER_BYTES))
        except TimeoutError:
            error = f"no answer within {SECONDS:.0f} seconds"
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            error = str(failure)[:500] or type(failure).__name__
        return Outcome(status, error, int((time.monotonic() - started) * 1000), wait)

    def _secrets(self, webhook: WebhookDocument) -> list[str]:
        sealed = [webhook.secret]
        if webhook.previous_secret_end is not None and webhook.previous_secret_end > now():
            sealed.append(webhook.previous_secret)
        return [self._envelope.open(one, SECRET.context(id=webhook.id)).decode() for one in sealed if one is not None]

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        found = ipaddress.ip_address(address[0].partition("%")[0])
        found = getattr(found, "ipv4_mapped", None) or found
        if any(found in network for network in self._denied):
            raise PermissionError(errno.EACCES, f"webhooks may not go to {found}")
        return socket.socket(family, kind, protocol)


def trusting(certificates: str) -> ssl.SSLContext:
    """A context that trusts these certificates (PEM) alone. Raises ValueError where they are none."""
    try:
        return ssl.create_default_context(cadata=certificates)
    except ssl.SSLError as error:
        raise ValueError("is not PEM with certificates") from error


def _trusted(certificates: str) -> ssl.SSLContext | bool:
    return trusting(certificates) if certificates else True


def _refusal(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"the receiver answers {status}: redirects are not followed, set the URL to where it leads"
    return f"the receiver answers {status}"


def _told_error(body: bytes) -> str:
    """Why a TypedRequest failed: its errors come with the status 200."""
    try:
        answer = orjson.loads(body)
        error = answer.get("error")
    except (ValueError, AttributeError):
        return "the receiver's answer is not TypedRequest's: does the URL end in /typedrequest?"
    if not error:
        return ""
    text = error.get("text") if isinstance(error, dict) else error
    return f"the receiver refuses it: {text}"[:500]


def _wait(told: str) -> int:
    """Retry-After in seconds (RFC 9110 §10.2.3); a date is not looked at."""
    return min(int(told), _LONGEST_WAIT) if told.isascii() and told.isdigit() and len(told) < 10 else 0
