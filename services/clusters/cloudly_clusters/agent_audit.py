"""What agents do, in the audit log: agents are in it like people, where what they tell changes what is written down."""

from contextlib import AbstractAsyncContextManager

from cloudly.auth.v1 import audit_pb2 as pb
from cloudly_kit.audit.calls import audited
from cloudly_kit.audit.entries import actor_of, cut
from cloudly_kit.audit.journal import Journal
from cloudly_kit.identity import current_call

ONE_BY_ONE = 3
"""Of one agent and kind in a minute; a container that crashes and crashes is told by number."""


def by_agent(journal: Journal, what: str, cluster_id: str) -> AbstractAsyncContextManager[pb.AuditEntry]:
    """Something that the cluster's agent does: `connect`, `answer` or `report`."""
    call = current_call()
    entry = pb.AuditEntry(
        method=f"agent.{what}", actor=actor_of(call), resource=pb.AuditResource(kind="cluster", id=cluster_id)
    )
    if call is not None:
        entry.remote_address, entry.request_id = cut(call.remote_address), cut(call.request_id)
    return audited(journal, entry, if_it_writes=True, one_by_one=ONE_BY_ONE)


def by_clusters(journal: Journal, what: str, cluster_id: str) -> AbstractAsyncContextManager[pb.AuditEntry]:
    """Something that clusters finds out about an agent by itself."""
    entry = pb.AuditEntry(
        method=f"clusters.{what}",
        actor=pb.AuditActor(id=journal.service, name=journal.service, type="service"),
        resource=pb.AuditResource(kind="cluster", id=cluster_id),
    )
    return audited(journal, entry, if_it_writes=True, one_by_one=ONE_BY_ONE)
