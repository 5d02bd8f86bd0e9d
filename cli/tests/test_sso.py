"""`cloudly login --sso`: the browser comes back to the program, or shows a code."""

import asyncio
import hashlib
import threading
import webbrowser
from urllib.parse import urlencode

import httpx
import pytest
from cloudly.auth.v1 import auth_pb2, sso_pb2
from cloudly_kit.errors import CredentialsInvalid, PermissionDenied

CODE = "cloudly_sso_code"
OURS = hashlib.sha256(b"v").hexdigest()


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


class Browser:
    """Where somebody logs in, or is refused, after strangers have knocked at the program's port."""

    strangers = (
        "",
        "?code=",
        "?code=other",
        f"?code={CODE}",
        f"?code={CODE}&login=v",
        "?refused=no",
        "?refused=no&login=",
    )

    def __init__(self, cloudly, asked):
        self.cloudly = cloudly
        self.asked = asked
        self.brings = {"code": CODE}
        self.pages = []
        self.strangers_saw = []
        self.left = threading.Event()

    def open(self, url):
        threading.Thread(target=self._visit).start()
        return True

    def _visit(self):
        port = f"http://127.0.0.1:{self.asked[0].loopback_port}/"
        self.strangers_saw += [httpx.get(port + query, timeout=20).status_code for query in self.strangers]
        onward = f"{port}?{urlencode({**self.brings, 'login': OURS})}"

        def finish(request):
            if "code" in self.brings:
                return sso_pb2.FinishOidcLoginResponse(redirect_url=onward)
            refusal = PermissionDenied("login", "declined")
            refusal.metadata["redirect_url"] = onward
            raise refusal

        self.cloudly.services.answers["FinishOidcLogin"] = finish
        back = f"{self.cloudly.gateway.url}/auth/oidc/callback?state=s&code=c"
        self.pages.append(httpx.get(back, timeout=20, follow_redirects=True))
        self.left.set()


@pytest.fixture
def browser(monkeypatch, cloudly, asked):
    monkeypatch.setenv("BROWSER", "firefox")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    browser = Browser(cloudly, asked)
    monkeypatch.setattr(webbrowser, "open", browser.open)
    return browser


async def test_the_browser_comes_back_to_the_program(cloudly, asked, browser):
    result = await cloudly("login", cloudly.gateway.url, "--sso")
    assert "https://login.example/?x=1" in result.stderr
    assert "as ada.lovelace" in result.stdout
    assert CODE not in result.output
    started, completed = asked
    assert (started.provider, started.show_code, completed.code) == ("corp", False, CODE)
    assert await asyncio.to_thread(browser.left.wait, 20)
    assert set(browser.strangers_saw) == {404}
    (page,) = browser.pages
    assert page.status_code == 200
    assert "close this page" in page.text
    assert 'username = "ada.lovelace"' in cloudly.config.read_text()


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        ("the login was declined at <Corp>", "the login was declined at <Corp>"),
        ("\x1b[2Jno\r\n\u202eway" + "y" * 600, "[2Jnoway" + "y" * 492),
        ("\x07", "the login was refused"),
    ],
    ids=["words", "control characters, and long", "nothing"],
)
async def test_a_refused_login_ends_the_command_at_once(cloudly, asked, browser, refused, told):
    before = cloudly.config.read_text()
    browser.brings = {"refused": refused}
    result = await cloudly("login", cloudly.gateway.url, "--sso", code=3)
    assert f"Error: you are not logged in: {told}\n" in result.stderr
    assert len(asked) == 1
    assert cloudly.config.read_text() == before
    assert await asyncio.to_thread(browser.left.wait, 20)
    assert set(browser.strangers_saw) == {404}
    (page,) = browser.pages
    assert "You are not logged in" in page.text
    assert "<Corp>" not in page.text


async def test_a_refusal_that_ends_nothing_is_shown_on_a_page(cloudly):
    def finish(request):
        raise CredentialsInvalid("this was <answered> before: start again")

    cloudly.services.answers["FinishOidcLogin"] = finish
    async with httpx.AsyncClient() as http:
        page = await http.get(f"{cloudly.gateway.url}/auth/oidc/callback?state=s&code=c", timeout=20)
    assert page.status_code == 401
    assert "This was &lt;answered&gt; before" in page.text


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
