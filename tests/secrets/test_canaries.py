"""No secret in a log, an answer, an event, the audit log, Redis, the database or a file: each is sent, then looked for.

Where secrets come in is read off the contract: a new `sensitive` field is sent by itself, and fails here when it cannot be
reached. What the server makes and gives away once (tokens, jump codes, links) is taken from its answers by the same marks.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from cloudly_kit import contract
from cloudly_kit.canaries import leaks

from tests.conftest import Suite
from tests.loop import Agent, wait_until
from tests.secrets.contract import Path as FieldPath
from tests.secrets.contract import json_name, request_with, taken
from tests.secrets.places import files, kept, own_keys
from tests.secrets.wire import Canaries, Wire

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(280)]

ELSEWHERE = {
    "IssueServiceToken.assertion": "made by services alone; services/auth/tests/test_secrets.py looks for one",
    "FinishOidcLogin.code": "sent to the address that an identity provider leads back to: see `people`",
    "FinishOidcLogin.state": "the same",
    "VerifyCredentials.password": "sent by the registry for a login at /v2/token",
}
"""Secrets of methods without a route, and how they come in here."""
TYPED = {
    "adminLoginWithUsernameAndPassword": lambda canary: {"username": "admin", "password": canary},
    "getIdentityByToken": lambda canary: {"token": canary, "tokenType": "jumpcode"},
    "updateSettings": lambda canary: {"updates": {"hetznerToken": canary, "dcrouterTargetPort": canary}},
    "createExternalRegistry": lambda canary: {"registryData": REGISTRY | {"name": "typed", "password": canary}},
    "updateExternalRegistry": lambda canary: {"registryData": REGISTRY | {"name": "typed", "password": canary}},
}
"""What the legacy calls carry that take a secret."""
REGISTRY = {"type": "docker", "url": "https://registry.example.com", "username": "canary"}
BESIDE = {
    "CompleteLogin.challenge": {"code": "123456"},
    "ChangePassword.old_password": {"newPassword": "long enough to be one"},
    "CreateUser.user.password": {"user": {"roles": ["viewer"]}},
    "CreateExternalRegistry.external_registry.password": {"username": "canary"},
    ".proof.passkey.challenge": {"proof": {"passkey": {"credential": "{}"}}},
}
"""What has to stand beside a secret, by the end of its name, so that it is looked at."""
BY_HAND = {
    "ChangePassword.new_password": "only who knows the old one gets so far: see `people`",
    "SetSetting.value": "see `machines`",
    "UpdateOidcProvider.oidc_provider.client_secret": "see `machines`",
    "UpdateUser.user.password": "see `people`",
    "UpdateExternalRegistry.external_registry.password": "see `machines`",
}
"""What needs something that exists, and where it is sent."""


@pytest.fixture(scope="module")
def noisy(scratch: Path) -> Iterator[Suite]:
    """A suite of its own, whose logs are at their most talkative and whose database holds nothing else."""
    running = Suite(scratch / "canaries", CLOUDLY_LOG_LEVEL="debug")
    running.start()
    yield running
    running.stop()


def test_no_secret_is_anywhere_but_with_its_owner(noisy: Suite, scratch: Path) -> None:
    canaries = Canaries()
    canaries.known |= {"the admin's first password": noisy.admin_password, **own_keys(noisy)}
    wire = Wire(noisy, canaries)
    wire.as_admin(noisy)
    # First: all that follows makes failed logins, which are limited by address.
    command_line(wire, noisy, scratch)
    unreached = [where for method, path in taken() if (where := reach(wire, method, path))]
    assert unreached == [], "send these in another way, or say in ELSEWHERE how they come in"
    assert typed_requests(wire) == [], "write down in TYPED what these carry"
    people(wire)
    machines(wire, noisy, scratch)
    registry(wire, noisy)
    places = [*wire.answers, *told(wire), *kept(noisy, wire.redis)]
    noisy.stop()
    places += files(noisy)
    assert {place for place, _ in places} >= {"the log of auth", "the log of gateway", "the metrics", "Redis"}
    assert any(b"rpc.audited" in content for place, content in places if place.startswith("the log of "))
    found = leaks(canaries.all, places)
    assert not found, "\n".join(found)


def reach(wire: Wire, method: contract.Method, path: FieldPath) -> str:
    """Send canaries in one field of a method; answers the field when the refusals are about something else."""
    where = f"{method.name}.{'.'.join(path)}"
    if where in ELSEWHERE or where in BY_HAND:
        return ""
    if not method.rules.http.WhichOneof("pattern"):
        return where
    name = f"{method.service.rsplit('.')[-1]}.{method.name}"
    beside = next((fields for end, fields in BESIDE.items() if where.endswith(end)), {})
    reached, answer = False, None
    for plain in (False, True):
        forget_failures(wire)
        address, body = request_with(method, path, wire.canaries.new(where, plain=plain))
        answer = wire.send(name, address, _merged(body, beside), "" if method.rules.access.public else None)
        assert answer.status_code < 500, f"{where}: {answer.status_code} {answer.text}"
        told = {} if answer.is_success else answer.json()
        looked_at = answer.is_success or answer.status_code in (400, 401, 409)
        reached |= looked_at and all(_about(one, path) for one in told.get("violations", ()))
    return "" if reached or answer is None else f"{where}: {answer.status_code} {answer.text}"


def forget_failures(wire: Wire) -> None:
    """Let the limits of failed logins begin anew, which would refuse what is sent unseen."""
    for key in wire.redis.scan_iter(match="cloudly.auth.attempts*"):
        wire.redis.delete(key)


def _about(violation: dict[str, str], path: FieldPath) -> bool:
    """Whether a violation is about the field: at it, at what holds it, or at its neighbour on its account."""
    asked = ".".join(json_name(name) for name in path)
    field = re.sub(r"\[\d+\]", "", violation["field"])
    return asked == field or asked.startswith(f"{field}.") or path[-1].replace("_", " ") in violation["description"]


def _merged(body: dict[str, Any], beside: dict[str, Any]) -> dict[str, Any]:
    return body | {
        key: _merged(body[key], value) if isinstance(body.get(key), dict) else value for key, value in beside.items()
    }


def typed_requests(wire: Wire) -> list[str]:
    """Send canaries with every legacy call that takes a secret; answers those of which it is not known how."""
    names = {name for method, _ in taken() for name in method.rules.typed_request}
    for name in sorted(names & set(TYPED)):
        for plain in (False, True):
            canary = wire.canaries.new(f"{name} over TypedRequest", plain=plain)
            request = TYPED[name](canary) | {"identity": {"jwt": wire.token}}
            envelope = {"method": name, "request": request, "correlation": {"id": "c", "phase": "request"}}
            answer = wire.http.post("/typedrequest", json=envelope)
            assert answer.status_code == 200, answer.text
            wire.note(f"the answer of {name} over TypedRequest", answer)
    return sorted(names - set(TYPED))


def people(wire: Wire) -> None:
    """A life with passwords, links, tokens and second factors, each used rightly and wrongly."""
    new = wire.canaries.new
    password, second = new("a password"), new("a changed password")
    ada = wire.done("UserService.CreateUser", {"user": {"name": "ada", "roles": ["admin"], "password": password}})
    wire.call("UserService.CreateUser", {"user": {"name": "ada", "roles": ["admin"], "password": password}})
    session = wire.login("ada", password)
    change = {"oldPassword": password, "newPassword": second}
    wire.done("FactorService.ChangePassword", change, session["accessToken"])
    wire.change(f"/api/v1/users/{ada['id']}", "password", password)
    wire.done("FactorService.ChangePassword", change, wire.login("ada", password)["accessToken"])
    session = wire.login("ada", second)
    wire.done("AuthService.RefreshSession", {"refreshToken": session["refreshToken"]}, "")
    wire.call("AuthService.RefreshSession", {"refreshToken": session["refreshToken"]}, "")
    ada_token = wire.login("ada", second)["accessToken"]
    begun = wire.done("FactorService.BeginTotp", {"proof": {"password": second}}, ada_token)
    code = pyotp.TOTP(begun["secret"]).now()
    confirmed = wire.done("FactorService.ConfirmTotp", {"code": code}, ada_token)
    challenge = wire.login("ada", second)["challenge"]["token"]
    recovery = confirmed["recoveryCodes"][0]["code"]
    for answered in (recovery, recovery):
        body = {"challenge": challenge, "code": answered}
        wire.call("FactorService.CompleteLogin", body, "")
    link = wire.done(
        "InvitationService.CreateInvitation",
        {"invitation": {"name": "bob", "roles": ["viewer"]}},
    )["link"]
    token = link.rsplit("=", 1)[-1].rsplit("#", 1)[-1]
    wire.canaries.keep("an invitation's token", token)
    wire.done("InvitationService.LookUpInvitation", {"token": token}, "")
    accept = {"token": token, "password": new("an invited user's password")}
    for _ in range(2):
        wire.call("InvitationService.AcceptInvitation", accept, "")
    wire.done("InvitationService.IssueResetLink", {}, user_id=ada["id"])
    back = {"code": new("an authorization code"), "state": new("a state", plain=True)}
    wire.note("the answer to one who is led back", wire.http.get("/auth/oidc/callback", params=back))
    made = wire.done("ApiTokenService.CreateApiToken", {"token": {"name": "canary"}})
    for bearer in (made["secret"], made["secret"] + "x", new("a Bearer token", plain=True)):
        wire.note(
            "the answer to a Bearer token",
            wire.http.get("/api/v1/clusters", headers={"authorization": f"Bearer {bearer}"}),
        )


def machines(wire: Wire, suite: Suite, scratch: Path) -> None:
    """Jump codes, join tokens, credentials of providers, registries and receivers of webhooks."""
    new = wire.canaries.new
    cluster = wire.done("ClusterService.CreateCluster", {"cluster": {"name": "canary"}})
    wire.done("AuthService.ExchangeToken", {"token": cluster["jumpCode"]}, "")
    agent = Agent(suite.url, cluster["jumpCode"], "unix:///nonexistent.sock", scratch / "canary-agent", 0)
    agent.start()
    wait_until("the agent's login", lambda: entries(wire, 'actor.type = "machine"'))
    agent.stop()
    wire.note("the agent's log", httpx.Response(200, text=agent.log_tail()))
    wire.done("ClusterService.RotateJumpCode", {}, cluster_id=cluster["cluster"]["id"])
    wire.done("JoinTokenService.CreateJoinToken", {"joinToken": {"name": "canary"}})
    for key in ("hetznerToken", "dcrouterGatewayApiToken"):
        wire.done("SettingService.SetSetting", {"value": new(key, plain=True)}, key=key)
    workers = [{"url": "https://worker.example.com", "token": new("a worker's token", plain=True)}]
    wire.done("SettingService.SetSetting", {"value": json.dumps(workers)}, key="corebuildWorkersJson")
    login = REGISTRY | {
        "type": "EXTERNAL_REGISTRY_TYPE_DOCKER",
        "name": "hub",
        "password": new("a registry's password"),
    }
    made = wire.done("ExternalRegistryService.CreateExternalRegistry", login)
    id_ = (made.get("externalRegistry") or made)["id"]
    wire.done("ExternalRegistryService.GetExternalRegistry", external_registry_id=id_)
    wire.change(f"/api/v1/external-registries/{id_}", "password", new("a registry's next password"))
    provider = {"name": "second", "issuer": "https://login.example.org", "clientId": "canary"}
    provider["clientSecret"] = new("a client's secret")
    made = wire.done("OidcProviderService.CreateOidcProvider", provider)
    wire.change(f"/api/v1/oidc-providers/{made['id']}", "clientSecret", new("a client's next secret"))
    hook = {"name": "canary", "url": "https://canary.example.com", "events": ["WEBHOOK_EVENT_IMAGE_PUSHED"]}
    made = wire.done("WebhookService.CreateWebhook", hook)["webhook"]
    wire.done("WebhookService.RotateWebhookSecret", {}, webhook_id=made["id"])


def registry(wire: Wire, suite: Suite) -> None:
    """Logins at the registry: Basic and form, right, wrong and malformed."""
    for password in (suite.admin_password, wire.canaries.new("a password at the registry")):
        basic = wire.http.get("/v2/token", auth=("admin", password))
        form = {"grant_type": "password", "username": "admin", "password": password, "service": "x"}
        for answer in (basic, wire.http.post("/v2/token", data=form)):
            wire.note(
                "the answer of /v2/token",
                httpx.Response(answer.status_code, text="" if answer.is_success else answer.text),
            )
    for header in (
        f"Basic {wire.canaries.new('malformed', plain=True)}",
        f"Bearer {wire.canaries.new('malformed', plain=True)}",
    ):
        wire.note("the answer of /v2/", wire.http.get("/v2/", headers={"authorization": header}))


def command_line(wire: Wire, suite: Suite, scratch: Path) -> None:
    """`cloudly`, which keeps its session in a file of its own, and `cloudly admin` on the host."""
    home = scratch / "canary-home"
    programs = Path(sys.executable).parent

    def run(*arguments: str, typed: str, fails: bool = False) -> None:
        environment = {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "PATH": str(programs), "CLOUDLY_URL": suite.url}
        done = subprocess.run(
            [programs / "cloudly", *arguments],
            check=False,
            input=typed,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert bool(done.returncode) == fails, done.stderr
        wire.note(f"what `cloudly {arguments[0]}` printed", httpx.Response(200, text=done.stdout + done.stderr))

    wrong = wire.canaries.new("a password at the command line", plain=True)
    run("login", suite.url, "-u", "admin", "--password-stdin", typed=f"{wrong}\n", fails=True)
    run("login", suite.url, "-u", "admin", "--password-stdin", typed=f"{suite.admin_password}\n")
    run(
        "setting",
        "set",
        "cloudflareToken",
        "--value",
        "-",
        typed=wire.canaries.new("a setting at the command line", plain=True),
    )
    reset = wire.canaries.new("a password set on the host", plain=True)
    data = str(suite.directory / "data")
    run("admin", "--data", data, "reset-password", "admin", "--password-stdin", typed=f"{reset}\n")
    suite.admin_password = reset
    wire.as_admin(suite)


def entries(wire: Wire, filter: str) -> list[Any]:
    answer = wire.http.get(
        "/api/v1/audit/entries", params={"filter": filter}, headers={"authorization": f"Bearer {wire.token}"}
    )
    found: list[Any] = answer.json().get("entries", [])
    return found


def told(wire: Wire) -> Iterator[tuple[str, bytes]]:
    """What readers get: the audit log (once it has all), metrics, executions."""
    last = wire.done(
        "UserService.CreateUser", {"user": {"name": "last", "roles": ["viewer"], "password": "not looked for"}}
    )
    wait_until("the last entry", lambda: entries(wire, f'resource.id = "{last["id"]}"'))
    for place, path in {
        "the audit log": "/api/v1/audit/export",
        "the metrics": "/metrics",
        "the executions": "/api/v1/executions",
        "the settings": "/api/v1/settings",
    }.items():
        answer = wire.http.get(path, headers={"authorization": f"Bearer {wire.token}"})
        assert answer.is_success, f"{path}: {answer.text}"
        yield place, answer.content
