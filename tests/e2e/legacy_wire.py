"""The wire of legacy clients: TypedRequest envelopes over HTTP or a WebSocket."""

import secrets
from typing import Any, Protocol

import aiohttp


class Wire(Protocol):
    """Either of them."""

    async def send(self, envelope: dict[str, Any]) -> dict[str, Any]:
        """The answer to an envelope."""
        ...


class OverHttp:
    """One envelope, one POST."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def send(self, envelope: dict[str, Any]) -> dict[str, Any]:
        """The answer to an envelope."""
        async with self._http.post(f"{self._url}/typedrequest", json=envelope) as answer:
            assert answer.status == 200
            told: dict[str, Any] = await answer.json()
            return told


class OverSocket:
    """Envelopes as frames; one exchange after the other."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, envelope: dict[str, Any]) -> dict[str, Any]:
        """The answer to an envelope."""
        await self._socket.send_json(envelope)
        told: dict[str, Any] = await self._socket.receive_json(timeout=60)
        return told


async def fire(wire: Wire, method: str, request: dict[str, Any]) -> dict[str, Any]:
    """The whole answer to a request."""
    correlation = {"id": f"uni_{secrets.token_hex(12)}", "phase": "request"}
    return await wire.send({"method": method, "request": request, "response": None, "correlation": correlation})
