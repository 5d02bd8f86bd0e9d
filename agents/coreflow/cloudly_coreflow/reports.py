"""Status reports: what is seen of all workloads, with the reasons and last words of what failed."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import structlog
from cloudly.clusters.v1 import deployment_pb2
from cloudly.coreflow.v1 import coreflow_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from cloudly_coreflow import sight
from cloudly_coreflow.plan import Attempt, Desired, current_sight
from cloudly_coreflow.registries import Keychain, image_error
from cloudly_coreflow.sight import Json
from cloudly_coreflow.swarm import Swarm
from cloudly_coreflow.traffic import Traffic

log = structlog.get_logger()

REPORT_ANYWAY_SECONDS = 60.0


class Reporter:
    """Makes reports, and tells whether one is news."""

    def __init__(self, swarm: Swarm, traffic: Traffic) -> None:
        self._swarm = swarm
        self._traffic = traffic
        self._told = b""
        self._told_time = float("-inf")
        self._complaint = ""

    async def report(
        self,
        push: coreflow_pb2.ConfigPush,
        services: Sequence[Json],
        tasks: Mapping[str, Sequence[Json]],
        desired: Desired,
        attempts: Mapping[str, Attempt],
        keychain: Keychain,
    ) -> coreflow_pb2.StatusReport:
        """The report of this moment, without its time; coretraffic's routes follow it."""
        nodes = await self._swarm.nodes()
        ready = sum(1 for node in nodes if node.get("Status", {}).get("State") == "ready")
        report = coreflow_pb2.StatusReport(version=push.version, nodes=map(sight.node_status, nodes))
        now = time.time()
        serving: dict[str, str] = {}
        for service in services:
            own = tasks[service["ID"]]
            seen = sight.sight_of(service, own)
            wish = desired.wishes.get(seen.key)
            if wish is None:
                continue
            if seen.serves and seen.replicas != 0 and (seen.name == wish.name or seen.key not in serving):
                serving[seen.key] = seen.name
            if wish.spec is not None and current_sight(wish, [seen]) is None:
                # Of a workload that has another name or mode now; it only serves until the new one does.
                continue
            observed = sight.observation(service, own, ready, await self._last_words(own), attempts.get(seen.key), now)
            if self._traffic.owns(seen.key):
                self.complain(_complaint_of(observed))
            else:
                await self._explain(observed, keychain)
                report.workloads.append(observed)
        self._traffic.route(push.configuration, serving)
        return report

    def is_news(self, report: coreflow_pb2.StatusReport) -> bool:
        """Whether it differs from the last one; if so, it gets its time. One a minute is news anyway."""
        content = report.SerializeToString(deterministic=True)
        if content == self._told and time.monotonic() - self._told_time < REPORT_ANYWAY_SECONDS:
            return False
        self._told, self._told_time = content, time.monotonic()
        stamp = Timestamp()
        stamp.GetCurrentTime()
        report.report_time.CopyFrom(stamp)
        return True

    async def _last_words(self, tasks: Sequence[Json]) -> dict[str, list[str]]:
        ended = [
            task
            for task in sight.recent(tasks)
            if task["Status"]["State"] == "failed" and task["Status"].get("ContainerStatus", {}).get("ContainerID")
        ]
        lines = await asyncio.gather(*(self._swarm.last_words(task) for task in ended))
        return {task["ID"]: words for task, words in zip(ended, lines, strict=True)}

    async def _explain(self, seen: coreflow_pb2.WorkloadObservation, keychain: Keychain) -> None:
        for deployment in seen.deployments:
            failed = deployment.state == deployment_pb2.DEPLOYMENT_STATE_FAILED
            if failed and deployment.reason == "NO_SUCH_IMAGE":
                diagnosis = await self._swarm.diagnose(deployment.image, keychain)
                deployment.reason, deployment.message = image_error(deployment.message, diagnosis)

    def complain(self, complaint: str) -> None:
        """Say in the log, once, why coretraffic does not run, or that it does; the contract has no other place for it."""
        if complaint == self._complaint:
            return
        self._complaint = complaint
        if complaint:
            log.warning("traffic.failing", message=complaint)
        else:
            log.info("traffic.works")


def _complaint_of(seen: coreflow_pb2.WorkloadObservation) -> str:
    failing = [d for d in seen.deployments if d.reason] if seen.ready_replicas < seen.wished_replicas else []
    return f"{failing[-1].reason}: {failing[-1].message}" if failing else ""
