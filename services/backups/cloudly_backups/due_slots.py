"""Due slots: each moment that a policy's schedule names becomes one record, once, whoever looks and however often."""

from datetime import datetime, timedelta

import structlog
from cloudly_kit.cron import latest_slot
from cloudly_kit.errors import AlreadyExists, NotFound

from cloudly_backups.store import BackupsStore, DueSlotDocument, PolicyDocument

log = structlog.get_logger()


class DueSlots:
    """The rules of due slots."""

    def __init__(self, store: BackupsStore, kept_days: int) -> None:
        self._store = store
        self._kept = timedelta(days=kept_days)

    async def plan(self, now: datetime) -> list[DueSlotDocument]:
        """Write down the latest slot of every enabled policy that has come and is not written down yet.

        Of slots that passed while nobody looked only the latest is planned: a backup of now is not a backup of then.

        Returns:
            The slots written down by this call.
        """
        policies = await self._store.enabled_policies()
        return [slot for policy in policies if (slot := await self._plan(policy, now)) is not None]

    async def _plan(self, policy: PolicyDocument, now: datetime) -> DueSlotDocument | None:
        slot_time = latest_slot(policy.schedule, now)
        if slot_time <= policy.planned_time:
            return None
        slot = DueSlotDocument(
            id=slot_id(policy.id, slot_time),
            scope=policy.id,
            slot_time=slot_time,
            workload_ids=policy.workload_ids,
            expire_time=now + self._kept,
        )
        planned: DueSlotDocument | None = None
        try:
            planned, _ = await self._store.due_slots.insert(slot)
        except AlreadyExists:
            log.debug("due_slot.planned_before", slot=slot.id)
        try:
            await self._store.policies.change(
                policy.id,
                lambda found: (
                    None if found.planned_time >= slot_time else found.model_copy(update={"planned_time": slot_time})
                ),
            )
        except NotFound:
            log.info("policy.deleted_while_planned", policy=policy.id)
        return planned


def slot_id(policy_id: str, slot_time: datetime) -> str:
    """The id of a due slot: `<policy id>@20261123T0300`."""
    return f"{policy_id}@{slot_time:%Y%m%dT%H%M}"
