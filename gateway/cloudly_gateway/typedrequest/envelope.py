"""The TypedRequest envelope: one JSON object, the same in both directions and on both transports (wire format §1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from cloudly_kit.errors import DomainError
from cloudly_kit.validation import json_path

SECRETS = frozenset(
    {
        "identity",
        "jwt",
        "password",
        "token",
        "nodeToken",
        "secretAccessKey",
        "secret",
        "authInfo",
        "refreshToken",
        "updates",
    }
)
"""Arguments that are never written back, wherever they stand in a request."""

Json = Mapping[str, Any]


class Malformed(ValueError):
    """Not an envelope."""


@dataclass(frozen=True)
class Envelope:
    """A request as it came."""

    method: str
    request: Any
    correlation_id: str | None
    """Opaque; None where the envelope has no correlation."""
    phase: str

    @classmethod
    def read(cls, text: bytes | str) -> "Envelope":
        """An envelope out of JSON.

        Raises:
            Malformed: it is not JSON, or not an object with a method.
        """
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise Malformed(str(error)) from error
        if not isinstance(value, dict) or not isinstance(value.get("method"), str):
            raise Malformed("no object with a method")
        correlation = value.get("correlation")
        if not isinstance(correlation, dict) or not isinstance(correlation.get("id"), str):
            return cls(value["method"], value.get("request"), None, "request")
        return cls(value["method"], value.get("request"), correlation["id"], str(correlation.get("phase", "request")))

    def answer(self, response: Json) -> bytes:
        """The envelope of a success; an empty response is `{}`, never null."""
        return self._write({"response": response})

    def failure(self, text: str, data: Json) -> bytes:
        """The envelope of an error."""
        return self._write({"response": None, "error": {"text": text, "data": data}})

    def refusal(self, error: DomainError) -> bytes:
        """The envelope of a domain error."""
        data: dict[str, Any] = {"reason": error.reason, "action": error.info.action}
        if error.violations:
            data["violations"] = [{"field": json_path(v.field), "description": v.description} for v in error.violations]
        return self.failure(error.message, data)

    def _write(self, outcome: Json) -> bytes:
        document: dict[str, Any] = {"method": self.method, "request": _without_secrets(self.request), **outcome}
        if self.correlation_id is not None:
            document["correlation"] = {"id": self.correlation_id, "phase": "response"}
        document["localData"] = None
        return orjson.dumps(document)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(item) for key, item in value.items() if key not in SECRETS}
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return value
