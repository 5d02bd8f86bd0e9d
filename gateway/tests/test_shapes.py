"""Legacy records and messages, there and back: nothing that a legacy client can say is lost."""

from cloudly.clusters.v1 import cluster_pb2, deployment_pb2, node_pb2, workload_pb2
from cloudly.executions.v1 import execution_pb2
from cloudly.registry.v1 import external_registry_pb2
from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes import cluster, deployment, execution, external_registry, service
from hypothesis import given, settings
from hypothesis import strategies as st

names = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
ports = st.integers(1, 65535)
megabytes = st.integers(0, 10_000_000)

services = st.fixed_dictionaries(
    {
        "name": names,
        "description": st.text(max_size=20),
        "imageId": names,
        "imageVersion": names,
        "environment": st.dictionaries(names, st.text(max_size=5), max_size=3),
        "secretBundleId": st.just(""),
        "serviceCategory": st.sampled_from(sorted(service.CATEGORIES)),
        "deploymentStrategy": st.sampled_from(sorted(service.STRATEGIES)),
        "antiAffinity": st.booleans(),
        "scaleFactor": st.integers(0, 1000),
        "balancingStrategy": st.sampled_from(["round-robin", "least-connections"]),
        "ports": st.fixed_dictionaries({"web": ports}),
        "resources": st.fixed_dictionaries(
            {
                "cpuLimit": st.floats(0, 64),
                "cpuReservation": st.floats(0, 64),
                "memorySizeLimitMB": megabytes,
                "memorySizeReservationMB": megabytes,
            }
        ),
        "domains": st.lists(
            st.fixed_dictionaries(
                {"name": names, "protocol": st.sampled_from(["http", "https"])}, optional={"port": ports}
            ),
            max_size=3,
        ),
        "clusterId": names,
        "deployOnPush": st.booleans(),
    }
)


@settings(max_examples=150, deadline=None)
@given(data=services)
def test_a_service_s_data_comes_back_as_it_was_sent(data):
    known = service.from_data(Fields(data))
    record = service.service(known, ["d1"])
    for name, value in data.items():
        assert record["data"][name] == value, name
    assert record["data"]["deploymentIds"] == ["d1"]


@settings(max_examples=100, deadline=None)
@given(data=services)
def test_a_record_sent_back_whole_is_no_wish(data):
    known = service.from_data(Fields(data))
    assert service.changes(Fields(service.service(known, ())["data"]), known) == []


@settings(max_examples=100, deadline=None)
@given(data=services, name=st.sampled_from(["description", "scaleFactor", "deployOnPush", "imageVersion"]))
def test_one_difference_is_one_change(data, name):
    known = service.from_data(Fields(data))
    record = dict(service.service(known, ())["data"])
    other = {
        "description": record["description"] + "!",
        "scaleFactor": record["scaleFactor"] + 1,
        "deployOnPush": not record["deployOnPush"],
        "imageVersion": record["imageVersion"] + "x",
    }
    record[name] = other[name]
    assert service.changes(Fields(record), known) == [service._FIELDS[name]]


def test_ports_for_domains_become_domains():
    data = {"name": "web", "ports": {"web": 80, "custom": {"api.example.com": "8080"}}}
    known = service.from_data(Fields(data))
    assert [(domain.name, domain.port) for domain in known.domains] == [("api.example.com", 8080)]
    assert "domains" in service.changes(Fields(data), workload_pb2.Workload(name="web", web_port=80))


@given(
    name=names, user=names, mode=st.sampled_from(sorted(cluster.SETUP_MODES)),
    states=st.lists(st.sampled_from(["ready", "down", "drain", "unknown"]), max_size=4),
)  # fmt: skip
def test_a_cluster_s_data_comes_back(name, user, mode, states):
    wish = cluster.from_data(Fields({"name": name, "userId": user, "setupMode": mode}))
    nodes = [node_pb2.Node(id=f"n{index}", cluster_id=wish.id, state=state) for index, state in enumerate(states)]
    record = cluster.cluster(wish, nodes, "http://localhost")
    assert (record["data"]["name"], record["data"]["userId"], record["data"]["setupMode"]) == (name, user, mode)
    allowed = {"initializing", "online", "offline", "maintenance"}
    assert [node["data"]["status"] in allowed for node in record["data"]["nodes"]] == [True] * len(states)


@given(
    state=st.sampled_from(list(deployment_pb2.DeploymentState.values())),
    health=st.sampled_from(list(deployment_pb2.Health.values())),
)
def test_every_state_of_a_deployment_has_a_legacy_word(state, health):
    record = deployment.deployment(deployment_pb2.Deployment(state=state, health=health))
    assert record["status"] in {"scheduled", "starting", "running", "stopping", "stopped", "failed"}
    assert record["healthStatus"] in {"healthy", "unhealthy", "unknown"}


@given(
    state=st.sampled_from(list(execution_pb2.ExecutionState.values())),
    start=st.integers(0, 10**9),
    took=st.integers(-5, 10**6),
)
def test_every_execution_has_a_legacy_record(state, start, took):
    known = execution_pb2.Execution(
        state=state, start_time={"seconds": start}, end_time={"seconds": max(0, start + took)}
    )
    data = execution.execution(known)["data"]
    assert data["status"] in {"running", "completed", "failed", "cancelled"}
    assert data["duration"] >= 0
    assert data["triggeredBy"] in {"schedule", "manual", "system"}


def test_setup_modes_cover_the_contract():
    assert set(cluster.SETUP_MODES.values()) == set(cluster_pb2.SetupMode.values()) - {0}


@given(has_password=st.booleans(), password=st.text(max_size=20))
def test_a_legacy_record_of_an_external_registry_tells_no_password_and_sent_back_changes_none(has_password, password):
    known = external_registry_pb2.ExternalRegistry(
        id="e" * 20, name="hub", url="https://hub.test", username="u", has_password=has_password, password=password
    )
    data = external_registry.external_registry(known)["data"]
    assert data["password"] == ("********" if has_password else "")
    if has_password:
        assert "password" not in external_registry.changes(Fields(data, "registryData"))
        assert external_registry.from_data(Fields(data, "registryData")).password == ""
