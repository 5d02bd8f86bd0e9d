"""Keys change while the whole suite runs: every process follows without a restart, and no agent is lost."""

import base64
from functools import partial

import httpx
import jwt
import pytest

from tests.loop import Agent, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

OF_EVERY_SERVICE = (
    "/api/v1/users",
    "/api/v1/images",
    "/api/v1/clusters",
    "/api/v1/backup-policies",
    "/api/v1/baseos/nodes",
    "/api/v1/tasks",
)
"""Routes that auth, registry, clusters, backups, baseos and tasks answer; the last one asks all the others."""


def kid_of(api) -> str:
    return str(jwt.get_unverified_header(api.http.headers["Authorization"].removeprefix("Bearer "))["kid"])


def rotated(api) -> bool:
    answer = api.http.post("/api/v1/auth/signing-keys/rotate", json={})
    assert answer.status_code in (200, 409), answer.text
    return bool(answer.status_code == 200)


def login_signed_by(suite, kid: str):
    api = suite.api()
    return api if kid_of(api) == kid else None


def registry_login(suite) -> str:
    """A token of the registry, which asks auth for it with a service token of its own."""
    login = base64.b64encode(f"{suite.admin_username}:{suite.admin_password}".encode()).decode()
    answer = httpx.get(f"{suite.url}/v2/token?service=x", headers={"Authorization": f"Basic {login}"}, timeout=30)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def test_every_process_follows_rotations_of_the_signing_keys(suite):
    processes = suite.processes()
    earlier = [suite.api()]
    for _ in range(2):
        keys = earlier[0].get("/api/v1/auth/signing-keys")["signingKeys"]
        (waiting,) = [key["kid"] for key in keys if key["state"] == "SIGNING_KEY_STATE_NEXT"]
        # The second time the next key has to be known for a while first.
        wait_until("a rotation", lambda: rotated(earlier[0]))
        earlier.append(wait_until("a login signed by the new key", partial(login_signed_by, suite, waiting)))
        for api in earlier:
            for path in OF_EVERY_SERVICE:
                api.get(path)
        assert registry_login(suite)
    states = [key["state"] for key in earlier[0].get("/api/v1/auth/signing-keys")["signingKeys"]]
    assert states.count("SIGNING_KEY_STATE_ACTIVE") == states.count("SIGNING_KEY_STATE_NEXT") == 1
    assert suite.processes() == processes


def test_the_master_key_is_rotated_and_every_process_goes_on(suite, api):
    processes = suite.processes()
    api.call("PUT", "/api/v1/settings/hetznerToken", json={"value": "hcloud-0123456789"})
    made = api.post("/api/v1/auth/master-keys/rotate", status=202)

    def ended():
        execution = api.get(f"/api/v1/executions/{made['id']}")
        assert execution["state"] != "EXECUTION_STATE_FAILED", execution
        return execution if execution["state"] == "EXECUTION_STATE_SUCCEEDED" else None

    result = wait_until("the rotation's end", ended)["result"]
    keys = api.get("/api/v1/auth/master-keys")["masterKeys"]
    assert keys[0]["id"] == result["key"]
    assert {key["state"] for key in keys if key.get("sealedValues")} == {"MASTER_KEY_STATE_CURRENT"}
    assert api.get("/api/v1/settings/hetznerToken")["value"] == "****6789"
    assert suite.api().get("/api/v1/users")
    assert suite.processes() == processes


@pytest.fixture
def agents(suite, scratch):
    """Starts agents of one cluster, each with its jump code, on one machine without a Docker engine."""
    started = []

    def start(jump_code: str) -> Agent:
        agent = Agent(suite.url, jump_code, "unix:///nonexistent/docker.sock", scratch / f"agent-{len(started)}", 0)
        started.append(agent)
        agent.start()
        return agent

    yield start
    for agent in started:
        agent.stop()
        print(agent.log_tail())


def test_a_jump_code_is_rotated_without_losing_the_agent_and_ends_with_the_overlap(suite, api, agents):
    made = api.post("/api/v1/clusters", {"cluster": {"name": "rotated"}})
    path = f"/api/v1/clusters/{made['cluster']['id']}"

    def state() -> str:
        return str(api.get(path)["agentState"]).removeprefix("AGENT_STATE_")

    def online() -> None:
        wait_until("the agent's coming online", lambda: state() == "ONLINE")

    def rotate(overlap_seconds: int) -> str:
        return str(api.post(f"{path}/rotate-jump-code", {"overlapSeconds": overlap_seconds})["jumpCode"])

    first = agents(made["jumpCode"])
    online()
    second_code = rotate(3600)
    # The connected agent stays, and may even come back with the old code.
    assert state() == "ONLINE"
    assert "link.broken" not in first.log_tail()
    first.kill()
    wait_until("its being missed", lambda: state() == "OFFLINE")
    first.start()
    online()
    # Restarted with the new code it connects; then the old code's time ends.
    first.stop()
    second = agents(second_code)
    wait_until("the second's being connected", lambda: "link.connected" in second.log_tail())
    online()
    third_code = rotate(0)
    # What the ended code had opened is cut, and it opens nothing any more.
    wait_until("the second's being refused", lambda: "link.refused" in second.log_tail())
    wait_until("the cluster's being told offline", lambda: state() == "OFFLINE")
    second.stop()
    old = agents(made["jumpCode"])
    wait_until("the first code's being refused", lambda: "link.refused" in old.log_tail())
    assert state() == "OFFLINE"
    old.stop()
    agents(third_code)
    online()
