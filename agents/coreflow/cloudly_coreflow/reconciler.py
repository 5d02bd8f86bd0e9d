"""The loop that makes it so: look, plan, act, report; woken by news, and every few seconds anyway."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import aiohttp
import structlog
from aiodocker.exceptions import DockerError
from cloudly.coreflow.v1 import coreflow_pb2

from cloudly_coreflow import sight, specs
from cloudly_coreflow.attempts import Attempts
from cloudly_coreflow.configurations import Configurations
from cloudly_coreflow.link import Link
from cloudly_coreflow.plan import Action, Desired, Refusal, Seen, Update, plan
from cloudly_coreflow.registries import image_error
from cloudly_coreflow.reports import Reporter
from cloudly_coreflow.sight import Json
from cloudly_coreflow.state import State
from cloudly_coreflow.swarm import Moved, Refused, Swarm
from cloudly_coreflow.traffic import Traffic

log = structlog.get_logger()

POLL_SECONDS = 3.0
BUSY_POLL_SECONDS = 1.0
"""While something is on its way: a missing image makes no event."""
DEBOUNCE_SECONDS = 0.15
ROUNDS = 3
"""Of planning and acting before the next report: a service that must leave before another comes needs two."""
REFUSED_RETRY_SECONDS = 5.0
REFUSED_RETRY_CAP_SECONDS = 300.0


@dataclass(frozen=True)
class Look:
    """The Swarm at one moment."""

    services: Sequence[Json]
    strangers: frozenset[str]
    tasks: Mapping[str, Sequence[Json]]


class Reconciler:
    """Keeps the Swarm as the last good configuration says, connected or not."""

    def __init__(self, state: State, swarm: Swarm, traffic: Traffic) -> None:
        self._swarm = swarm
        self._traffic = traffic
        self._configurations = Configurations(state)
        self._attempts = Attempts(state)
        self._refusals: dict[str, Refusal] = {}
        self._reporter = Reporter(swarm, traffic)
        self._wake = asyncio.Event()
        self._urgent = False
        self._busy = False
        self._answered: tuple[str, Mapping[str, str]] | None = None
        self.link: Link | None = None

    def wake(self) -> None:
        """Look soon."""
        self._wake.set()

    def take(self, push: coreflow_pb2.ConfigPush, cluster_id: str) -> str:
        """Take in a configuration; answers why it cannot be taken, in which case the last good one stays."""
        refusal = self._configurations.take(push, cluster_id)
        if not refusal:
            self._urgent = True
            self._wake.set()
        return refusal

    async def run(self) -> None:
        """Reconcile for ever. Docker's being away is waited out."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), BUSY_POLL_SECONDS if self._busy else POLL_SECONDS)
                if not self._urgent:
                    # Docker's events come in swarms: wait a moment for the rest.
                    await asyncio.sleep(DEBOUNCE_SECONDS)
            self._urgent = False
            self._wake.clear()
            push = self._configurations.push
            if push is not None:
                await self._attend(push)

    async def _attend(self, push: coreflow_pb2.ConfigPush) -> None:
        try:
            await self._reconcile(push)
        except (DockerError, Refused, aiohttp.ClientError, OSError, TimeoutError) as error:
            message = str(error) or "Docker does not answer"
            log.warning("docker.away", error=message)
            self._answer(push, {entry.workload.id: message for entry in push.configuration.workloads})
            await asyncio.sleep(1)
        except Exception as error:  # an agent that dies of a surprise helps nobody, and the surprise is told
            log.exception("reconcile.failed")
            self._answer(push, {entry.workload.id: repr(error) for entry in push.configuration.workloads})
            await asyncio.sleep(2)

    async def _reconcile(self, push: coreflow_pb2.ConfigPush) -> None:
        cluster_id = push.configuration.cluster_id
        await self._swarm.prepare()
        desired = await self._desired(push.configuration)
        look = await self._look(cluster_id)
        for _ in range(ROUNDS):
            await self._explain_rollbacks(look)
            actions = plan(desired, self._seen(look), time.time())
            if not actions:
                break
            for action in actions:
                await self._act(action, cluster_id)
            look = await self._look(cluster_id)
        self._attempts.forget_all_but(desired.wishes)
        self._answer(push, self._errors(desired, look))
        report = await self._reporter.report(
            push, look.services, look.tasks, desired, self._attempts.by_key, self._configurations.keychain
        )
        if any(d.reason == "PULL_DENIED" for seen in report.workloads for d in seen.deployments):
            self._configurations.adopt_offered()
        self._busy = bool(self._refusals) or any(
            seen.updating or seen.ready_replicas < seen.wished_replicas for seen in report.workloads
        )
        if self.link is not None and self._reporter.is_news(report):
            self.link.report(report)

    async def _desired(self, configuration: coreflow_pb2.Configuration) -> Desired:
        held = self._configurations.keychain.all()
        desired = Desired(wishes={}, credentials={one.server: specs.credentials_version(one) for one in held})
        wishes = {
            entry.workload.id: specs.wish_of(entry, desired.credentials_for(entry.image))
            for entry in configuration.workloads
        }
        try:
            wishes |= await self._traffic.wishes(configuration)
        except (DockerError, aiohttp.ClientError, OSError, TimeoutError) as error:
            # Workloads come first: coretraffic stays as it is and is tried again in the next round.
            self._reporter.complain(str(error) or repr(error))
        return replace(desired, wishes=wishes, kept=self._traffic.kept(configuration))

    async def _look(self, cluster_id: str) -> Look:
        services, strangers = await self._swarm.services(cluster_id)
        return Look(services, strangers, await self._swarm.tasks(services))

    def _seen(self, look: Look) -> Seen:
        sights = [sight.sight_of(service, look.tasks[service["ID"]]) for service in look.services]
        return Seen(sights, look.strangers, self._attempts.by_key, self._refusals)

    async def _act(self, action: Action, cluster_id: str) -> None:
        now = time.time()
        if isinstance(action, Update):
            self._attempts.begin(action, now)
        try:
            await self._swarm.act(action, cluster_id, self._configurations.keychain)
        except Moved as error:
            log.info("swarm.moved", workload=action.key, message=str(error))
        except Refused as error:
            before = self._refusals.get(action.key)
            tries = before.tries + 1 if before is not None and before.signature == action.signature else 1
            pause = min(REFUSED_RETRY_CAP_SECONDS, REFUSED_RETRY_SECONDS * 2.0 ** min(tries - 1, 10))
            self._refusals[action.key] = Refusal(action.signature, str(error), now + pause, tries)
            log.warning("swarm.refused", workload=action.key, error=str(error), tries=tries, retry_seconds=pause)

    def _errors(self, desired: Desired, look: Look) -> dict[str, str]:
        """What Docker does not take, by workload; what is no longer to be done is forgotten."""
        open_ = {(a.key, a.signature) for a in plan(desired, replace(self._seen(look), refusals={}), time.time())}
        self._refusals = {key: held for key, held in self._refusals.items() if (key, held.signature) in open_}
        return {key: held.message for key, held in self._refusals.items() if not self._traffic.owns(key)}

    async def _explain_rollbacks(self, look: Look) -> None:
        for service in look.services:
            tasks = look.tasks[service["ID"]]
            seen = sight.sight_of(service, tasks)
            attempt = self._attempts.unexplained(seen)
            if attempt is None:
                continue
            failure = sight.failure_of(attempt.template_hash, tasks)
            reason, message = (failure.reason, failure.message) if failure else ("TASK_FAILED", "")
            if failure and reason == "NO_SUCH_IMAGE":
                diagnosis = await self._swarm.diagnose(failure.image, self._configurations.keychain)
                reason, message = image_error(message, diagnosis)
            self._attempts.explain(seen.key, reason, message)
            log.warning(
                "rollout.rolled_back",
                workload=seen.key,
                generation=attempt.generation,
                reason=reason,
                message=message,
                tries=attempt.tries,
            )

    def _answer(self, push: coreflow_pb2.ConfigPush, errors: Mapping[str, str]) -> None:
        """Tell what became of the newest push, and again whenever that changes."""
        if self.link is None or self._answered == (push.nonce, errors):
            return
        self._answered = push.nonce, dict(errors)
        partial = coreflow_pb2.CONFIG_OUTCOME_PARTIAL
        self.link.receipt(
            coreflow_pb2.ConfigReceipt(
                version=push.version,
                nonce=push.nonce,
                outcome=partial if errors else coreflow_pb2.CONFIG_OUTCOME_APPLIED,
                reason="; ".join(sorted(set(errors.values()))),
                workload_errors=errors,
            )
        )
        log.info("config.answered", version=push.version, errors=dict(errors))
