"""An HTTP server on a loopback port, in threads of its own: blocking tests and other processes can call it too.

A fake of a provider inherits from it and answers requests. Whatever the fake is, the next answers can be disturbed:
`fake.upcoming.append(Reply(503))`, or `CUT`, or `SILENCE`.
"""

import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Any
    """The JSON in it; the bytes where it is something else; None where there is none."""

    @property
    def bearer(self) -> str:
        """The token that it shows; empty without one."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""


@dataclass(frozen=True)
class Reply:
    """An answer; a text goes as it is, everything else as JSON."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


CUT = Reply(0)
"""The connection ends in the middle of the answer."""
SILENCE = Reply(-1)
"""No answer comes as long as the server runs."""


class FakeServer:
    """A context manager that serves; `asked` holds what was asked, the newest last."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.upcoming: deque[Reply] = deque()
        """Answers in place of the next ones."""
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply(self, asked: Asked) -> Reply:
        """The answer to a request; called by one thread at a time."""
        raise NotImplementedError

    def answer(self, asked: Asked) -> Reply | None:
        """What is to be sent; None once the server has stopped while it was silent."""
        with self._lock:
            self.asked.append(asked)
            reply = self.upcoming.popleft() if self.upcoming else self.reply(asked)
        if reply is SILENCE:
            self._stopped.wait()
            return None
        return reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no news; what the test sees tells of all other faults."""


def _body(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content


def _handler(fake: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            self._send(fake.answer(self._asked()))

        def _asked(self) -> Asked:
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            return Asked(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query)),
                {name.lower(): value for name, value in self.headers.items()},
                _body(content),
            )

        def _send(self, reply: Reply | None) -> None:
            if reply is None or reply is CUT:
                self.close_connection = True
                if reply is CUT:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
                return
            text = isinstance(reply.body, str)
            content = reply.body.encode() if text else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            headers = {"content-type": "text/html" if text else "application/json", **reply.headers}
            for name, value in {**headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing on the terminal."""

    return Handler
