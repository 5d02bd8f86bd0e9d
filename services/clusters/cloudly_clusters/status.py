"""How far a workload is, as a pure function of what is wished and what was seen. No clock, no I/O.

The rules are data: the first that applies is the answer to "why does it not run?".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cloudly.clusters.v1 import cluster_pb2, deployment_pb2, workload_pb2
from cloudly.common.v1 import condition_pb2
from cloudly.coreflow.v1 import coreflow_pb2

TRUE = condition_pb2.CONDITION_STATUS_TRUE
FALSE = condition_pb2.CONDITION_STATUS_FALSE
UNKNOWN = condition_pb2.CONDITION_STATUS_UNKNOWN


@dataclass(frozen=True)
class View:
    """All that the answer depends on."""

    generation: int
    wished_replicas: int
    has_image: bool
    registry_target: str
    agent_state: int
    agent_error: str = ""
    seen: coreflow_pb2.WorkloadObservation | None = None
    wished_digest: str = ""
    held: str = ""
    """Why what was pushed last is not rolled out; empty where it is."""

    @property
    def observation(self) -> coreflow_pb2.WorkloadObservation:
        """What was seen; empty when nothing was."""
        return self.seen or coreflow_pb2.WorkloadObservation()

    @property
    def failed(self) -> Sequence[coreflow_pb2.DeploymentObservation]:
        """Deployments of the present generation that failed, newest first."""
        found = [
            d
            for d in self.observation.deployments
            if d.state == deployment_pb2.DEPLOYMENT_STATE_FAILED and d.workload_generation == self.generation
        ]
        return sorted(found, key=lambda d: d.start_time.ToNanoseconds(), reverse=True)

    @property
    def waiting(self) -> Sequence[coreflow_pb2.DeploymentObservation]:
        """Deployments of the present generation that could not start so far, and say why."""
        early = (deployment_pb2.DEPLOYMENT_STATE_SCHEDULED, deployment_pb2.DEPLOYMENT_STATE_STARTING)
        return [
            d
            for d in self.observation.deployments
            if d.state in early and d.reason and d.workload_generation == self.generation
        ]


@dataclass(frozen=True)
class Rule:
    """One answer: when it applies, what it says, and whether work goes on."""

    applies: Callable[[View], bool]
    status: int
    reason: Callable[[View], str]
    message: Callable[[View], str]
    reconciling: bool = field(default=True)


def _say(text: str) -> Callable[[View], str]:
    return lambda _: text


def _replicas(view: View) -> str:
    return f"{view.observation.ready_replicas} of {view.wished_replicas} replicas run"


def _failure(view: View) -> coreflow_pb2.DeploymentObservation:
    return (*view.failed, *view.waiting)[0]


RULES: tuple[Rule, ...] = (
    Rule(
        lambda v: not v.has_image and bool(v.held),
        FALSE,
        _say("SIGNATURE_AWAITED"),
        lambda v: v.held,
        reconciling=False,
    ),
    Rule(
        lambda v: not v.has_image,
        FALSE,
        _say("IMAGE_AWAITED"),
        lambda v: f"no image yet: push one to {v.registry_target}:<tag>",
        reconciling=False,
    ),
    Rule(
        lambda v: v.agent_state == cluster_pb2.AGENT_STATE_AWAITED,
        FALSE,
        _say("AGENT_AWAITED"),
        _say("the cluster's agent has never connected: start coreflow with the jump code"),
    ),
    Rule(
        lambda v: v.agent_state != cluster_pb2.AGENT_STATE_ONLINE,
        UNKNOWN,
        _say("AGENT_OFFLINE"),
        _say("the cluster's agent is offline: what runs there goes on running, but nobody can tell"),
    ),
    Rule(
        lambda v: bool(v.agent_error), FALSE, _say("CONFIGURATION_REFUSED"), lambda v: v.agent_error, reconciling=False
    ),
    Rule(
        lambda v: v.observation.generation < v.generation,
        FALSE,
        _say("APPLYING"),
        lambda v: f"the agent is applying generation {v.generation}",
    ),
    Rule(
        lambda v: bool(v.observation.update_error),
        FALSE,
        lambda v: v.failed[0].reason if v.failed and v.failed[0].reason else "ROLLOUT_FAILED",
        lambda v: _with_cause(v, f"the rollout of generation {v.generation} failed: {v.observation.update_error}"),
        reconciling=False,
    ),
    Rule(
        lambda v: v.observation.ready_replicas < v.wished_replicas and bool(v.failed or v.waiting),
        FALSE,
        lambda v: _failure(v).reason or "TASK_FAILED",
        lambda v: f"{_replicas(v)}: {_failure(v).message}",
    ),
    Rule(
        lambda v: v.observation.updating,
        FALSE,
        _say("ROLLING_OUT"),
        lambda v: f"rolling out generation {v.generation}; {_replicas(v)}",
    ),
    Rule(lambda v: v.observation.ready_replicas < v.wished_replicas, FALSE, _say("STARTING"), _replicas),
    Rule(
        lambda v: not _runs_the_wish(v),
        FALSE,
        _say("ROLLING_OUT"),
        lambda v: f"waiting for replicas with the new image; {_replicas(v)}",
    ),
    Rule(
        lambda v: v.wished_replicas == 0,
        TRUE,
        _say("SCALED_TO_ZERO"),
        _say("nothing runs, as wished"),
        reconciling=False,
    ),
    Rule(lambda _: True, TRUE, _say("RUNNING"), _replicas, reconciling=False),
)


def workload_status(view: View, before: workload_pb2.WorkloadStatus) -> workload_pb2.WorkloadStatus:
    """The status of a workload; the transition time of a condition that has not changed is kept from `before`.

    A changed condition has no transition time yet: the caller, who has a clock, stamps it (`stamp`).
    """
    rule = next(rule for rule in RULES if rule.applies(view))
    message = rule.message(view)
    ready = condition_pb2.Condition(type="Ready", status=rule.status, reason=rule.reason(view), message=message)  # type: ignore[arg-type]
    conditions = [ready]
    if view.held:
        conditions.append(
            condition_pb2.Condition(type="Signed", status=FALSE, reason="SIGNATURE_AWAITED", message=view.held)
        )
    for new in conditions:
        for old in before.conditions:
            if (old.type, old.status, old.reason) == (new.type, new.status, new.reason):
                new.last_transition_time.CopyFrom(old.last_transition_time)
    return workload_pb2.WorkloadStatus(
        observed_generation=view.observation.generation,
        reconciling=rule.reconciling,
        conditions=conditions,
        ready_replicas=view.observation.ready_replicas,
        wished_replicas=view.wished_replicas,
        running_digest=running_digest(view.observation),
        message=f"{ready.reason}: {message}" + (f"; {view.held}" if view.held and view.has_image else ""),
    )


def running_digest(seen: coreflow_pb2.WorkloadObservation) -> str:
    """The digest that most running deployments were started from."""
    running = [
        d.image_digest
        for d in seen.deployments
        if d.state == deployment_pb2.DEPLOYMENT_STATE_RUNNING and d.image_digest
    ]
    return max(sorted(set(running)), key=running.count, default="")


def _runs_the_wish(view: View) -> bool:
    if not view.wished_digest or not view.wished_replicas:
        return True
    running = [
        d.image_digest
        for d in view.observation.deployments
        if d.state == deployment_pb2.DEPLOYMENT_STATE_RUNNING and d.image_digest
    ]
    return running.count(view.wished_digest) >= min(view.wished_replicas, len(running))


def _with_cause(view: View, message: str) -> str:
    return f"{message} ({view.failed[0].message})" if view.failed and view.failed[0].message else message
