"""The writes of /v2 in the audit log: who pushed or deleted what, from where, and how it ended."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
from aiohttp import web
from cloudly.auth.v1 import audit_pb2 as pb
from cloudly_kit.audit.calls import audited, denied
from cloudly_kit.audit.entries import cut

from cloudly_registry.errors import Denied, OciError
from cloudly_registry.http.access import bearer, check, repository
from cloudly_registry.http.remote import remote_address
from cloudly_registry.http.routes import Call
from cloudly_registry.references import is_digest
from cloudly_registry.tokens import Access

_SECONDS = 600.0
"""A manifest on a slow line."""
_TAGS_TOLD = 20

Write = Callable[[Call, Access], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Audited:
    """An end point whose calls are entries of the audit log, as `registry.<method>`.

    It checks the rights, so that the entry is begun before the work and only for who may do it. Who may not is told too,
    but not who has no token, or one for something else: the challenge that answers them is the protocol's way to ask for a
    token, and `AuthService.VerifyCredentials` is audited.
    """

    method: str
    kind: str
    actions: tuple[str, ...]
    work: Write

    async def __call__(self, call: Call) -> web.StreamResponse:
        """Do it, and tell of it."""
        needed = repository(call.name, *self.actions)
        access = bearer(call.request, call.parts, needed)
        entry = self._entry(call, access)
        try:
            check(call.parts, access, needed)
        except Denied as error:
            await denied(call.parts.journal, entry, error.code)
            raise
        async with audited(call.parts.journal, entry, seconds=_SECONDS) as entry:
            try:
                answer = await self.work(call, access)
            except OciError as error:
                entry.reason = error.code
                raise
            entry.resource.id = answer.headers.get("Docker-Content-Digest", entry.resource.id)
        return answer

    def _entry(self, call: Call, access: Access) -> pb.AuditEntry:
        request, reference = call.request, cut(call.reference)
        by_digest = is_digest(call.reference)
        kind = "tag" if self.kind == "manifest" and request.method == "DELETE" and not by_digest else self.kind
        asked: dict[str, object] = {"reference": reference}
        if tags := request.query.getall("tag", []):
            asked["tags"] = [cut(tag) for tag in tags[:_TAGS_TOLD]]
        return pb.AuditEntry(
            method=f"registry.{self.method}",
            actor=pb.AuditActor(
                id=cut(access.subject),
                name=cut(access.name),
                type=access.type,
                roles=access.roles,
                session_id=access.session_id,
            ),
            resource=pb.AuditResource(
                kind=kind,
                id=reference if by_digest else "",
                name=cut(f"{call.name}{'@' if by_digest else ':'}{call.reference}"),
            ),
            remote_address=cut(remote_address(request, call.parts)),
            user_agent=cut(request.headers.get("User-Agent", "")),
            request=orjson.dumps(asked).decode(),
        )
