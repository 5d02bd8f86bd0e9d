"""The first loop on a real Docker Swarm: from a push to a container, and everything that can come in between."""

import os
import signal

import httpx
import pytest
from cloudly_kit.testing import free_port

from tests.dockerd import describe
from tests.loop import Agent, Loop, NeverHappened, fetch, is_digest, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.e2e, pytest.mark.timeout(300)]
DOMAIN = "shop.example.test"


@pytest.fixture(scope="module")
def traffic_port():
    return free_port()


@pytest.fixture(scope="module")
def loop(suite, api, scratch):
    made = Loop(api, suite.admin_username, suite.admin_password, scratch / "loop")
    made.jump_code = made.create_cluster("east")
    return made


@pytest.fixture(scope="module")
def agent(suite, loop, docker_engine, scratch, traffic_port):
    running = Agent(suite.url, loop.jump_code, docker_engine.host, scratch / "agent", traffic_port)
    running.start()
    yield running
    running.stop()
    print(running.log_tail())
    docker_engine.remove_services()


@pytest.fixture
def explain(docker_engine, agent, suite):
    """On a failure, what Swarm and the agent say."""
    yield
    print(describe(docker_engine))
    print(agent.log_tail()[-2500:])


def test_01_the_agent_connects_outward_and_appears_online(loop, agent):
    assert loop.read_cluster()["agentState"] in ("AGENT_STATE_AWAITED", "AGENT_STATE_ONLINE")
    loop.wait_for_agent()
    wait_until(
        "the node's appearing",
        lambda: loop.api.get("/api/v1/nodes", params={"clusterId": loop.cluster["id"]}).get("nodes"),
    )


def test_02_a_workload_without_an_image_says_where_to_push_one(loop, agent):
    workload = loop.create_workload("web", replicas=1, domains=[{"name": DOMAIN}])
    assert workload["registryTarget"].endswith(f"/workloads/web-{workload['id'][:8]}")
    assert loop.reason() == "IMAGE_AWAITED"
    assert workload["registryTarget"] in loop.read()["status"]["message"]


def test_03_a_push_becomes_a_running_container_of_that_digest(loop, agent, explain):
    digest = loop.push("version one", "v1")
    assert is_digest(digest)
    workload = loop.wait_until_running(digest=digest)
    assert workload["imageDigest"] == digest
    assert workload["imageTag"] == "v1"
    running = [d for d in loop.deployments() if d["state"] == "DEPLOYMENT_STATE_RUNNING"]
    assert [d["imageDigest"] for d in running] == [digest]


def test_04_the_workloads_domain_leads_to_it(loop, agent, traffic_port, explain):
    wait_until("an answer of version one", lambda: fetch(DOMAIN, traffic_port) == "version one")
    assert httpx.get(f"http://127.0.0.1:{traffic_port}/", headers={"Host": "unknown.test"}).status_code == 404


def test_05_the_replica_count_follows(loop, agent, explain):
    loop.scale(2)
    loop.wait_until_running(replicas=2)
    loop.scale(1)
    loop.wait_until_running(replicas=1)


def test_06_a_new_tag_is_a_rolling_update_and_the_way_back_exists(loop, agent, traffic_port, explain):
    first = loop.read()["imageDigest"]
    second = loop.push("version two", "v2")
    loop.wait_until_running(digest=second)
    wait_until("an answer of version two", lambda: fetch(DOMAIN, traffic_port) == "version two")
    loop.roll_back()
    loop.wait_until_running(digest=first)
    wait_until("an answer of version one again", lambda: fetch(DOMAIN, traffic_port) == "version one")
    causes = [
        version["cause"] for version in loop.api.get(f"/api/v1/workloads/{loop.workload_id}/versions")["versions"]
    ]
    assert causes[0].startswith("rolled back to")
    assert causes[-1] == "created"


