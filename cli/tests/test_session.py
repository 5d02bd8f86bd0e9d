"""Logging in and staying so."""

import asyncio
import stat
import tomllib

from cloudly.auth.v1 import auth_pb2, factor_pb2, sso_pb2
from cloudly_kit.errors import CredentialsInvalid, TokenRevoked, Unavailable


async def test_a_login_keeps_the_session_for_its_owner_alone(cloudly):
    known = tomllib.loads(cloudly.config.read_text())
    name = known["current"]
    assert known["contexts"][name]["url"] == cloudly.gateway.url
    assert known["contexts"][name]["username"] == "ada"
    assert "hunter2" not in cloudly.config.read_text()
    assert stat.S_IMODE(cloudly.config.stat().st_mode) == 0o600


async def test_a_wrong_password_is_refused_and_changes_nothing(cloudly):
    def refuse(_):
        raise CredentialsInvalid

    before = cloudly.config.read_text()
    cloudly.services.answers["Login"] = refuse
    result = await cloudly("login", cloudly.gateway.url, "-u", "ada", "--password-stdin", input="no\n", code=3)
    assert "Credentials invalid" in result.stderr
    assert cloudly.config.read_text() == before


async def test_where_there_is_no_admin_yet_a_refused_password_is_not_blamed(cloudly):
    def refuse(_):
        raise CredentialsInvalid

    cloudly.services.answers["Login"] = refuse
    cloudly.services.answers["ListLoginOptions"] = sso_pb2.ListLoginOptionsResponse(password=False)
    result = await cloudly("login", cloudly.gateway.url, "-u", "ada", "--password-stdin", input="no\n", code=3)
    assert "it has no admin" in result.stderr
    assert "SERVEZONE_ADMINACCOUNT" in result.stderr
    assert "Credentials invalid" not in result.stderr


async def test_a_login_asks_for_what_it_is_not_told(cloudly):
    result = await cloudly("login", cloudly.gateway.url, input="ada\nhunter2\n")
    assert "Logged in" in result.output
    assert "hunter2" not in result.output


async def test_a_login_asks_for_the_code_of_a_second_factor(cloudly):
    whole = cloudly.services.answers["Login"]
    seen = []

    def ask(request):
        kinds = [auth_pb2.FACTOR_KIND_TOTP, auth_pb2.FACTOR_KIND_RECOVERY_CODE]
        return auth_pb2.LoginResponse(challenge=auth_pb2.LoginChallenge(token="the challenge", factors=kinds))

    def complete(request):
        seen.append((request.challenge, request.code))
        answer = whole(auth_pb2.LoginRequest(username="ada", password="hunter2"))
        return factor_pb2.CompleteLoginResponse(
            identity=answer.identity, access_token=answer.access_token, refresh_token=answer.refresh_token
        )

    cloudly.services.answers.update({"Login": ask, "CompleteLogin": complete})
    result = await cloudly("login", cloudly.gateway.url, input="ada\nhunter2\n123456\n")
    assert "Logged in" in result.output
    assert "123456" not in result.output
    await cloudly("login", cloudly.gateway.url, "-u", "ada", "--password-stdin", "--code", "654321", input="hunter2\n")
    assert seen == [("the challenge", "123456"), ("the challenge", "654321")]
    # Where there is nobody to ask.
    alone = await cloudly("login", cloudly.gateway.url, "-u", "ada", "--password-stdin", input="hunter2\n", code=3)
    assert "--code" in alone.stderr


async def test_without_a_login_nothing_is_asked(cloudly):
    await cloudly("logout")
    result = await cloudly("cluster", "list", code=3)
    assert "cloudly login" in result.stderr
    assert "ListClusters" not in cloudly.services.names()
    assert "Logout" in cloudly.services.names()


async def test_an_expired_session_is_renewed_without_a_word(cloudly):
    await cloudly.login(seconds=-60)
    await cloudly("cluster", "list")
    assert cloudly.refreshes == 1
    await cloudly("cluster", "list")
    assert cloudly.refreshes == 1


async def test_a_session_from_before_the_second_factor_is_renewed_once_there_is_one(cloudly):
    authority = cloudly.gateway.harness.authority
    enrolled = False

    def tokens(_):
        fields = {"access_token": authority.issue("admin", name="ada", enrol=not enrolled), "refresh_token": "r"}
        return fields | {"identity": auth_pb2.Identity(id="id-ada", name="ada")}

    cloudly.services.answers |= {
        "Login": lambda request: auth_pb2.LoginResponse(**tokens(request)),
        "RefreshSession": lambda request: auth_pb2.RefreshSessionResponse(**tokens(request)),
    }
    await cloudly.login("admin")
    told = await cloudly("cluster", "list", code=3)
    assert "cloudly factor enrol-totp" in told.stderr
    cloudly.services.answers["BeginTotp"] = factor_pb2.BeginTotpResponse(secret="JBSW", uri="otpauth://totp/x")
    begun = (await cloudly("factor", "enrol-totp")).stdout
    assert begun.count("JBSW") == 1
    assert "cloudly factor confirm-totp" in begun
    enrolled = True
    codes = [factor_pb2.RecoveryCode(code="2xyw-qeuf")]
    cloudly.services.answers["ConfirmTotp"] = factor_pb2.ConfirmTotpResponse(recovery_codes=codes)
    shown = (await cloudly("factor", "confirm-totp", "--code", "123456")).stdout
    assert "2xyw-qeuf" in shown
    assert "shown this once" in shown
    await cloudly("cluster", "list")


