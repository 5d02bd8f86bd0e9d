"""Auth's jobs: thin; they load, call the domain, and record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cloudly_kit.jobs import Run, Task, task
from cloudly_kit.sealed_values import PERMISSION, SealedValues, rewrap_task
from cloudly_kit.store import now

from cloudly_auth.audit_log import AuditLog
from cloudly_auth.master_keys import DROP, ROTATE, MasterKeyRotation
from cloudly_auth.signing_keys import KeyRing


@dataclass(frozen=True)
class Parts:
    """What the tasks work with."""

    keys: KeyRing
    audit: AuditLog
    audit_days: int
    sealed: SealedValues
    master_keys: MasterKeyRotation


@task(
    "rotate-signing-key",
    timeout_seconds=300,
    description="Has the next key sign tokens and makes another one; the old one verifies until its last token ends.",
    category="security",
    schedule="17 3 1 * *",
    permission=PERMISSION,
)
async def rotate_signing_key(run: Run, parts: Parts) -> dict[str, str]:
    """One rotation, whatever the number of attempts it takes."""
    if "begun" not in run.checkpointed:
        # As coarse as what it is compared with: times are kept in milliseconds.
        await run.checkpoint({"begun": now().isoformat()})
    active = await parts.keys.rotate(unless_since=datetime.fromisoformat(run.checkpointed["begun"]))
    return {"active_kid": active}


@task(
    "expire-audit-log",
    timeout_seconds=1_800,
    description="Drops the days of the audit log that are older than it is kept; the chain stays verifiable.",
    category="security",
    schedule="41 2 * * *",
)
async def expire_audit_log(run: Run, parts: Parts) -> dict[str, int]:
    """Drop whole days; what is repeated finds nothing to do."""
    del run
    first = (datetime.now(UTC) - timedelta(days=parts.audit_days)).date()
    return {"dropped": await parts.audit.drop_before(first)}


@task(
    ROTATE,
    timeout_seconds=6 * 3600,
    description="Makes a new master key (or takes the first one given) and seals all services' secrets anew with it.",
    category="security",
    permission=PERMISSION,
)
async def rotate_master_key(run: Run, parts: Parts) -> Mapping[str, Any]:
    """One rotation, whatever the number of attempts it takes."""
    return await parts.master_keys.rotate(run)


@task(
    DROP,
    timeout_seconds=300,
    description="Forgets the earlier master keys, once nothing is sealed with them.",
    category="security",
    permission=PERMISSION,
)
async def drop_previous_master_keys(run: Run, parts: Parts) -> Mapping[str, Any]:
    """Once, whatever the number of attempts it takes."""
    return await parts.master_keys.drop(run)


def _sealed(parts: Parts) -> SealedValues:
    return parts.sealed


TASKS: Sequence[Task[Parts]] = (
    rotate_signing_key,
    expire_audit_log,
    rotate_master_key,
    drop_previous_master_keys,
    rewrap_task("auth", _sealed),
)
"""Sessions, credentials and revocations that have run out are removed by the database itself (see store.py)."""
