"""The loop that makes it so: look, plan, act, report; woken by news, and every few seconds anyway."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Mapping, Sequence

import structlog
from aiodocker.exceptions import DockerError
from cloudly.clusters.v1 import deployment_pb2
from cloudly.coreflow.v1 import coreflow_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from cloudly_coreflow import sight, specs
from cloudly_coreflow.link import Link, credentials_version
from cloudly_coreflow.plan import Wish, plan
from cloudly_coreflow.sight import Json
from cloudly_coreflow.state import State
from cloudly_coreflow.swarm import Refused, Swarm, image_error
from cloudly_coreflow.traffic import Traffic

log = structlog.get_logger()

POLL_SECONDS = 3.0
DEBOUNCE_SECONDS = 0.15
REPORT_ANYWAY_SECONDS = 60.0


class Reconciler:
    """Keeps the Swarm as the last good configuration says, connected or not."""

    def __init__(self, state: State, swarm: Swarm, traffic: Traffic) -> None:
        self._state = state
        self._swarm = swarm
        self._traffic = traffic
        self._wake = asyncio.Event()
        self._push = state.push()
        self._credentials = state.credentials()
        self._unanswered: coreflow_pb2.ConfigPush | None = None
        self._reported = b""
        self._reported_time = float("-inf")
        self.link: Link | None = None

    def wake(self) -> None:
        """Look soon."""
        self._wake.set()

    def take(self, push: coreflow_pb2.ConfigPush) -> str:
        """Take in a configuration; answers why it cannot be taken, in which case the last good one stays."""
        if push.HasField("credentials"):
            self._credentials = push.credentials
            self._state.keep_credentials(push.credentials)
        if not push.HasField("configuration"):
            if self._push is None or self._push.hash != push.hash:
                return "the server thinks that this agent holds a configuration which it does not hold"
            push = self._with(push, self._push.configuration)
        content = push.configuration.SerializeToString(deterministic=True)
        if hashlib.sha256(content).hexdigest() != push.hash:
            return "the configuration does not match its hash"
        if self._push is not None and self._push.configuration.cluster_id != push.configuration.cluster_id:
            return (
                f"this agent belongs to the cluster {self._push.configuration.cluster_id}; use another state directory"
            )
        self._state.keep_push(push)
        self._push = self._unanswered = push
        self.wake()
        return ""

    async def run(self) -> None:
        """Reconcile for ever. Docker's being away is waited out."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)
                # News come in swarms: wait a moment for the rest.
                await asyncio.sleep(DEBOUNCE_SECONDS)
            self._wake.clear()
            if self._push is None:
                continue
            try:
                await self._reconcile(self._push)
            except (DockerError, Refused, OSError, TimeoutError) as error:
                log.warning("docker.away", error=str(error) or repr(error))
                await asyncio.sleep(1)
            except Exception:  # an agent that dies of a surprise helps nobody
                log.exception("reconcile.failed")
                await asyncio.sleep(2)

    async def _reconcile(self, push: coreflow_pb2.ConfigPush) -> None:
        configuration = push.configuration
        cluster_id = configuration.cluster_id
        await self._swarm.prepare()
        desired = {entry.workload.id: specs.wish_of(entry) for entry in configuration.workloads}
        services = await self._swarm.services(cluster_id)
        seen = {view.key: view for view in map(sight.sight_of, services)}
        try:
            desired |= await self._traffic.wishes(configuration)
        except (DockerError, OSError, TimeoutError) as error:
            # Workloads come first: coretraffic stays as it is and is tried again in the next round.
            log.warning("traffic.not_ready", error=str(error) or repr(error))
            seen = {key: view for key, view in seen.items() if not self._traffic.owns(key)}
        version = credentials_version(self._credentials)
        errors: dict[str, str] = {}
        actions = plan(desired, seen, version)
        for action in actions:
            key = action.sight.key if not hasattr(action, "wish") else action.wish.key
            try:
                await self._swarm.act(action, cluster_id, self._credentials, version)
            except Refused as error:
                errors[key] = str(error)
                log.warning("swarm.refused", workload=key, error=str(error))
        self._answer(push, errors)
        if actions:
            services = await self._swarm.services(cluster_id)
        await self._report(push, services, desired)

    def _answer(self, push: coreflow_pb2.ConfigPush, errors: Mapping[str, str]) -> None:
        if self._unanswered is None or self.link is None or self._unanswered.nonce != push.nonce:
            return
        self._unanswered = None
        partial = coreflow_pb2.CONFIG_OUTCOME_PARTIAL
        self.link.receipt(
            coreflow_pb2.ConfigReceipt(
                version=push.version,
                nonce=push.nonce,
                outcome=partial if errors else coreflow_pb2.CONFIG_OUTCOME_APPLIED,
                reason="; ".join(errors.values()),
                workload_errors=errors,
            )
        )

    async def _report(
        self, push: coreflow_pb2.ConfigPush, services: Sequence[Json], desired: Mapping[str, Wish]
    ) -> None:
        nodes = await self._swarm.nodes()
        ready = sum(1 for node in nodes if node.get("Status", {}).get("State") == "ready")
        tasks = await self._swarm.tasks(services)
        report = coreflow_pb2.StatusReport(version=push.version, nodes=map(sight.node_status, nodes))
        ready_keys = set()
        for service in services:
            tails = {
                task["ID"]: await self._swarm.last_words(task)
                for task in tasks[service["ID"]]
                if task["Status"]["State"] == "failed"
            }
            seen = sight.observation(service, tasks[service["ID"]], ready, tails)
            if seen.ready_replicas:
                ready_keys.add(seen.workload_id)
            if seen.workload_id in desired and not self._traffic.owns(seen.workload_id):
                await self._explain(seen)
                report.workloads.append(seen)
        self._traffic.route(push.configuration, ready_keys)
        # The report's time says nothing new by itself.
        content = report.SerializeToString(deterministic=True)
        if content == self._reported and time.monotonic() - self._reported_time < REPORT_ANYWAY_SECONDS:
            return
        self._reported, self._reported_time = content, time.monotonic()
        report.report_time.CopyFrom(_now())
        if self.link is not None:
            self.link.report(report)

    async def _explain(self, seen: coreflow_pb2.WorkloadObservation) -> None:
        for deployment in seen.deployments:
            missing = deployment.reason == "NO_SUCH_IMAGE"
            if missing and deployment.state == deployment_pb2.DEPLOYMENT_STATE_FAILED:
                diagnosis = await self._swarm.diagnose(deployment.image, self._credentials)
                deployment.reason, deployment.message = image_error(deployment.message, diagnosis)

    @staticmethod
    def _with(push: coreflow_pb2.ConfigPush, configuration: coreflow_pb2.Configuration) -> coreflow_pb2.ConfigPush:
        whole = coreflow_pb2.ConfigPush()
        whole.CopyFrom(push)
        whole.configuration.CopyFrom(configuration)
        return whole


def _now() -> Timestamp:
    stamp = Timestamp()
    stamp.GetCurrentTime()
    return stamp
