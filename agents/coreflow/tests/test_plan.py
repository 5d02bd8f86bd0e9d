"""The plan: what must always, and what must never happen."""

from dataclasses import replace

from cloudly.clusters.v1 import deployment_pb2, workload_pb2
from cloudly.coreflow.v1 import coreflow_pb2
from cloudly_coreflow import sight, specs
from cloudly_coreflow.plan import Create, Remove, Sight, Update, Wish, plan
from cloudly_coreflow.traffic import routes
from hypothesis import given
from hypothesis import strategies as st

KEYS = ("a", "b", "c")


def wish(key, body, generation, awaited=False):
    spec = {"TaskTemplate": {"ContainerSpec": {"Image": f"image-{body}"}}, "Mode": {"Replicated": {"Replicas": 1}}}
    return Wish(key, key, generation, None) if awaited else specs.make_wish(key, key, generation, spec)


WISHES = st.dictionaries(st.sampled_from(KEYS), st.tuples(st.integers(0, 2), st.integers(1, 4), st.booleans())).map(
    lambda found: {key: wish(key, *values) for key, values in found.items()}
)
SIGHTS = st.dictionaries(
    st.sampled_from(KEYS), st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(["", "old"]))
).map(
    lambda found: {
        key: seen(wish(key, body, generation), credentials) for key, (body, generation, credentials) in found.items()
    }
)


def seen(wished, credentials="", template_generation=0):
    return Sight(
        wished.key, f"id-{wished.key}", wished.name, wished.generation, wished.spec_hash, wished.template_hash,
        template_generation or wished.generation, credentials,
    )  # fmt: skip


def carried_out(actions, sights, credentials):
    result = dict(sights)
    for action in actions:
        match action:
            case Create(wished):
                result[wished.key] = seen(wished, credentials)
            case Update(wished, before, generation):
                result[wished.key] = replace(seen(wished, credentials, generation), id=before.id, name=before.name)
            case Remove(gone):
                del result[gone.key]
    return result


@given(WISHES, SIGHTS)
def test_one_round_converges_and_the_next_does_nothing(desired, sights):
    after = carried_out(plan(desired, sights, "new"), sights, "new")
    assert plan(desired, after, "new") == []
    for key, wished in desired.items():
        if wished.spec is not None:
            assert (after[key].spec_hash, after[key].generation) == (wished.spec_hash, wished.generation)
    assert set(after) <= set(desired)


@given(WISHES, SIGHTS)
def test_a_workload_that_awaits_its_image_is_never_touched(desired, sights):
    for action in plan(desired, sights):
        if not isinstance(action, Remove):
            assert action.wish.spec is not None


@given(WISHES, SIGHTS)
def test_a_change_that_is_not_of_the_containers_keeps_their_generation(desired, sights):
    for action in plan(desired, sights, "new"):
        if isinstance(action, Update):
            same = action.wish.template_hash == action.sight.template_hash
            assert action.template_generation == (action.sight.template_generation if same else action.wish.generation)


def entry(**fields):
    workload = workload_pb2.Workload(**{"id": "a" * 20, "name": "web", "generation": 3, "web_port": 8080, **fields})
    return coreflow_pb2.WorkloadConfiguration(workload=workload, image="r/web@sha256:" + "1" * 64)


def test_scaling_changes_no_container():
    one, two = specs.wish_of(entry(replicas=1)), specs.wish_of(entry(replicas=2))
    assert one.template_hash == two.template_hash
    assert one.spec_hash != two.spec_hash


def test_the_spec_is_what_docker_takes():
    spec = specs.wish_of(
        entry(
            replicas=0,
            environment={"B": "2", "A": "1"},
            command=["/bin/run"],
            health_check={"command": ["true"]},
            resources={"cpu_limit": 0.5, "memory_limit_bytes": 1024},
            published_ports=[{"container_port": 80, "host_port": 8081}],
        )
    ).spec
    container = spec["TaskTemplate"]["ContainerSpec"]
    assert container["Env"] == ["A=1", "B=2"]
    assert container["Healthcheck"]["Test"] == ["CMD", "true"]
    assert spec["Mode"] == {"Replicated": {"Replicas": 0}}
    assert spec["TaskTemplate"]["Resources"]["Limits"] == {"NanoCPUs": 500_000_000, "MemoryBytes": 1024}
    # Two containers cannot hold one port of the host.
    assert spec["UpdateConfig"]["Order"] == "stop-first"
    assert specs.wish_of(entry(mode=workload_pb2.WORKLOAD_MODE_GLOBAL)).spec["Mode"] == {"Global": {}}
    assert specs.wish_of(coreflow_pb2.WorkloadConfiguration(workload=entry().workload)).spec is None


