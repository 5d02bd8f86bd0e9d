"""A stand-in for the Cloudflare API v4 (developers.cloudflare.com/api): tokens, zones, DNS records."""

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from cloudly_providers.testing.server import Asked, FakeServer, Reply

_PAGE_MAX = 50
_RECORD_FIELDS = ("type", "name", "content")


@dataclass
class Token:
    """An API token: of a user or of an account, active or not, with permissions for all zones."""

    may: frozenset[str] = frozenset({"zone:read", "dns:read", "dns:edit"})
    status: str = "active"
    of_account: bool = False
    """Then /user/tokens/verify does not know it."""


@dataclass
class _Zone:
    name: str
    records: dict[str, dict[str, Any]] = field(default_factory=dict)


class CloudflareFake(FakeServer):
    """`tokens` by their text; `add_zone` makes a domain."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = {"cloudflare-token-edit": Token()}
        self.zones: dict[str, _Zone] = {}

    @property
    def api(self) -> str:
        """The URL of the API."""
        return f"{self.url}/client/v4"

    def add_zone(self, name: str) -> str:
        """A zone without records; its id."""
        id = uuid.uuid4().hex
        self.zones[id] = _Zone(name)
        return id

    def reply(self, asked: Asked) -> Reply:
        """Answer as the API does."""
        if not re.fullmatch(r"[A-Za-z0-9_-]+", asked.bearer):
            return self._refusal(400, 6003, "Invalid request headers")
        token = self.tokens.get(asked.bearer)
        path = asked.path.removeprefix("/client/v4")
        if path == "/user/tokens/verify":
            return self._verify(token)
        if token is None:
            return self._refusal(403, 9109, "Invalid access token")
        if token.status != "active":
            return self._refusal(403, 9109, "Cannot use the access token from this location or after its end")
        if path == "/zones" and asked.method == "GET":
            return self._list_zones(asked, token)
        match = re.fullmatch(r"/zones/([0-9a-f]{32})/dns_records", path)
        if match and match[1] in self.zones and asked.method in ("GET", "POST"):
            answer = self._list_records if asked.method == "GET" else self._create_record
            return answer(asked, token, self.zones[match[1]])
        return self._refusal(404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?")

    def _verify(self, token: Token | None) -> Reply:
        if token is None or token.of_account:
            return self._refusal(401, 1000, "Invalid API Token")
        return self._success({"id": uuid.uuid4().hex, "status": token.status})

    def _list_zones(self, asked: Asked, token: Token) -> Reply:
        if "zone:read" not in token.may:
            return self._refusal(403, 9109, "Unauthorized to access requested resource")
        name = asked.query.get("name")
        zones = [{"id": id, "name": zone.name, "status": "active"} for id, zone in self.zones.items()]
        return self._page(asked, [zone for zone in zones if not name or zone["name"] == name])

    def _list_records(self, asked: Asked, token: Token, zone: _Zone) -> Reply:
        if not {"dns:read", "dns:edit"} & token.may:
            return self._refusal(403, 10000, "Authentication error")
        return self._page(asked, list(zone.records.values()))

    def _create_record(self, asked: Asked, token: Token, zone: _Zone) -> Reply:
        if "dns:edit" not in token.may:
            return self._refusal(403, 10000, "Authentication error")
        if any(not (asked.body or {}).get(name) for name in _RECORD_FIELDS):
            return self._refusal(400, 9000, "DNS name is invalid.")
        record = {"id": uuid.uuid4().hex, **asked.body}
        zone.records[record["id"]] = record
        return self._success(record)

    def _page(self, asked: Asked, items: list[Any]) -> Reply:
        page, size = int(asked.query.get("page", 1)), min(int(asked.query.get("per_page", 20)), _PAGE_MAX)
        part = items[(page - 1) * size : page * size]
        told = {
            "page": page, "per_page": size, "count": len(part), "total_count": len(items),
            "total_pages": -(-len(items) // size),
        }  # fmt: skip
        return self._success(part, result_info=told)

    def _success(self, result: Any, **more: Any) -> Reply:
        return self._reply(200, {"success": True, "errors": [], "messages": [], "result": result, **more})

    def _refusal(self, status: int, code: int, message: str) -> Reply:
        errors = [{"code": code, "message": message}]
        return self._reply(status, {"success": False, "errors": errors, "messages": [], "result": None})

    def _reply(self, status: int, body: Any) -> Reply:
        return Reply(status, body, {"cf-ray": f"ray-{len(self.asked)}"})
