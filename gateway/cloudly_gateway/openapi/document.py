"""The OpenAPI document (3.1.1) of all routes of the contract."""

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import cloudly
import orjson
from starlette.requests import Request
from starlette.responses import Response

from cloudly_gateway.openapi.schemas import Schema, Schemas

ABOUT = (
    "Desired state and its progress over HTTP. JSON is lowerCamelCase; times are RFC 3339; 64-bit numbers are texts. "
    "Log in at `/api/v1/auth/login` and send the access token as a Bearer token. Lists are paged with `pageSize` and "
    "`pageToken`. Paths ending in `:watch` are Server-Sent Events: a snapshot, a bookmark, then changes; reconnect with "
    "`Last-Event-ID`. Errors are problem details (RFC 9457)."
)
_VARIABLE = re.compile(r"\{([a-z0-9_.]+)\}")
_BODY_VERBS = frozenset({"POST", "PUT", "PATCH"})
_HEADER_OF = {"request_id": "Idempotency-Key", "cursor": "Last-Event-ID", "etag": "If-Match"}


class Document:
    """Answers with the document, made once."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._made: tuple[bytes, str] | None = None

    async def __call__(self, request: Request) -> Response:
        """The document as JSON."""
        if self._made is None:
            body = orjson.dumps(document(self._origin))
            self._made = body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        body, etag = self._made
        headers = {"etag": etag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")


@cache
def contract() -> Mapping[str, Any]:
    """The contract as `make proto` wrote it down, comments included.

    Raises:
        FileNotFoundError: it was never generated.
    """
    for root in map(Path, cloudly.__path__):
        if (root / "contract.json").is_file():
            read: Mapping[str, Any] = orjson.loads((root / "contract.json").read_bytes())
            return read
    raise FileNotFoundError("contract.json: run `make proto`")


def document(origin: str) -> dict[str, Any]:
    """The document."""
    schemas = Schemas(contract())
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, str] = {}
    for method in contract()["methods"]:
        if "http" not in method:
            continue
        tags.setdefault(_tag(method), method["serviceComment"])
        operation = _operation(schemas, method)
        paths.setdefault(_path(method["http"]["path"]), {})[method["http"]["method"].lower()] = operation
    return {
        "openapi": "3.1.1",
        "info": {"title": "Cloudly", "version": "v1", "description": ABOUT},
        "servers": [{"url": origin}],
        "tags": [{"name": name, "description": text} for name, text in sorted(tags.items())],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**dict(sorted(schemas.components.items())), "Problem": _PROBLEM},
            "responses": {"Problem": _response("Refused or failed.", "application/problem+json", _ref("Problem"))},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(schemas: Schemas, method: Mapping[str, Any]) -> dict[str, Any]:
    http = method["http"]
    operation: dict[str, Any] = {
        "operationId": method["name"],
        "tags": [_tag(method)],
        "summary": _words(method["name"]),
        "description": " ".join(part for part in (method["comment"], _access(method["access"])) if part),
        "parameters": _parameters(schemas, method),
        "security": [] if method["access"] == "public" else [{"bearer": []}],
        "responses": {
            str(http["status"]): _success(schemas, method),
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if http["method"] in _BODY_VERBS:
        name = method["request"]
        if http["octets"]:
            content: dict[str, Any] = {"application/octet-stream": {"schema": {}}}
            operation["requestBody"] = {"required": True, "content": content}
            return operation
        if http["body"]:
            name = schemas.fields(name)[http["body"]]["type"]
        in_path = () if http["body"] else _VARIABLE.findall(http["path"])
        schema = schemas.message(name, patch=http["method"] == "PATCH", elsewhere=in_path)
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _parameters(schemas: Schemas, method: Mapping[str, Any]) -> list[dict[str, Any]]:
    http, fields = method["http"], schemas.fields(method["request"])
    parameters, taken = [], {http["body"], http["octets"]}
    for variable in _VARIABLE.findall(http["path"]):
        first, _, rest = variable.partition(".")
        field = schemas.fields(fields[first]["type"])[rest] if rest else fields[first]
        schema = {**schemas.field(field), "minLength": 1}
        schema.pop("readOnly", None)
        parameters.append({"name": _camel(variable), "in": "path", "required": True, "schema": schema})
        taken.add(first)
    whole_body = http["method"] in _BODY_VERBS and not http["body"] and not http["octets"]
    for name, field in fields.items():
        if name in taken or whole_body or name == "request_id":
            continue
        schema = schemas.field(field)
        described = {"description": schema.pop("description")} if "description" in schema else {}
        parameters.append({"name": field["json"], "in": "query", **described, "schema": schema})
    known = set(fields)
    names_one = "{" in http["path"] or http["method"] == "PATCH"
    if (
        http["method"] != "GET"
        and names_one
        and http["body"]
        and "etag" in schemas.fields(fields[http["body"]]["type"])
    ):
        known.add("etag")
    for name, header in _HEADER_OF.items():
        if name in known and not (name == "etag" and http["method"] == "GET"):
            longest = fields[name].get("max_length", 64) if name in fields else 64
            text = {"type": "string", "maxLength": longest}
            parameters.append({"name": header, "in": "header", "description": f"Fills `{name}`.", "schema": text})
    return parameters


def _success(schemas: Schemas, method: Mapping[str, Any]) -> dict[str, Any]:
    http, name = method["http"], method["response"]
    if method["streams"] and http["octets"]:
        return _response("Bytes as they are, up to the end.", "application/octet-stream", {})
    if method["streams"] and http["responseBody"]:
        return _response("Lines of JSON, up to the end.", "application/x-ndjson", {"type": "string"})
    if method["streams"]:
        told = (
            "Events `snapshot`, `bookmark`, `changed`, `deleted` or `message`; then `end`, or `error` with a problem."
        )
        answer = _response(told, "text/event-stream", {"type": "string"})
        answer["content"]["text/event-stream"]["x-event-data"] = schemas.message(name)
        return answer
    if http["responseBody"]:
        name = schemas.fields(name)[http["responseBody"]]["type"]
    answer = _response("Done.", "application/json", schemas.message(name))
    if http["status"] == 201:
        answer["headers"] = {"Location": {"schema": {"type": "string"}, "description": "Where it is."}}
    return answer


def _response(description: str, media_type: str, schema: Schema) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _path(template: str) -> str:
    # `{cluster.id}` and `{cluster_id}` are one and the same place in the address.
    return _VARIABLE.sub(lambda found: "{" + _camel(found[1]) + "}", template)


def _camel(name: str) -> str:
    head, *rest = name.replace(".", "_").split("_")
    return head + "".join(word.capitalize() for word in rest)


def _tag(method: Mapping[str, Any]) -> str:
    return _words(method["service"].rpartition(".")[2].removesuffix("Service"))


def _words(name: str) -> str:
    words = re.findall(r"[A-Z][a-z0-9]*|[a-z0-9]+", name)
    return " ".join([words[0], *(word.lower() for word in words[1:])])


def _access(access: str | None) -> str:
    if access in {"public", "services", None}:
        return ""
    return "Needs a login." if access == "authenticated" else f"Needs the permission `{access}`."


_PROBLEM: Schema = {
    "type": "object",
    "description": "Why a request failed and what to do (RFC 9457).",
    "required": ["type", "title", "status", "detail", "reason", "requestId", "action"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "Leads to an explanation."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string", "description": "Stable; what programs should go by."},
        "requestId": {"type": "string"},
        "action": {"type": "string", "description": "What the caller can do."},
        "violations": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "description"],
                "properties": {"field": {"type": "string"}, "description": {"type": "string"}},
            },
        },
        "resource": {"type": "object", "properties": {"type": {"type": "string"}, "name": {"type": "string"}}},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