def task(state, *, slot=1, created="2026-01-01T00:00:00.123456789Z", desired="running", hash="h", error="", code=0):
    labels = {specs.TEMPLATE_HASH: hash, specs.TEMPLATE_GENERATION: "1"}
    return {
        "ID": f"{state}-{slot}-{created}-{hash}",
        "Slot": slot,
        "NodeID": "n",
        "DesiredState": desired,
        "CreatedAt": created,
        "Status": {"State": state, "Err": error, "ContainerStatus": {"ContainerID": "c", "ExitCode": code}},
        "Spec": {"ContainerSpec": {"Image": "r/web@sha256:" + "1" * 64, "Labels": labels}},
    }


def service(replicas=2, **update):
    labels = {specs.WORKLOAD: "w", specs.GENERATION: "4", specs.TEMPLATE_HASH: "h", specs.TEMPLATE_GENERATION: "2"}
    spec = {"Name": "web", "Labels": labels, "Mode": {"Replicated": {"Replicas": replicas}}}
    return {"ID": "s", "Spec": spec, "UpdateStatus": update}


def test_replicas_are_counted_by_slot_and_never_above_the_wish():
    tasks = [task("running"), task("running", hash="old"), task("running", slot=2)]
    assert sight.observation(service(), tasks, 1, {}).ready_replicas == 2
    assert sight.observation(service(1), tasks, 1, {}).ready_replicas == 1


def test_a_task_of_the_present_template_belongs_to_the_present_generation():
    found = sight.observation(service(), [task("running"), task("running", slot=2, hash="old")], 1, {})
    assert [d.workload_generation for d in found.deployments] == [4, 1]


def test_reasons_are_stable_words():
    reasons = {
        "No such image: r/web:1": "NO_SUCH_IMAGE",
        "unauthorized: authentication required": "PULL_DENIED",
        "no suitable node (scheduling constraints not satisfied)": "NO_SUITABLE_NODE",
        "task: non-zero exit (3)": "TASK_FAILED",
        "task: non-zero exit (143): dockerexec: unhealthy container": "UNHEALTHY",
    }
    assert {error: sight.reason_of(error) for error in reasons} == reasons


def test_old_finished_tasks_are_left_out():
    tasks = [task("failed", created=f"2026-01-01T00:00:{second:02}Z", code=3) for second in range(9)]
    found = sight.observation(service(), tasks, 1, {})
    assert len(found.deployments) == sight.FINISHED_KEPT_PER_SLOT
    assert found.deployments[0].state == deployment_pb2.DEPLOYMENT_STATE_FAILED
    assert found.deployments[0].message == "the container ended with status 3"


def test_a_paused_update_is_told():
    found = sight.observation(service(State="paused", Message="update paused due to failure"), [], 1, {})
    assert found.update_error == "update paused due to failure"
    assert not found.updating


def test_domains_lead_to_ready_workloads_and_others_to_nothing():
    configuration = coreflow_pb2.Configuration(
        workloads=[entry(domains=[{"name": "a.test"}, {"name": "*.b.test", "port": 9}])]
    )
    made = routes(configuration, {"a" * 20})["http"]
    rules = {router["rule"]: router["service"] for router in made["routers"].values()}
    assert rules == {"Host(`a.test`)": "web-aaaaaaaa-8080", "HostRegexp(`^[^.]+\\.b\\.test$`)": "web-aaaaaaaa-9"}
    assert made["services"]["web-aaaaaaaa-8080"]["loadBalancer"]["servers"] == [
        {"url": "http://tasks.web-aaaaaaaa:8080"}
    ]
    unready = routes(configuration, set())["http"]
    assert unready["services"]["web-aaaaaaaa-8080"]["loadBalancer"]["servers"] == []
