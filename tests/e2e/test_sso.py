"""Single sign-on in a real browser, with a real identity provider: the login page, the page of providers, the CLI."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pyotp
import pytest
from cloudly_auth.testing import provider_process
from playwright.sync_api import Page, expect

from tests.conftest import Api
from tests.e2e.browser import Visit, dialog, heading, serious
from tests.e2e.people import give_authenticator, kept_codes, next_code

__all__ = ["provider_process"]
pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def abroad(browser, suite) -> Iterator[Visit]:
    """A visit that may leave for the provider; its pages' complaints are the provider's own."""
    context = browser.new_context(viewport={"width": 1360, "height": 860}, reduced_motion="reduce")
    yield Visit(context, suite.url)
    context.close()


@pytest.fixture
def corp(api, provider_process) -> Iterator[str]:
    """The id of a provider whose people become viewers."""
    wish = {
        "name": "corp", "displayName": "Corp", "issuer": provider_process.url, "clientId": "cloudly",
        "clientSecret": "hush", "autoCreate": True, "defaultRoles": ["viewer"],
    }  # fmt: skip
    made = api.post("/api/v1/oidc-providers", wish)
    before = {user["id"] for user in api.get("/api/v1/users")["users"]}
    yield made["id"]
    api.delete(f"/api/v1/oidc-providers/{made['id']}")
    # Other tests of the session count the users.
    for user in api.get("/api/v1/users")["users"]:
        if user["id"] not in before:
            api.delete(f"/api/v1/users/{user['id']}")


def authorize(page: Page, subject: str) -> None:
    """Log in at the provider."""
    page.locator("input[name=sub]").fill(subject)
    page.get_by_role("button", name="Authorize").click()


def test_somebody_logs_in_with_the_account_they_have_and_lands_where_they_wanted(abroad, corp):
    page = abroad.open("/workloads")
    page.get_by_role("button", name="Log in with Corp").click()
    authorize(page, "hopper@example.com")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    heading(page, "Workloads")
    expect(page.get_by_role("group", name="Account")).to_contain_text("hopper@example.com")
    assert "sso" not in page.url
    assert [one for one in abroad.complaints if "localhost" not in one] == []


def test_who_declines_there_and_whose_login_was_begun_elsewhere_are_told(abroad, corp):
    page = abroad.open("/login")
    page.get_by_role("button", name="Log in with Corp").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text(re.compile("You are not logged in|invalid_request"))).to_be_visible()
    page = abroad.open("/login#sso=cloudly_sso_of_somebody_else")
    expect(page.get_by_text("This login was begun elsewhere")).to_be_visible()
    assert serious(page) == []


def test_an_account_is_linked_on_its_page_and_unlinked_there(abroad, suite, corp):
    page = abroad.logged_in(suite, "/account")
    page.get_by_role("button", name="Link Corp").click()
    authorize(page, "root@example.com")
    expect(page.get_by_text("Your account is linked to root@example.com at Corp")).to_be_visible()
    # Rows are there once they are in view.
    linked = page.get_by_role("table", name="Linked accounts")
    linked.scroll_into_view_if_needed()
    expect(linked).to_contain_text("root@example.com")
    assert "sso=" not in page.url
    assert serious(page) == []
    page.get_by_role("button", name="Unlink Corp").click()
    dialog(page, "Unlink Corp?").get_by_role("button", name="Unlink").click()
    expect(page.get_by_role("button", name="Link Corp")).to_be_visible()


@pytest.mark.parametrize("way", ["password", "code", "passkey"])
def test_linking_long_after_the_login_asks_for_a_proof(abroad, suite, corp, person, way):
    page = person.at(abroad, "/account")
    if way == "code":
        own = Api(suite.url, person.name, person.password)
        app = pyotp.TOTP(own.post("/api/v1/auth/factors/totp")["secret"])
        own.post("/api/v1/auth/factors/totp/confirm", {"code": app.now()})
        page.reload()
    if way == "passkey":
        give_authenticator(page)
        page.get_by_role("button", name="Add passkey").click()
        dialog(page, "Add a passkey").get_by_role("button", name="Create passkey").click()
        kept_codes(page)
        expect(page.get_by_role("list", name="Passkeys").get_by_role("listitem")).to_have_count(1)
    person.logged_in_long_ago(suite)
    page.get_by_role("button", name="Link Corp").click()
    confirm = dialog(page, "Confirm that it is you")
    assert serious(page) == []
    if way == "passkey":
        confirm.get_by_role("button", name="Use a passkey").click()
        confirm.get_by_role("button", name="Continue with a passkey").click()
    else:
        if way == "code":
            confirm.get_by_role("button", name="Use a code").click()
        field = confirm.get_by_label("Your password" if way == "password" else "Code")
        field.fill("000000000")
        confirm.get_by_role("button", name="Continue").click()
        # Whoever only sits here goes no further.
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_be_focused()
        field.fill(person.password if way == "password" else next_code(app))
        confirm.get_by_role("button", name="Continue").click()
    authorize(page, f"{person.name}@example.com")
    expect(page.get_by_text(f"Your account is linked to {person.name}@example.com at Corp")).to_be_visible()


def test_the_page_of_providers_makes_tests_and_deletes_them(visit, suite, api, provider_process):
    page = visit.logged_in(suite, "/sso")
    heading(page, "Single sign-on")
    page.get_by_role("button", name="New provider").click()
    form = dialog(page, "New identity provider")
    form.get_by_label("Name", exact=True).fill("main")
    form.get_by_label("Issuer").fill(f"{provider_process.url}/wrong")
    form.get_by_label("Client id").fill("cloudly")
    form.get_by_label("Client secret").fill("hush")
    form.get_by_role("button", name="Add group").click()
    form.get_by_label("Group", exact=True).fill("ops")
    assert serious(page) == []
    form.get_by_role("button", name="Create provider").click()
    report = dialog(page, "Test of main")
    expect(report.get_by_text("Logins will not work")).to_be_visible()
    report.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Actions on main").click()
    page.get_by_role("menuitem", name="Edit").click()
    form = dialog(page, "Identity provider main")
    form.get_by_label("Issuer").fill(provider_process.url)
    # A secret is never sent to another issuer than it was given for.
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_text("must be given again")).to_be_visible()
    form.get_by_label("Client secret").fill("hush")
    form.get_by_role("button", name="Save").click()
    report = dialog(page, "Test of main")
    expect(report.get_by_text("Nothing stands in the way")).to_be_visible()
    assert serious(page) == []
    report.get_by_role("button", name="Done").click()
    (kept,) = api.get("/api/v1/oidc-providers")["oidcProviders"]
    assert kept["roleMappings"] == [{"group": "ops", "role": "viewer"}]
    page.get_by_role("button", name="Actions on main").click()
    page.get_by_role("menuitem", name="Delete").click()
    confirm = dialog(page, "Delete identity provider main?")
    confirm.get_by_role("textbox").fill("main")
    confirm.get_by_role("button", name="Delete provider").click()
    expect(page.get_by_text("No identity provider yet")).to_be_visible()


def cloudly(home: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The command, in a home directory of its own."""
    return subprocess.Popen(
        [Path(sys.executable).with_name("cloudly"), *arguments],
        env={**os.environ, "XDG_CONFIG_HOME": str(home), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


class Opened:
    """`cloudly login --sso`, and the address that it has a browser open."""

    def __init__(self, home: Path, url: str) -> None:
        opened, opener = home / "opened", home / "browser"
        opener.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part && mv {opened}.part {opened}\n')
        opener.chmod(0o700)
        self.running = cloudly(home, "login", url, "--sso", "corp", BROWSER=str(opener), SSH_CONNECTION="")
        deadline = time.monotonic() + 60
        while not opened.exists():
            assert self.running.poll() is None, self.running.stdout.read()
            if time.monotonic() > deadline:
                self.running.kill()
                pytest.fail(f"no browser was opened: {self.running.stdout.read()}")
            time.sleep(0.05)
        self.address = opened.read_text()
        opened.unlink()


def test_the_command_line_logs_in_by_a_browser_here_or_elsewhere(abroad, suite, corp, tmp_path):
    opened = Opened(tmp_path, suite.url)
    page = abroad.context.new_page()
    page.goto(opened.address)
    authorize(page, "here")
    expect(page.get_by_text("You can close this page")).to_be_visible()
    said, _ = opened.running.communicate(timeout=60)
    assert opened.running.returncode == 0, said
    assert "as here" in said

    running = cloudly(tmp_path, "login", suite.url, "--sso", "corp", "--no-browser")
    while "http" not in (line := running.stdout.readline()):
        assert running.poll() is None, running.stdout.read()
    page.goto(line.strip())
    authorize(page, "elsewhere")
    code = page.locator("cl-copy code")
    expect(code).to_have_text(re.compile("^cloudly_sso_"))
    said, _ = running.communicate(f"{code.inner_text()}\n", timeout=60)
    assert running.returncode == 0, said
    assert "as elsewhere" in said
    whoami = cloudly(tmp_path, "auth", "whoami").communicate(timeout=60)[0]
    assert "elsewhere" in whoami


def test_the_command_line_ends_when_somebody_declines_at_the_provider(abroad, suite, corp, tmp_path):
    opened = Opened(tmp_path, suite.url)
    # The provider at hand forgets to send the state along (RFC 6749 §4.1.2.1), so its redirect is made here.
    (state,) = parse_qs(urlsplit(opened.address).query)["state"]
    page = abroad.context.new_page()
    page.goto(f"{suite.url}/auth/oidc/callback?{urlencode({'error': 'access_denied', 'state': state})}")
    expect(page.get_by_role("heading", name="You are not logged in")).to_be_visible()
    said, _ = opened.running.communicate(timeout=60)
    assert opened.running.returncode == 3, said
    assert "the login was declined at Corp" in said
