"""Auth's jobs: thin; they load, call the domain, and record."""

from dataclasses import dataclass
from datetime import datetime

from cloudly_kit.jobs import Run, task
from cloudly_kit.store import now

from cloudly_auth.signing_keys import KeyRing


@dataclass(frozen=True)
class Parts:
    """What the tasks work with."""

    keys: KeyRing


@task(
    "rotate-signing-key",
    timeout_seconds=300,
    description="Has the next key sign tokens and makes another one; the old one verifies until its last token ends.",
    category="security",
    schedule="17 3 1 * *",
)
async def rotate_signing_key(run: Run, parts: Parts) -> dict[str, str]:
    """One rotation, whatever the number of attempts it takes."""
    if "begun" not in run.checkpointed:
        # As coarse as what it is compared with: times are kept in milliseconds.
        await run.checkpoint({"begun": now().isoformat()})
    active = await parts.keys.rotate(unless_since=datetime.fromisoformat(run.checkpointed["begun"]))
    return {"active_kid": active}


TASKS = (rotate_signing_key,)
"""Sessions, credentials and revocations that have run out are removed by the database itself (see store.py)."""
