"""How often a server answers the same small request, from a client that costs little: epoll and raw sockets."""

import select
import socket
import time
from collections import defaultdict
from collections.abc import Sequence

from cloudly_registry.manifest_format import OCI_MANIFEST

CONNECTIONS = 32
MANIFEST_SECONDS = 1.5


def answers_a_second(port: int, head: dict[str, str], method: str, paths: Sequence[str]) -> float:
    """Answers a second over CONNECTIONS keep-alive connections, each with one request under way; paths go round them."""
    lines = [
        "Host: bench",
        f"Accept: {OCI_MANIFEST}",
        *(f"{name}: {value}" for name, value in head.items()),
    ]
    tail = "\r\n".join(lines) + "\r\n\r\n"
    sockets, requests = {}, {}
    poll = select.epoll()
    for index in range(CONNECTIONS):
        request = f"{method} {paths[index % len(paths)]} HTTP/1.1\r\n{tail}".encode()
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(request)
        sockets[connection.fileno()] = connection
        requests[connection.fileno()] = request
        poll.register(connection, select.EPOLLIN)
    pending: dict[int, bytes] = defaultdict(bytes)
    answered, deadline, began = 0, time.perf_counter() + MANIFEST_SECONDS, time.perf_counter()
    while time.perf_counter() < deadline:
        for number, _ in poll.poll(1):
            pending[number] += sockets[number].recv(65536)
            top, found, rest = pending[number].partition(b"\r\n\r\n")
            if not found or len(rest) < (_length(top) if method == "GET" else 0):
                continue
            if not top.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(top.decode())
            pending[number] = b""
            answered += 1
            sockets[number].send(requests[number])
    rate = answered / (time.perf_counter() - began)
    for connection in sockets.values():
        connection.close()
    return rate


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.index(b"content-length:") + 15
    return int(lowered[at:].split(b"\r\n", 1)[0])
