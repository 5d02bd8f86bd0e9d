"""An audit entry made of a call: who, what, on which resource. Never a secret, never more than fits."""

from __future__ import annotations

import re
from typing import Any

import orjson
from cloudly.auth.v1 import audit_pb2 as pb
from google.protobuf.message import Message
from google.rpc import code_pb2

from cloudly_kit import contract, masking
from cloudly_kit.audit.notes import Change, Notes
from cloudly_kit.errors import DomainError
from cloudly_kit.identity import Caller, Identity

REQUEST_BYTES = 2_048
TEXT_LENGTH = 256
"""Names, ids and addresses are cut to this: callers who are refused choose them."""
_SHORT_TEXT = 80
_SHORT_LIST = 10
_DENIED = (code_pb2.UNAUTHENTICATED, code_pb2.PERMISSION_DENIED)


def verb(method: contract.Method) -> str:
    """What an entry calls a method: `UserService.CreateUser`."""
    return f"{method.service.rsplit('.', 1)[1]}.{method.name}"


def actor_of(call: Caller | None) -> pb.AuditActor:
    """Who wants it."""
    if call is None or not call.actor.id:
        return pb.AuditActor()
    who = call.actor
    return actor(who, via=call.identity.name if call.on_behalf_of is not None else "")


def actor(who: Identity, via: str = "") -> pb.AuditActor:
    """An identity as an entry tells it."""
    return pb.AuditActor(
        id=cut(who.id),
        name=cut(who.name),
        type=who.type,
        roles=who.roles,
        cluster_id=who.cluster_id,
        session_id=who.session_id,
        via=via,
    )


def identity_in(response: Message | None) -> pb.AuditActor | None:
    """Who has just proved who they are: the identity that a login answers."""
    found: Any = getattr(response, "identity", None)
    if found is None or not getattr(found, "id", ""):
        return None
    kinds = {0: "", 1: "human", 2: "machine"}
    return pb.AuditActor(
        id=found.id,
        name=found.name,
        type=kinds.get(found.type, ""),
        roles=found.roles,
        cluster_id=found.cluster_id,
        session_id=found.session_id,
    )


def result_of(error: DomainError | None) -> pb.AuditResult.ValueType:
    """How it ended."""
    if error is None:
        return pb.AUDIT_RESULT_DONE
    return pb.AUDIT_RESULT_DENIED if error.info.grpc_code in _DENIED else pb.AUDIT_RESULT_FAILED


def resource_of(method: contract.Method, request: Any, response: Any, notes: Notes) -> pb.AuditResource:
    """The resource that a call is about: the one its route names, else the one it made, else the first it wrote, else what
    its handler says.
    """
    changes = notes.changes
    kind, id, name = _by_route(method, request)
    if not id and (made := method.rules.http.response_body) and response is not None:
        found: Any = getattr(response, made)
        kind, id, name = made, str(getattr(found, "id", "")), str(getattr(found, "name", ""))
    if not id and not name and changes:
        kind, id, name = changes[0].kind, changes[0].id, changes[0].name
    if not id and not name and any(notes.about[1:]):
        kind, id, name = notes.about
    if not name:
        name = next((change.name for change in changes if change.id == id), "")
    return pb.AuditResource(kind=kind.replace("_", " "), id=cut(id), name=cut(name))


def change(noted: Change) -> pb.AuditChange:
    """A note as a message."""
    resource = pb.AuditResource(kind=noted.kind, id=cut(noted.id), name=cut(noted.name))
    return pb.AuditChange(resource=resource, etag_before=noted.before, etag_after=noted.after)


def shown(request: Message) -> str:
    """The request as JSON: sensitive fields masked; what is too long is cut, and in the end left out field by field."""
    fields = masking.masked(request)
    for shorten in (_as_it_is, _shortened):
        text = orjson.dumps(shorten(fields), option=orjson.OPT_SORT_KEYS, default=str)
        if len(text) <= REQUEST_BYTES:
            return text.decode()
    return orjson.dumps({name[:_SHORT_TEXT]: "…" for name in sorted(fields)[:_SHORT_LIST]}).decode()


def cut(text: str) -> str:
    """A text of bounded length without control characters."""
    return re.sub(r"[\x00-\x1f\x7f]", " ", text[:TEXT_LENGTH])


def _by_route(method: contract.Method, request: Any) -> tuple[str, str, str]:
    rules = method.rules.http
    template = getattr(rules, rules.WhichOneof("pattern") or "get")
    paths = re.findall(r"\{([^}]*)\}", template)
    fields = request.DESCRIPTOR.fields_by_name
    if not paths:
        paths = [name for name in fields if name.endswith("_id") and name != "request_id"][:1]
    if paths:
        owner, _, last = paths[-1].rpartition(".")
        kind = owner or (last.removesuffix("_id"))
        inner: Any = getattr(request, owner) if owner else request
        named = getattr(inner, "name" if owner else f"{kind}_name", "")
        return kind, str(getattr(inner, last)), str(named)
    if "username" in fields:
        return "user", "", request.username
    body = rules.response_body
    named = getattr(getattr(request, body), "name", "") if body and body in fields else ""
    return (body if named else ""), "", str(named)


def _as_it_is(value: Any) -> Any:
    return value


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _SHORT_TEXT:
        return value[:_SHORT_TEXT] + "…"
    if isinstance(value, dict):
        return {key: _shortened(inner) for key, inner in list(value.items())[: 4 * _SHORT_LIST]}
    if isinstance(value, list):
        return [_shortened(inner) for inner in value[:_SHORT_LIST]]
    return value
