"""The page of settings in a real browser."""

import json
import re

import pytest
from cloudly_providers.testing.corebuild import CorebuildFake
from cloudly_providers.testing.dcrouter import DcrouterFake
from playwright.sync_api import expect

from tests.e2e.browser import dialog, heading, serious

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(180)]

TOKEN = "canary-of-hetzner-1234"


def test_settings_are_checked_set_masked_kept_and_cleared(visit, suite, api):
    page = visit.logged_in(suite, "/settings")
    heading(page, "Settings")
    gateway = page.get_by_role("region", name="dcrouter gateway")
    gateway.get_by_role("button", name="Edit the settings of dcrouter gateway").click()
    editing = dialog(page, "dcrouter gateway")
    expect(editing.get_by_role("button", name="Save")).to_be_disabled()
    editing.get_by_label("Gateway URL").fill("https://gateway.example.com/")
    editing.get_by_label("Target port").fill("99999")
    editing.get_by_role("button", name="Save").click()
    # The fault is told at its field, and nothing of the rest was written.
    expect(editing.get_by_label("Target port")).to_have_attribute("aria-invalid", "true")
    expect(editing.get_by_label("Target port")).to_have_accessible_description(
        re.compile("whole number from 1 to 65535")
    )
    expect(editing.get_by_label("Gateway URL")).to_have_attribute("aria-invalid", "false")
    assert not api.get("/api/v1/settings/dcrouterGatewayUrl").get("set")
    assert serious(page) == []
    editing.get_by_label("Target port").fill("8443")
    editing.get_by_label("Gateway API token").fill(TOKEN)
    editing.get_by_label("Gateway API token").press("Enter")
    expect(gateway).to_contain_text("https://gateway.example.com")
    expect(gateway).to_contain_text("****1234")
    expect(gateway).to_contain_text("Set by admin")
    assert TOKEN not in page.content()

    # A secret that is left empty stays, a plain value that is emptied goes.
    gateway.get_by_role("button", name="Edit the settings of dcrouter gateway").click()
    editing = dialog(page, "dcrouter gateway")
    expect(editing.get_by_label("Gateway API token")).to_have_value("")
    editing.get_by_label("Target port").fill("")
    editing.get_by_role("button", name="Save").click()
    expect(gateway).not_to_contain_text("8443")
    assert api.get("/api/v1/settings/dcrouterGatewayApiToken")["value"] == "****1234"

    gateway.get_by_role("button", name="Clear dcrouterGatewayApiToken").click()
    confirm = dialog(page, "Clear dcrouterGatewayApiToken?")
    expect(confirm).to_contain_text("What clusters does with it")
    confirm.get_by_role("button", name="Clear setting").click()
    expect(gateway).not_to_contain_text("****1234")
    assert not api.get("/api/v1/settings/dcrouterGatewayApiToken").get("set")
    api.delete("/api/v1/settings/dcrouterGatewayUrl")


def outcome(panel, result):
    """The result of a test that is begun now, once it is there."""
    panel.get_by_role("button", name="Test connection").click()
    found = panel.get_by_role("group", name=f"Result for {result}")
    expect(found).to_be_visible()
    return found


def test_a_connection_is_tested_and_told_in_words(visit, suite, api, hetzner):
    page = visit.logged_in(suite, "/settings")
    panel = page.get_by_role("region", name="Hetzner")
    button = panel.get_by_role("button", name="Test connection to Hetzner")
    expect(button).to_be_disabled()
    expect(button).to_have_accessible_description("Nothing is set yet: there is nothing to test.")

    def set_token(token):
        panel.get_by_role("button", name="Edit the settings of Hetzner").click()
        editing = dialog(page, "Hetzner")
        editing.get_by_label("Token").fill(token)
        editing.get_by_role("button", name="Save").click()
        expect(panel).to_contain_text(f"****{token[-4:]}")

    set_token("mistyped-hetzner-0000")
    found = outcome(panel, "hetzner")
    expect(found).to_contain_text("Does not work")
    expect(found).to_contain_text(
        re.compile(r"Reachable\s*yes\s*Authenticated\s*no, it refuses.*\s*Permitted\s*not checked")
    )
    expect(found).to_contain_text(re.compile("What to do.*set hetznerToken", re.DOTALL))
    assert serious(page) == []
    # What was found before a change tells nothing of what is set now.
    set_token("hetzner-token-read")
    expect(found).to_have_count(0)
    expect(outcome(panel, "hetzner")).to_contain_text(re.compile(r"Authenticated\s*yes\s*Permitted\s*no"))
    set_token("hetzner-token-write")
    found = outcome(panel, "hetzner")
    expect(found).to_contain_text("Works")
    expect(found).to_contain_text(re.compile(r"Permitted\s*yes"))
    expect(found).to_contain_text(hetzner.api)
    assert serious(page) == []
    api.delete("/api/v1/settings/hetznerToken")


