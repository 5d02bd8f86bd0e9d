"""The one answer to: does it run, and if not, why not?"""

from cloudly.clusters.v1 import cluster_pb2, deployment_pb2, workload_pb2
from cloudly.coreflow.v1 import coreflow_pb2
from cloudly_clusters.status import RULES, View, workload_status
from hypothesis import given
from hypothesis import strategies as st

ONLINE = cluster_pb2.AGENT_STATE_ONLINE
RUNNING = deployment_pb2.DEPLOYMENT_STATE_RUNNING
FAILED = deployment_pb2.DEPLOYMENT_STATE_FAILED
DIGEST = "sha256:" + "a" * 64


def deployment(state=RUNNING, generation=2, digest=DIGEST, **fields):
    return coreflow_pb2.DeploymentObservation(
        state=state, workload_generation=generation, image_digest=digest, **fields
    )


def view(*deployments, generation=2, seen_generation=2, wished=1, ready=0, **fields):
    seen = coreflow_pb2.WorkloadObservation(
        generation=seen_generation,
        wished_replicas=wished,
        ready_replicas=ready,
        updating=fields.pop("updating", False),
        update_error=fields.pop("update_error", ""),
        deployments=deployments,
    )
    defaults = {"has_image": True, "registry_target": "r/web", "agent_state": ONLINE, "wished_digest": DIGEST}
    return View(generation=generation, wished_replicas=wished, seen=seen, **{**defaults, **fields})


def reason(made):
    return workload_status(made, workload_pb2.WorkloadStatus()).conditions[0].reason


def test_it_runs_when_all_replicas_run_the_wish():
    status = workload_status(view(deployment(), ready=1), workload_pb2.WorkloadStatus())
    assert status.conditions[0].reason == "RUNNING"
    assert not status.reconciling
    assert status.running_digest == DIGEST


def test_each_reason_not_to_run_is_told():
    assert reason(view(has_image=False)) == "IMAGE_AWAITED"
    assert reason(view(agent_state=cluster_pb2.AGENT_STATE_AWAITED)) == "AGENT_AWAITED"
    assert reason(view(agent_state=cluster_pb2.AGENT_STATE_OFFLINE, ready=1)) == "AGENT_OFFLINE"
    assert reason(view(agent_error="port is taken")) == "CONFIGURATION_REFUSED"
    assert reason(view(seen_generation=1)) == "APPLYING"
    assert reason(view(updating=True)) == "ROLLING_OUT"
    assert reason(view()) == "STARTING"
    assert reason(view(wished=0)) == "SCALED_TO_ZERO"


def test_a_failing_task_is_named_with_its_message():
    failed = deployment(FAILED, reason="TASK_FAILED", message="exit status 3")
    status = workload_status(view(failed), workload_pb2.WorkloadStatus())
    assert status.conditions[0].reason == "TASK_FAILED"
    assert "exit status 3" in status.message


def test_a_failure_of_an_earlier_generation_is_history():
    old = deployment(FAILED, generation=1, reason="TASK_FAILED", message="exit status 3")
    assert reason(view(old, deployment(), ready=1)) == "RUNNING"


def test_a_rollout_that_swarm_gave_up_is_never_green():
    made = view(deployment(digest="sha256:" + "b" * 64), ready=1, update_error="update paused")
    assert reason(made) == "ROLLOUT_FAILED"


def test_replicas_of_the_old_image_are_not_success():
    assert reason(view(deployment(digest="sha256:" + "b" * 64), ready=1)) == "ROLLING_OUT"


def test_the_transition_time_stays_while_the_answer_is_the_same():
    before = workload_status(view(deployment(), ready=1), workload_pb2.WorkloadStatus())
    before.conditions[0].last_transition_time.FromSeconds(1000)
    same = workload_status(view(deployment(), ready=1), before)
    assert same.conditions[0].last_transition_time.seconds == 1000
    other = workload_status(view(), before)
    assert not other.conditions[0].HasField("last_transition_time")


@given(
    st.builds(
        view,
        st.builds(deployment, st.integers(0, 6), st.integers(0, 3)),
        generation=st.integers(1, 3),
        seen_generation=st.integers(0, 3),
        wished=st.integers(0, 3),
        ready=st.integers(0, 3),
        has_image=st.booleans(),
        updating=st.booleans(),
        update_error=st.sampled_from(["", "paused"]),
        agent_error=st.sampled_from(["", "refused"]),
        agent_state=st.integers(1, 3),
    )
)
def test_green_is_never_said_of_what_does_not_run_as_wished(made):
    assert any(rule.applies(made) for rule in RULES)
    status = workload_status(made, workload_pb2.WorkloadStatus())
    if status.conditions[0].status == 1:
        assert made.has_image
        assert made.agent_state == ONLINE
        assert made.observation.generation >= made.generation
        assert made.observation.ready_replicas >= made.wished_replicas
        assert not made.observation.update_error
        assert not status.reconciling
