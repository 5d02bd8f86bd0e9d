"""From the contract to Docker and back: specs, sights, routes, settings."""

import base64
import json

from cloudly.clusters.v1 import deployment_pb2, workload_pb2
from cloudly.coreflow.v1 import coreflow_pb2
from cloudly_coreflow import sight, specs
from cloudly_coreflow.config import Settings
from cloudly_coreflow.plan import Attempt
from cloudly_coreflow.registries import Keychain, authorization, image_error
from cloudly_coreflow.traffic import routes

ID = "a" * 20
NOW = 1767225600.0 + 3600


def entry(**fields):
    workload = workload_pb2.Workload(**{"id": ID, "name": "web", "generation": 3, "web_port": 8080, **fields})
    return coreflow_pb2.WorkloadConfiguration(workload=workload, image="r/web@sha256:" + "1" * 64)


def test_scaling_changes_no_container_and_a_port_does():
    one, two = specs.wish_of(entry(replicas=1)), specs.wish_of(entry(replicas=2))
    assert one.template_hash == two.template_hash
    assert one.spec_hash != two.spec_hash
    published = specs.wish_of(entry(replicas=1, published_ports=[{"container_port": 80, "host_port": 8081}]))
    assert published.template_hash != one.template_hash


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
    assert spec["UpdateConfig"]["FailureAction"] == "rollback"
    # Two containers cannot hold one port of the host.
    assert spec["UpdateConfig"]["Order"] == "stop-first"
    assert specs.wish_of(entry()).spec["UpdateConfig"]["Order"] == "start-first"
    assert specs.wish_of(entry(mode=workload_pb2.WORKLOAD_MODE_GLOBAL)).spec["Mode"] == {"Global": {}}
    assert specs.wish_of(coreflow_pb2.WorkloadConfiguration(workload=entry().workload)).spec is None


def task(state, *, slot=1, created="2026-01-01T00:00:00.123456789Z", since="", desired="running", hash="h", error="",
         code=0):  # fmt: skip
    labels = {specs.TEMPLATE_HASH: hash, specs.TEMPLATE_GENERATION: "1"}
    status = {"State": state, "Err": error, "ContainerStatus": {"ContainerID": "c", "ExitCode": code}}
    return {
        "ID": f"{state}-{slot}-{created}-{hash}",
        "Slot": slot,
        "NodeID": "n",
        "DesiredState": desired,
        "CreatedAt": created,
        "Status": {**status, "Timestamp": since or created},
        "Spec": {"ContainerSpec": {"Image": "r/web@sha256:" + "1" * 64, "Labels": labels}},
    }


def service(replicas=2, **update):
    labels = {specs.WORKLOAD: "w", specs.GENERATION: "4", specs.TEMPLATE_HASH: "h", specs.TEMPLATE_GENERATION: "2"}
    spec = {"Name": "web", "Labels": {**labels, specs.SPEC_HASH: "s"}, "Mode": {"Replicated": {"Replicas": replicas}}}
    return {"ID": "s", "Spec": spec, "UpdateStatus": update}


def observe(service_, tasks, attempt=None, now=NOW):
    return sight.observation(service_, tasks, 1, {}, attempt, now)


def test_replicas_are_counted_by_slot_and_never_above_the_wish():
    tasks = [task("running"), task("running", hash="old"), task("running", slot=2)]
    assert observe(service(), tasks).ready_replicas == 2
    assert observe(service(1), tasks).ready_replicas == 1


def test_a_service_is_updating_until_the_last_old_container_is_unwanted_whatever_swarm_says():
    old, new = task("running", hash="old"), task("running")
    assert observe(service(1), [old]).updating
    assert observe(service(1, State="completed"), [old]).updating
    assert observe(service(1, State="updating"), [new]).updating
    assert not observe(service(1, State="completed"), [new, task("running", hash="old", desired="shutdown")]).updating


def test_a_container_that_follows_a_crash_has_to_run_a_while_before_it_counts():
    crashed = task("failed", created="2026-01-01T00:00:00Z", since="2026-01-01T00:00:05Z", code=1, desired="shutdown")
    new = task("running", created="2026-01-01T00:00:06Z", since="2026-01-01T00:00:10Z")
    started = 1767225610.0
    assert observe(service(1), [crashed, new], now=started + 1).ready_replicas == 0
    assert observe(service(1), [crashed, new], now=started + 9).ready_replicas == 1
    assert observe(service(1), [new], now=started).ready_replicas == 1
    # Traffic goes there at once all the same.
    assert sight.sight_of(service(1), [crashed, new]).serves


def test_a_task_of_the_present_template_belongs_to_the_present_generation():
    found = observe(service(), [task("running"), task("running", slot=2, hash="old")])
    assert [d.workload_generation for d in found.deployments] == [4, 1]