def test_several_workers_are_told_each_and_what_is_away_says_so(visit, suite, api):
    page = visit.logged_in(suite, "/settings")
    panel = page.get_by_role("region", name="CoreBuild workers")
    with CorebuildFake() as away:
        gone = away.url
    with CorebuildFake("worker-token") as here:
        workers = [{"url": here.url, "token": "worker-token", "id": "here"}, {"url": gone, "id": "away"}]
        api.call("PUT", "/api/v1/settings/corebuildWorkersJson", json={"value": json.dumps(workers)})
        page.reload()
        expect(outcome(panel, "corebuild here")).to_contain_text("Works")
        lost = panel.get_by_role("group", name="Result for corebuild away")
        expect(lost).to_contain_text("Does not work")
        expect(lost).to_contain_text(re.compile(r"Reachable\s*no"))
        expect(lost).to_contain_text(gone)
    api.delete("/api/v1/settings/corebuildWorkersJson")


def test_what_is_half_set_or_cannot_be_tested_says_so(visit, suite, api):
    page = visit.logged_in(suite, "/settings")
    panel = page.get_by_role("region", name="dcrouter gateway")
    with DcrouterFake() as gateway:
        api.call("PUT", "/api/v1/settings/dcrouterGatewayUrl", json={"value": gateway.url})
        page.reload()
        panel.get_by_role("button", name="Test connection").click()
        expect(panel.get_by_role("alert")).to_contain_text("dcrouterGatewayApiToken")
        api.call("PUT", "/api/v1/settings/dcrouterGatewayApiToken", json={"value": gateway.token})
        page.reload()
        expect(outcome(panel, "dcrouter")).to_contain_text("Works")
    # Nothing in Cloudly works with it, or there is nobody to ask.
    for name in ("AWS", "baseOS"):
        panel = page.get_by_role("region", name=name, exact=True)
        expect(panel.get_by_role("button", name="Edit")).to_be_visible()
        expect(panel.get_by_role("button", name="Test")).to_have_count(0)
    for key in ("dcrouterGatewayUrl", "dcrouterGatewayApiToken"):
        api.delete(f"/api/v1/settings/{key}")


def test_a_provider_that_this_server_cannot_test_is_told_as_not_supported(visit, suite, api):
    api.call("PUT", "/api/v1/settings/awsRegion", json={"value": "eu-central-1"})
    page = visit.open("/login")
    # As a server would answer that offers a test and has none behind it.
    page.route(
        re.compile("/api/v1/settings$"),
        lambda route: route.fulfill(
            json={"settings": [one | {"testable": True} for one in route.fetch().json()["settings"]]}
        ),
    )
    page.get_by_label("User name").fill(suite.admin_username)
    page.get_by_label("Password").fill(suite.admin_password)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_role("link", name="Settings").click()
    panel = page.get_by_role("region", name="AWS")
    panel.get_by_role("button", name="Test connection to AWS").click()
    alert = panel.get_by_role("alert")
    expect(alert).to_contain_text("Not supported")
    expect(alert).to_contain_text("what can be tested: cloudflare, corebuild")
    api.delete("/api/v1/settings/awsRegion")


def test_an_edit_of_what_somebody_else_has_changed_is_refused(visit, suite, api):
    api.call("PUT", "/api/v1/settings/hetznerToken", json={"value": "as-it-was-read-0000"})
    page = visit.logged_in(suite, "/settings")
    hetzner = page.get_by_role("region", name="Hetzner")
    expect(hetzner).to_contain_text("****0000")
    page.get_by_role("button", name="Edit the settings of Hetzner").click()
    editing = dialog(page, "Hetzner")
    api.call("PUT", "/api/v1/settings/hetznerToken", json={"value": "somebody-elses-9999"})
    editing.get_by_label("Token").fill(TOKEN)
    editing.get_by_role("button", name="Save").click()
    expect(editing.get_by_text("Somebody else has changed one of them")).to_be_visible()
    assert api.get("/api/v1/settings/hetznerToken")["value"] == "****9999"
    api.delete("/api/v1/settings/hetznerToken")


def test_who_is_no_admin_is_told_so(visit, suite, api):
    made = api.post(
        "/api/v1/users", {"user": {"name": "vera", "roles": ["viewer"], "password": "correct horse battery"}}
    )
    page = visit.open("/settings")
    page.get_by_label("User name").fill("vera")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in", exact=True).click()
    heading(page, "Settings")
    expect(page.get_by_text("Settings are for admins")).to_be_visible()
    expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Settings")).to_have_count(0)
    api.delete(f"/api/v1/users/{made['id']}")
