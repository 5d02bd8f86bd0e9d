"""A stand-in for the Hetzner Cloud API (docs.hetzner.cloud): one project, its tokens, its servers, its rate limit."""

import itertools
import time
from typing import Any

from cloudly_providers.testing.server import Asked, FakeServer, Reply

_KEY_FIELDS = ("name", "public_key")


class HetznerFake(FakeServer):
    """`tokens` says what each may: `read`, or `write` too. Requests are counted against `left`."""

    def __init__(self, limit: int = 3600) -> None:
        super().__init__()
        self.tokens = {"hetzner-token-write": "write", "hetzner-token-read": "read"}
        self.servers: dict[int, dict[str, Any]] = {}
        self.limit = self.left = limit
        self._ids = itertools.count(1)

    @property
    def api(self) -> str:
        """The URL of the API."""
        return f"{self.url}/v1"

    def add_server(self, name: str, **labels: str) -> int:
        """A server that runs; its id."""
        id = next(self._ids)
        self.servers[id] = {"id": id, "name": name, "status": "running", "labels": labels}
        return id

    def reply(self, asked: Asked) -> Reply:
        """Answer as the API does."""
        headers = {
            "ratelimit-limit": str(self.limit),
            "ratelimit-remaining": str(max(0, self.left - 1)),
            "ratelimit-reset": str(int(time.time()) + 30),
            "x-correlation-id": f"correlation-{len(self.asked)}",
        }
        if self.left <= 0:
            return _error(429, "rate_limit_exceeded", "limit of requests per hour reached", headers)
        self.left -= 1
        may = self.tokens.get(asked.bearer)
        if may is None:
            return _error(401, "unauthorized", "unable to authenticate", headers)
        if asked.method != "GET" and may != "write":
            return _error(403, "token_readonly", "the token is only allowed to perform GET requests", headers)
        routes = {("GET", "/v1/servers"): self._list_servers, ("POST", "/v1/ssh_keys"): self._create_key}
        route = routes.get((asked.method, asked.path))
        if route is None:
            return _error(404, "not_found", "the requested resource was not found", headers)
        status, body = route(asked)
        return Reply(status, body, headers)

    def _list_servers(self, asked: Asked) -> tuple[int, Any]:
        key, _, value = asked.query.get("label_selector", "").partition("==")
        chosen = [server for server in self.servers.values() if not key or server["labels"].get(key) == value]
        page, size = int(asked.query.get("page", 1)), min(int(asked.query.get("per_page", 25)), 50)
        last = max(1, -(-len(chosen) // size))
        pagination = {
            "page": page, "per_page": size, "previous_page": page - 1 or None,
            "next_page": page + 1 if page < last else None, "last_page": last, "total_entries": len(chosen),
        }  # fmt: skip
        return 200, {"servers": chosen[(page - 1) * size : page * size], "meta": {"pagination": pagination}}

    def _create_key(self, asked: Asked) -> tuple[int, Any]:
        missing = [name for name in _KEY_FIELDS if not (asked.body or {}).get(name)]
        if missing:
            fields = [{"name": name, "messages": ["Missing data for required field."]} for name in missing]
            message = f"invalid input in fields {', '.join(missing)}"
            return 422, {"error": {"code": "invalid_input", "message": message, "details": {"fields": fields}}}
        return 201, {"ssh_key": {"id": next(self._ids), **asked.body}}


def _error(status: int, code: str, message: str, headers: dict[str, str]) -> Reply:
    return Reply(status, {"error": {"code": code, "message": message, "details": {}}}, headers)