def test_reasons_are_stable_words():
    reasons = {
        "No such image: r/web:1": "NO_SUCH_IMAGE",
        "unauthorized: authentication required": "PULL_DENIED",
        "no suitable node (scheduling constraints not satisfied)": "NO_SUITABLE_NODE",
        "no suitable node (host-mode port already in use on 1 node)": "PORT_TAKEN",
        "starting container failed: Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use":
            "PORT_TAKEN",
        'starting container failed: OCI runtime create failed: exec: "/bin/nothing": stat /bin/nothing: no such file or '
        "directory: unknown": "CANNOT_START",
        "task: non-zero exit (3)": "TASK_FAILED",
        "task: non-zero exit (137): dockerexec: unhealthy container": "UNHEALTHY",
    }  # fmt: skip
    assert {error: sight.reason_of(error) for error in reasons} == reasons


def test_old_finished_tasks_are_left_out():
    tasks = [task("failed", created=f"2026-01-01T00:00:{second:02}Z", code=3) for second in range(9)]
    found = observe(service(), tasks)
    assert len(found.deployments) == sight.FINISHED_KEPT_PER_SLOT
    assert found.deployments[0].state == deployment_pb2.DEPLOYMENT_STATE_FAILED
    assert found.deployments[0].message == "the container ended with status 3"


def test_a_rolled_back_rollout_is_told_as_the_generation_that_failed():
    tried = Attempt("new", "h2", 5, 0.0, before="earlier", reason="NO_SUCH_IMAGE", message="No such image: x")
    rolled_back = service(1, State="rollback_completed", StartedAt="later", Message="update rolled back")
    found = observe(rolled_back, [task("running")], tried)
    assert (found.generation, found.updating) == (5, False)
    assert found.update_error == "update rolled back: No such image: x"
    # The rollback of an earlier attempt says nothing of the present one.
    assert not observe(
        service(1, State="rollback_completed", StartedAt="earlier"), [task("running")], tried
    ).update_error


def test_a_paused_update_is_told():
    found = observe(service(State="paused", Message="update paused due to failure"), [])
    assert found.update_error == "update paused due to failure"
    assert not found.updating


def test_credentials_go_to_our_registry_alone():
    ours = coreflow_pb2.RegistryCredentials(server="r.test:5000", username="u", password="p")
    hub = coreflow_pb2.RegistryCredentials(server="docker.io", username="h", password="hub")
    keychain = Keychain(ours, [hub])
    sent = json.loads(base64.urlsafe_b64decode(authorization(keychain, "r.test:5000/a:1")["X-Registry-Auth"]))
    assert sent == {"username": ours.username, "password": ours.password, "serveraddress": "r.test:5000"}
    assert not authorization(keychain, "r.test:5000.evil/a:1")
    assert not authorization(Keychain(ours), "docker.io/a:1")
    assert authorization(keychain, "postgres:17") == authorization(keychain, "docker.io/library/postgres:17") != {}
    assert not authorization(Keychain(), "r.test:5000/a:1")


def test_a_missing_image_is_explained_by_what_its_registry_says():
    missing = "No such image: r/a:1"
    assert image_error(missing, "") == ("NO_SUCH_IMAGE", missing)
    assert image_error(missing, "unauthorized: no") == ("PULL_DENIED", f"{missing}: unauthorized: no")
    assert image_error(missing, "connection refused") == ("NO_SUCH_IMAGE", f"{missing}: connection refused")


def test_domains_lead_to_services_that_serve_and_others_to_nothing():
    configuration = coreflow_pb2.Configuration(
        workloads=[
            entry(domains=[{"name": "a.test"}, {"name": "*.b.test", "port": 9, "protocol": "https"}]),
            entry(id="b" * 20, domains=[{"name": "a.test"}, {"name": "x`) || Host(`y"}]),
        ]
    )
    made = routes(configuration, {ID: "web-aaaaaaaa"})["http"]
    rules = {router["rule"]: router["service"] for router in made["routers"].values()}
    assert rules == {"Host(`a.test`)": f"{ID}-http-8080", "HostRegexp(`^[^.]+\\.b\\.test$`)": f"{ID}-https-9"}
    servers = {name: service_["loadBalancer"]["servers"] for name, service_ in made["services"].items()}
    assert servers[f"{ID}-http-8080"] == [{"url": "http://tasks.web-aaaaaaaa:8080"}]
    assert servers[f"{ID}-https-9"] == [{"url": "https://tasks.web-aaaaaaaa:9"}]
    nobody = routes(configuration, {})["http"]
    assert nobody["services"][f"{ID}-http-8080"]["loadBalancer"]["servers"] == []


def test_an_address_is_understood_with_and_without_a_scheme():
    def target(url, **more):
        return Settings(CLOUDLY_URL=url, JUMPCODE="x", **more).target

    assert target("http://cloudly.test:8080") == ("cloudly.test:8080", False)
    assert target("https://cloudly.test") == ("cloudly.test:443", True)
    assert target("cloudly.test") == ("cloudly.test:443", True)
    assert target("localhost:8080") == ("localhost:8080", False)
    assert target("10.0.0.7") == ("10.0.0.7:80", False)
    assert target("http://[::1]:8080") == ("[::1]:8080", False)
    assert target("https://cloudly.test", CLOUDLY_AGENT_URL="http://envoy:9000") == ("envoy:9000", False)
