"""The errors of the domain: raised anywhere, put on the wire in one place (rpc_server), read back in one (rpc_client).

    DomainError
    ├── InvalidArgument, InvalidPageToken           the request is wrong
    ├── CredentialsMissing, CredentialsInvalid,
    │   TokenExpired, TokenRevoked, PermissionDenied,
    │   SecondFactorMissing, SecondFactorNeeded     the caller is
    ├── NotFound, AlreadyExists, StaleEtag, Conflict,
    │   FailedPrecondition, CursorLost              the state does not allow it
    ├── RateLimited, TooLarge                       too much
    └── Unavailable, DeadlineExceeded, Cancelled,
        Unimplemented, NotSupported, Internal       we cannot

What each reason means, its gRPC code, HTTP status and advice stand once, in proto/cloudly/errors/v1/reason.proto.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import grpc
from cloudly.errors.v1 import reason_pb2
from cloudly.options.v1 import options_pb2
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

DOMAIN = "cloudly"


@dataclass(frozen=True)
class Violation:
    """One field that breaks a rule; `field` is its dotted path in the request, in proto names."""

    field: str
    description: str


@dataclass(frozen=True)
class ReasonInfo:
    """An entry of the catalogue."""

    name: str
    grpc_code: int
    http_status: int
    meaning: str
    action: str


@cache
def catalogue() -> Mapping[str, ReasonInfo]:
    """All reasons by name without prefix, such as `STALE_ETAG`."""
    entries = {}
    for value in reason_pb2.Reason.DESCRIPTOR.values:
        rules = value.GetOptions().Extensions[options_pb2.reason]
        if rules.http_status:
            name = value.name.removeprefix("REASON_")
            entries[name] = ReasonInfo(name, rules.grpc_code, rules.http_status, rules.meaning, rules.action)
    return entries


class DomainError(Exception):
    """Something that the caller should know, with a reason out of the catalogue."""

    reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str = "",
        *,
        violations: tuple[Violation, ...] = (),
        resource: tuple[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message or self.info.meaning
        self.violations = violations
        self.resource = resource
        self.metadata = dict(metadata or {})
        super().__init__(self.message)

    @property
    def info(self) -> ReasonInfo:
        """The catalogue's entry."""
        return catalogue()[self.reason]


class InvalidArgument(DomainError):
    """Fields of the request break rules; all of them are listed."""

    reason = "INVALID_ARGUMENT"

    @classmethod
    def of(cls, *violations: tuple[str, str] | Violation) -> "InvalidArgument":
        """`InvalidArgument.of(("cluster.name", "must start with a letter"))`."""
        listed = tuple(v if isinstance(v, Violation) else Violation(*v) for v in violations)
        return cls("; ".join(f"{v.field}: {v.description}" for v in listed), violations=listed)


class InvalidPageToken(DomainError):
    """The page token is damaged or belongs to another list."""

    reason = "INVALID_PAGE_TOKEN"


class CredentialsMissing(DomainError):
    """The call carries no credentials."""

    reason = "CREDENTIALS_MISSING"


class CredentialsInvalid(DomainError):
    """User name, password or token is wrong."""

    reason = "CREDENTIALS_INVALID"


class TokenExpired(DomainError):
    """The token's time is over."""

    reason = "TOKEN_EXPIRED"


class TokenRevoked(DomainError):
    """The session or identity was revoked."""

    reason = "TOKEN_REVOKED"


class PermissionDenied(DomainError):
    """The caller's roles do not grant `permission`."""

    reason = "PERMISSION_DENIED"

    def __init__(self, permission: str, message: str = "") -> None:
        super().__init__(message or f"this needs the permission {permission}", metadata={"permission": permission})


class SecondFactorMissing(DomainError):
    """The account has to enrol a second factor before it can do anything else."""

    reason = "SECOND_FACTOR_MISSING"


class SecondFactorNeeded(DomainError):
    """The account has a second factor, and this way of logging in cannot ask for it."""

    reason = "SECOND_FACTOR_NEEDED"


class NotFound(DomainError):
    """There is no resource of this kind with this id."""

    reason = "NOT_FOUND"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"there is no {kind} {name!r}", resource=(kind, name))


class AlreadyExists(DomainError):
    """The name is taken within its parent."""

    reason = "ALREADY_EXISTS"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"a {kind} named {name!r} exists already", resource=(kind, name))