async def test_a_renewal_whose_answer_was_lost_is_asked_for_again(cloudly):
    presented = []

    def refresh(request):
        presented.append(request.refresh_token)
        if len(presented) == 1:
            raise Unavailable("auth")
        return auth_pb2.RefreshSessionResponse(access_token=cloudly.token(600), refresh_token="r1")

    await cloudly.login(seconds=-60)
    cloudly.services.answers["RefreshSession"] = refresh
    await cloudly("cluster", "list")
    assert presented == ["r0", "r0"]


async def test_commands_side_by_side_renew_once(cloudly):
    # Using a refresh token twice ends the session: the file's lock lets one of them renew, the others read the result.
    from cloudly_cli.client import Client

    await cloudly.login(seconds=-60)

    def work():
        return Client(next(iter(tomllib.loads(cloudly.config.read_text())["contexts"]))).call("GET", "/api/v1/clusters")

    import os

    before = os.environ.get("XDG_CONFIG_HOME")
    os.environ["XDG_CONFIG_HOME"] = str(cloudly.home)
    try:
        answers = await asyncio.gather(*(asyncio.to_thread(work) for _ in range(6)))
    finally:
        os.environ.pop("XDG_CONFIG_HOME")
        if before is not None:
            os.environ["XDG_CONFIG_HOME"] = before
    assert len(answers) == 6
    assert cloudly.refreshes == 1


async def test_a_session_that_was_ended_asks_for_a_login(cloudly):
    def refuse(_):
        raise TokenRevoked

    await cloudly.login(seconds=-60)
    cloudly.services.answers["RefreshSession"] = refuse
    result = await cloudly("cluster", "list", code=3)
    assert "Token expired" in result.stderr
    assert "cloudly login" in (await cloudly("cluster", "list", code=3)).stderr


async def test_contexts_are_listed_used_and_forgotten(cloudly):
    await cloudly("login", cloudly.gateway.url, "-u", "ada", "--password-stdin", "--name", "second", input="hunter2\n")
    lines = (await cloudly("context", "list")).stdout.splitlines()
    assert lines[2].startswith("*")
    first = lines[1].split()[0]
    await cloudly("context", "use", first)
    assert (await cloudly("context", "list")).stdout.splitlines()[1].startswith("*")
    await cloudly("--context", "second", "cluster", "list")
    await cloudly("context", "remove", "second")
    await cloudly("context", "use", "second", code=4)
    await cloudly("--context", "second", "cluster", "list", code=2)


async def test_the_environment_wins_over_the_file(cloudly):
    token = cloudly.gateway.harness.authority.issue("viewer", name="pipeline")
    await cloudly("cluster", "list", CLOUDLY_URL=cloudly.gateway.url, CLOUDLY_TOKEN=token)
    assert cloudly.services.last_caller("ListClusters").actor.name == "pipeline"


async def test_a_machine_s_secret_in_the_environment_is_exchanged(cloudly):
    token = cloudly.gateway.harness.authority.issue("api", name="robot", type="machine")
    cloudly.services.answers["ExchangeToken"] = auth_pb2.ExchangeTokenResponse(access_token=token)
    await cloudly("workload", "list", CLOUDLY_URL=cloudly.gateway.url, CLOUDLY_TOKEN="jc_secret")
    assert cloudly.services.last("ExchangeToken").token == "jc_secret"
    assert cloudly.services.last_caller("ListWorkloads").actor.name == "robot"


async def test_a_session_is_never_sent_to_another_server(cloudly):
    result = await cloudly("cluster", "list", code=3, CLOUDLY_URL="http://127.0.0.1:1")
    assert "not logged in at http://127.0.0.1:1" in result.stderr


async def test_a_broken_file_is_named(cloudly):
    cloudly.config.write_text("current = ")
    assert "config.toml cannot be read" in (await cloudly("cluster", "list", code=1)).stderr


async def test_status_names_every_part(cloudly):
    name = tomllib.loads(cloudly.config.read_text())["current"]
    output = (await cloudly("--context", name, "status")).stdout
    assert f"{cloudly.gateway.url} is ready." in output
    assert "clusters  ok" in output


async def test_who_am_i(cloudly):
    cloudly.services.answers["GetIdentity"] = auth_pb2.GetIdentityResponse(
        identity={"name": "ada", "roles": ["admin"], "type": auth_pb2.IDENTITY_TYPE_HUMAN}
    )
    assert (await cloudly("auth", "whoami")).stdout.splitlines()[1].split()[:3] == ["ada", "admin", "human"]
