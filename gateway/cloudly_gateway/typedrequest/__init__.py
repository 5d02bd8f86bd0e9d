"""The legacy API: TypedRequest envelopes over HTTP and WebSocket, translated record by record."""

from cloudly_gateway.typedrequest.surface import TypedRequest

__all__ = ["TypedRequest"]
