"""`cloudly login --sso`: the browser comes back to the program, or shows a code."""

import asyncio
import threading
import webbrowser

import httpx
import pytest
from cloudly.auth.v1 import auth_pb2, sso_pb2
from cloudly_kit.errors import CredentialsInvalid

CODE = "cloudly_sso_code"


@pytest.fixture
def asked(cloudly):
    """What the server was asked for, in order; it lets whoever has the code and the verifier in."""
    requests = []

    def start(request):
        requests.append(request)
        return sso_pb2.StartOidcLoginResponse(authorization_url="https://login.example/?x=1", verifier="v")

    def complete(request):
        requests.append(request)
        if (request.code, request.verifier) != (CODE, "v"):
            raise CredentialsInvalid("this login is over")
        identity = auth_pb2.Identity(id="id-ada", name="ada.lovelace", roles=["viewer"])
        return sso_pb2.CompleteOidcLoginResponse(identity=identity, access_token=cloudly.token(600), refresh_token="r")

    cloudly.services.answers.update(StartOidcLogin=start, CompleteOidcLogin=complete)
    providers(cloudly, "corp")
    return requests


def providers(cloudly, *names):
    listed = [sso_pb2.LoginProvider(name=name, display_name=name.title()) for name in names]
    cloudly.services.answers["ListLoginOptions"] = sso_pb2.ListLoginOptionsResponse(providers=listed)


@pytest.fixture
def browser(monkeypatch, asked):
    """A browser in which somebody logs in, after strangers have knocked at the port. Answers the pages it saw."""
    monkeypatch.setenv("BROWSER", "firefox")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    seen = []

    def open_(url):
        port = asked[0].loopback_port

        def visit():
            for query in ("", "?code=", "?code=other", f"?code={CODE}"):
                seen.append(httpx.get(f"http://127.0.0.1:{port}/{query}", timeout=20))

        threading.Thread(target=visit).start()
        return True

    monkeypatch.setattr(webbrowser, "open", open_)
    return seen


async def test_the_browser_comes_back_to_the_program(cloudly, asked, browser):
    result = await cloudly("login", cloudly.gateway.url, "--sso")
    assert "https://login.example/?x=1" in result.stderr
    assert "as ada.lovelace" in result.stdout
    assert CODE not in result.output
    started, completed = asked
    assert (started.provider, started.show_code, completed.code) == ("corp", False, CODE)
    async with asyncio.timeout(20):
        while len(browser) < 4:
            await asyncio.sleep(0.02)
    assert [page.status_code for page in browser] == [404, 404, 404, 200]
    assert "close this page" in browser[-1].text
    assert 'username = "ada.lovelace"' in cloudly.config.read_text()


async def test_without_a_browser_the_code_is_typed_in(cloudly, asked):
    providers(cloudly, "corp", "other")
    result = await cloudly("login", "--sso", cloudly.gateway.url, "--no-browser", input=f"other\n {CODE} \n")
    assert "as ada.lovelace" in result.stdout
    assert CODE not in result.output
    assert (asked[0].provider, asked[0].show_code, asked[0].loopback_port) == ("other", True, 0)
    await cloudly("login", cloudly.gateway.url, "--sso", "corp", "--no-browser", input=f"{CODE}\n")
    assert asked[2].provider == "corp"


async def test_what_goes_wrong_is_told_and_keeps_the_session_there_was(cloudly, asked):
    before = cloudly.config.read_text()
    wrong = await cloudly("login", cloudly.gateway.url, "--sso", "--no-browser", input="nonsense\n", code=3)
    assert "this login is over" in wrong.output
    providers(cloudly)
    none = await cloudly("login", cloudly.gateway.url, "--sso", code=4)
    assert "oidc-provider create" in none.output
    await cloudly("login", cloudly.gateway.url, "--sso", "--username", "ada", code=2)
    assert cloudly.config.read_text() == before


async def test_a_second_factor_follows_where_the_account_has_one(cloudly, asked):
    challenge = auth_pb2.LoginChallenge(token="ch", factors=[auth_pb2.FACTOR_KIND_TOTP])
    cloudly.services.answers["CompleteOidcLogin"] = sso_pb2.CompleteOidcLoginResponse(challenge=challenge)
    from cloudly.auth.v1 import factor_pb2

    def second(request):
        assert (request.challenge, request.code) == ("ch", "123456")
        identity = auth_pb2.Identity(id="id-ada", name="ada")
        return factor_pb2.CompleteLoginResponse(identity=identity, access_token=cloudly.token(600), refresh_token="r")

    cloudly.services.answers["CompleteLogin"] = second
    result = await cloudly("login", cloudly.gateway.url, "--sso", "--no-browser", input=f"{CODE}\n123456\n")
    assert "as ada" in result.stdout