def test_07_the_same_push_twice_changes_nothing(loop, agent):
    before = loop.read()["generation"]
    loop.push("version one", "v1")
    loop.push("version one", "v1")
    loop.wait_until_running()
    # Pushing v1 again names the tag v1 (it was v2 before the way back), and is one change at most.
    assert int(loop.read()["generation"]) - int(before) <= 1


def test_08_an_image_that_does_not_exist_is_named_and_the_old_one_goes_on_running(loop, agent, traffic_port, explain):
    missing = loop.api.post(
        "/api/v1/workloads",
        {
            "name": "missing",
            "clusterId": loop.cluster["id"],
            "image": f"{loop.read()['registryTarget'].split('/')[0]}/no/such:1",
        },
    )
    path = f"/api/v1/workloads/{missing['id']}"

    def reason():
        return loop.api.get(path)["status"]["conditions"][0]["reason"]

    wait_until("being told that there is no such image", lambda: reason() in ("NO_SUCH_IMAGE", "PULL_DENIED"))
    assert fetch(DOMAIN, traffic_port) == "version one"
    loop.api.delete(path)
    wait_until(
        "its being gone",
        lambda: not loop.api.get("/api/v1/deployments", params={"workloadId": missing["id"]}).get("deployments"),
    )


def test_09_a_task_that_fails_is_shown_with_its_last_words(loop, agent, explain):
    web = loop.read()
    wish = {
        "name": "crashing",
        "clusterId": loop.cluster["id"],
        "image": f"{web['registryTarget']}@{web['imageDigest']}",
        "command": ["/bin/sh", "-c", "echo the disk is full; exit 3"],
    }
    crashing = loop.api.post("/api/v1/workloads", wish)
    path = f"/api/v1/workloads/{crashing['id']}"
    wait_until("the failure", lambda: loop.api.get(path)["status"]["conditions"][0]["reason"] == "TASK_FAILED")

    def last_words():
        listed = loop.api.get("/api/v1/deployments", params={"workloadId": crashing["id"], "pageSize": 200})
        return [line for d in listed.get("deployments", []) for line in d.get("logTail", [])]

    wait_until("the last words", lambda: any("the disk is full" in line for line in last_words()))
    loop.api.delete(path)


@pytest.mark.parametrize("victim", ["clusters", "registry", "auth", "gateway", "envoy", "traefik", "redis", "mongo"])
def test_10_any_process_killed_in_the_middle_the_loop_completes(suite, loop, agent, explain, victim):
    text = f"after the death of {victim}"
    processes = suite.processes()
    digest = loop.push(text, f"kill-{victim}")
    os.kill(processes[victim], signal.SIGKILL)
    # The push was acknowledged, so it has to come true whoever dies.
    loop.wait_until_running(digest=digest, seconds=120)
    wait_until("its coming back", lambda: suite.processes().get(victim, processes[victim]) != processes[victim])


def test_11_the_agent_killed_in_the_middle_the_loop_completes(loop, agent, explain):
    digest = loop.push("after the death of the agent", "kill-agent")
    agent.kill()
    agent.start()
    loop.wait_until_running(digest=digest, seconds=120)


def test_12_an_agent_that_is_gone_is_told_and_what_runs_goes_on(loop, agent, traffic_port, explain):
    before = fetch(DOMAIN, traffic_port)
    agent.stop()
    wait_until("being told offline", lambda: loop.read_cluster()["agentState"] == "AGENT_STATE_OFFLINE")
    assert loop.reason() == "AGENT_OFFLINE"
    assert fetch(DOMAIN, traffic_port) == before
    agent.start()
    loop.wait_for_agent()
    loop.wait_until_running()


def test_13_deleting_the_workload_stops_what_runs(loop, agent, docker_engine, explain):
    loop.api.delete(f"/api/v1/workloads/{loop.workload_id}")

    def gone():
        return not any(
            "web-" in name for name in docker_engine.docker("service", "ls", "--format", "{{.Name}}").split()
        )

    wait_until("the service's being gone", gone)
    with pytest.raises(NeverHappened):
        wait_until("still being there", lambda: loop.read(), seconds=1)
