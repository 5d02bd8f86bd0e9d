"""Is it healthy? Small probes of the protocols that the suite's processes speak, without their heavy clients: the
supervisor must stay small, and must not import gRPC.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Probe = Callable[[], Awaitable[bool]]
"""True when healthy; False, OSError or EOFError when not (yet)."""

PROBE_SECONDS = 5.0


async def healthy(probe: Probe, seconds: float = PROBE_SECONDS) -> bool:
    """The probe's answer; False when it cannot be had in time."""
    try:
        async with asyncio.timeout(seconds):
            return await probe()
    except (OSError, EOFError, ValueError):
        # TimeoutError is an OSError; IncompleteReadError an EOFError.
        return False


def http(port: int, path: str) -> Probe:
    """Healthy when a GET is answered with 2xx (RFC 9112)."""

    async def probe() -> bool:
        async with _connected(f"127.0.0.1:{port}") as (reader, writer):
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            status = await reader.readline()
            return status.startswith(b"HTTP/1.1 2")

    return probe


async def post(port: int, path: str, body: bytes) -> int:
    """The HTTP status of a JSON request to a loopback port.

    Raises:
        OSError: it cannot be reached.
        ValueError: it does not speak HTTP.
    """
    async with _connected(f"127.0.0.1:{port}") as (reader, writer):
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
        writer.write(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return int((await reader.readline()).split(b" ")[1])


def redis(port: int, password: str) -> Probe:
    """Healthy when PING is answered; while it still loads its data it is not."""

    async def probe() -> bool:
        async with _connected(f"127.0.0.1:{port}") as (reader, writer):
            writer.write(f"AUTH {password}\r\nPING\r\n".encode())
            return await reader.readline() == b"+OK\r\n" and await reader.readline() == b"+PONG\r\n"

    return probe


def listening(address: str) -> Probe:
    """Healthy when `host:port` accepts a connection; all that can be said of a server that is not ours."""

    async def probe() -> bool:
        async with _connected(address):
            return True

    return probe


def listening_at(url: str, default_port: int) -> Probe:
    """As `listening`, for the first host of a server's URL; a URL that names none (`mongodb+srv`) counts as healthy."""
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2].partition(",")[0]
    if scheme.endswith("+srv") or not host:
        return _always
    has_port = ":" in host.rpartition("]")[2]
    return listening(host if has_port else f"{host}:{default_port}")


async def _always() -> bool:
    return True


def grpc(address: str) -> Probe:
    """Healthy when grpc.health.v1.Health/Check of the whole server says SERVING, at `unix:/path` or `host:port`."""

    async def probe() -> bool:
        async with _connected(address) as (reader, writer):
            writer.write(_HEALTH_CALL)
            while True:
                head = await reader.readexactly(9)
                length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
                payload = await reader.readexactly(length)
                if kind == _DATA and length:
                    return payload == _SERVING
                if kind == _GOAWAY or (kind == _HEADERS and flags & _END_STREAM):
                    return False

    return probe


# HTTP/2 by hand (RFC 9113 for the frames, RFC 7541 for the header block, which uses neither tables nor Huffman coding).
_DATA, _HEADERS, _SETTINGS, _GOAWAY = 0, 1, 4, 7
_END_STREAM, _END_HEADERS = 1, 4


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: str, value: str) -> bytes:
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def _message(body: bytes) -> bytes:
    """A gRPC length-prefixed message, not compressed."""
    return b"\0" + len(body).to_bytes(4, "big") + body


_SERVING = _message(b"\x08\x01")
"""HealthCheckResponse{status: SERVING}."""
_HEALTH_CALL = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"".join(
    [
        _frame(_SETTINGS, 0, 0, b""),
        _frame(
            _HEADERS,
            _END_HEADERS,
            1,
            _literal(":method", "POST")
            + _literal(":scheme", "http")
            + _literal(":path", "/grpc.health.v1.Health/Check")
            + _literal(":authority", "localhost")
            + _literal("content-type", "application/grpc")
            + _literal("te", "trailers"),
        ),
        _frame(_DATA, _END_STREAM, 1, _message(b"")),
    ]
)


@asynccontextmanager
async def _connected(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    if address.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        yield reader, writer
    finally:
        writer.close()
