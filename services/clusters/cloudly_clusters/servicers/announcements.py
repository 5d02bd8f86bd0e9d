"""AnnouncementService."""

from typing import Any

from cloudly.clusters.v1 import announcement_pb2 as pb
from cloudly.clusters.v1 import announcement_pb2_grpc
from cloudly_kit.access import check_limits
from cloudly_kit.identity import caller

from cloudly_clusters.announcements import Announcements, Rollout
from cloudly_clusters.image_names import ImageName
from cloudly_clusters.store import WorkloadDocument


class AnnouncementServicer(announcement_pb2_grpc.AnnouncementServiceServicer):
    """See proto/cloudly/clusters/v1/announcement.proto."""

    def __init__(self, announcements: Announcements) -> None:
        self._announcements = announcements

    async def AnnounceImage(self, request: pb.AnnounceImageRequest, context: Any) -> pb.AnnounceImageResponse:
        """Roll a new version out; a token with limits rolls it out to the workloads that it may touch."""
        image = ImageName.of(request.image)
        followers = await self._announcements.followers(image)
        touched = [workload for workload in followers if _within_limits(workload)]
        if not touched:
            check_limits(cluster=followers[0].scope, workload=followers[0].id)
        digest, rollouts = await self._announcements.announce(image, touched, caller().actor.name)
        return pb.AnnounceImageResponse(digest=digest, rollouts=map(_message, rollouts))


def _within_limits(workload: WorkloadDocument) -> bool:
    scope = caller().actor.scope
    return scope is None or scope.covers([("cluster", workload.scope), ("workload", workload.id)])


def _message(rollout: Rollout) -> pb.AnnouncedRollout:
    return pb.AnnouncedRollout(
        workload_id=rollout.workload.id,
        workload_name=rollout.workload.name,
        cluster_id=rollout.workload.scope,
        outcome=pb.AnnouncementOutcome.Value(f"ANNOUNCEMENT_OUTCOME_{rollout.taken.outcome.name}"),
        reason=rollout.taken.reason,
    )