class StaleEtag(DomainError):
    """The resource has changed since it was read; `current` is its etag now."""

    reason = "STALE_ETAG"

    def __init__(self, kind: str, name: str, current: str) -> None:
        super().__init__(
            f"the {kind} {name!r} has changed since it was read",
            resource=(kind, name),
            metadata={"current_etag": current},
        )


class Conflict(DomainError):
    """Other writers kept getting in between."""

    reason = "CONFLICT"


class FailedPrecondition(DomainError):
    """The state does not allow it; the message says what has to be so first."""

    reason = "FAILED_PRECONDITION"


class AgentConflict(DomainError):
    """Two living agents alternate on one identity."""

    reason = "AGENT_CONFLICT"


class CursorLost(DomainError):
    """The watch cannot be resumed; start it again without a cursor."""

    reason = "CURSOR_LOST"


class RateLimited(DomainError):
    """Too many attempts."""

    reason = "RATE_LIMITED"

    def __init__(self, retry_after_seconds: int, message: str = "") -> None:
        super().__init__(message, metadata={"retry_after_seconds": str(max(1, retry_after_seconds))})


class TooLarge(DomainError):
    """The request is larger than allowed."""

    reason = "TOO_LARGE"


class Unavailable(DomainError):
    """A part that is needed does not answer."""

    reason = "UNAVAILABLE"

    def __init__(self, part: str, message: str = "") -> None:
        super().__init__(message or f"{part} does not answer", metadata={"part": part})


class DeadlineExceeded(DomainError):
    """Not finished in its time."""

    reason = "DEADLINE_EXCEEDED"


class Cancelled(DomainError):
    """The caller went away."""

    reason = "CANCELLED"


class Unimplemented(DomainError):
    """There is no such method here."""

    reason = "UNIMPLEMENTED"


class NotSupported(DomainError):
    """Cloudly cannot do this with that; the message says with what it can."""

    reason = "NOT_SUPPORTED"


class Internal(DomainError):
    """The fault is ours."""

    reason = "INTERNAL"


def _by_reason() -> dict[str, type[DomainError]]:
    return {cls.reason: cls for cls in DomainError.__subclasses__()}


_BY_CODE = {
    grpc.StatusCode.UNAVAILABLE: "UNAVAILABLE",
    grpc.StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    grpc.StatusCode.CANCELLED: "CANCELLED",
    grpc.StatusCode.UNIMPLEMENTED: "UNIMPLEMENTED",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "TOO_LARGE",
}


def to_status(error: DomainError) -> status_pb2.Status:
    """The error as google.rpc.Status with ErrorInfo, BadRequest and ResourceInfo details."""
    details: list[any_pb2.Any] = []

    def add(
        detail: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.ResourceInfo,
    ) -> None:
        packed = any_pb2.Any()
        packed.Pack(detail)
        details.append(packed)

    add(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata))
    if error.violations:
        field_violation = error_details_pb2.BadRequest.FieldViolation
        add(
            error_details_pb2.BadRequest(
                field_violations=[field_violation(field=v.field, description=v.description) for v in error.violations]
            )
        )
    if error.resource:
        add(error_details_pb2.ResourceInfo(resource_type=error.resource[0], resource_name=error.resource[1]))
    return status_pb2.Status(code=error.info.grpc_code, message=error.message, details=details)


def from_status(status: status_pb2.Status, fallback: str = "INTERNAL") -> DomainError:
    """The error that `to_status` put on the wire."""
    reason = fallback
    metadata: dict[str, str] = {}
    violations: tuple[Violation, ...] = ()
    resource: tuple[str, str] | None = None
    for detail in status.details:
        info, bad, named = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.ResourceInfo(),
        )
        if detail.Unpack(info) and info.domain == DOMAIN:
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            violations = tuple(Violation(v.field, v.description) for v in bad.field_violations)
        elif detail.Unpack(named):
            resource = (named.resource_type, named.resource_name)
    cls = _by_reason().get(reason, Internal)
    error = cls.__new__(cls)
    DomainError.__init__(error, status.message, violations=violations, resource=resource, metadata=metadata)
    return error


def from_rpc_error(error: grpc.aio.AioRpcError) -> DomainError:
    """What another service raised, or what became of the call on its way."""
    status = rpc_status.from_call(error)  # type: ignore[no-untyped-call]
    if status is not None:
        return from_status(status)
    fallback = _BY_CODE.get(error.code(), "INTERNAL")
    message = error.details() or ""
    return from_status(status_pb2.Status(code=code_pb2.UNKNOWN, message=message), fallback)
