"""The page of settings in a real browser."""

import re

import pytest
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
