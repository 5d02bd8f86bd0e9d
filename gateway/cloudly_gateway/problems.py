"""Errors as HTTP answers: problem details (RFC 9457), and the pages that their types lead to."""

import html
from collections.abc import Mapping
from typing import Any

import orjson
from cloudly_kit.errors import DomainError, NotFound, catalogue
from cloudly_kit.validation import json_path
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_UNAVAILABLE = "1"


class HttpProblem(Exception):
    """A domain error that HTTP tells with another status than the catalogue's, or with headers of its own."""

    def __init__(self, error: DomainError, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.status = status
        self.headers = dict(headers or {})


def problem_response(raised: DomainError | HttpProblem, request_id: str) -> Response:
    """The answer to a request that failed."""
    error = raised.error if isinstance(raised, HttpProblem) else raised
    status = raised.status if isinstance(raised, HttpProblem) else error.info.http_status
    headers = raised.headers if isinstance(raised, HttpProblem) else {}
    if status == 401:
        challenge = 'Bearer realm="cloudly"'
        if error.reason.startswith("TOKEN_"):
            challenge += ', error="invalid_token"'
        headers = {**headers, "www-authenticate": challenge}
    if status in {429, 503}:
        headers = {**headers, "retry-after": error.metadata.get("retry_after_seconds", _RETRY_AFTER_UNAVAILABLE)}
    body = orjson.dumps(problem(error, status, request_id))
    return Response(body, status, {"cache-control": "no-store", **headers}, MEDIA_TYPE)


def problem(error: DomainError, status: int, request_id: str) -> dict[str, Any]:
    """The members of the problem document."""
    document: dict[str, Any] = {
        "type": f"/problems/{slug(error.reason)}",
        "title": title(error.reason),
        "status": status,
        "detail": error.message,
        "reason": error.reason,
        "requestId": request_id,
        "action": error.info.action,
    }
    if error.violations:
        document["violations"] = [
            {"field": json_path(violation.field), "description": violation.description}
            for violation in error.violations
        ]
    if error.resource:
        document["resource"] = {"type": error.resource[0], "name": error.resource[1]}
    if error.metadata:
        document["metadata"] = {json_path(key): value for key, value in error.metadata.items()}
    return document


def slug(reason: str) -> str:
    """`STALE_ETAG` -> `stale-etag`."""
    return reason.lower().replace("_", "-")


def title(reason: str) -> str:
    """`STALE_ETAG` -> `Stale etag`."""
    return reason.replace("_", " ").capitalize()


async def problem_page(request: Request) -> Response:
    """What a problem type means: JSON for programs, a small page for people."""
    reason = request.path_params["reason"].upper().replace("-", "_")
    info = catalogue().get(reason)
    if info is None:
        raise NotFound("problem type", request.path_params["reason"])
    if "text/html" not in request.headers.get("accept", ""):
        members = {
            "type": f"/problems/{slug(reason)}",
            "title": title(reason),
            "reason": reason,
            "status": info.http_status,
            "meaning": info.meaning,
            "action": info.action,
        }
        return Response(orjson.dumps(members), media_type="application/json")
    name, meaning, action = (html.escape(text) for text in (title(reason), info.meaning, info.action))
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{name}</title>"
        f"<h1>{name}</h1><p>{meaning}</p><p><strong>What to do:</strong> {action}</p>"
        f"<p>HTTP status {info.http_status}, reason <code>{reason}</code>.</p></html>"
    )
