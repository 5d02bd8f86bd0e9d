"""The page of external registries in a real browser; the registry that is external to it is the suite's own."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import HEARD_WITHIN_MS, dialog, heading, serious

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(180)]


def test_a_registry_is_added_checked_corrected_and_deleted(visit, suite, api):
    page = visit.logged_in(suite, "/external-registries")
    heading(page, "External registries")
    page.get_by_role("button", name="New registry").click()
    making = dialog(page, "New external registry")
    making.get_by_label("Name", exact=False).first.fill("Not A Name")
    making.get_by_label("Address").fill(suite.url)
    making.get_by_label("User name").fill(suite.admin_username)
    making.get_by_label("Password or token").fill("not the password")
    assert serious(page) == []
    making.get_by_role("button", name="Add registry").click()
    expect(making.get_by_role("textbox", name="Name *")).to_have_attribute("aria-invalid", "true")
    making.get_by_role("textbox", name="Name *").fill("harbour-master")
    making.get_by_role("button", name="Add registry").click()
    row = page.get_by_role("row", name=re.compile("harbour-master"))
    # What is added is tried out at once.
    expect(row).to_contain_text("Login refused", timeout=HEARD_WITHIN_MS)
    row.get_by_role("button", name="Show details").click()
    expect(page.get_by_text("Last failure")).to_be_visible()
    assert serious(page) == []

    def chosen(action: str) -> None:
        page.get_by_role("button", name="Actions on harbour-master").click()
        page.get_by_role("menuitem", name=action).click()

    chosen("Edit")
    editing = dialog(page, "Edit harbour-master")
    expect(editing.get_by_label("Password or token")).to_have_value("")
    editing.get_by_label("Password or token").fill(suite.admin_password)
    editing.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("Working", timeout=HEARD_WITHIN_MS)
    assert suite.admin_password not in page.content()
    # Another edit leaves the password that is kept, and so the standing.
    chosen("Edit")
    editing = dialog(page, "Edit harbour-master")
    editing.get_by_label("Description").fill("Ours.")
    editing.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Ours.")).to_be_visible(timeout=HEARD_WITHIN_MS)
    expect(row).to_contain_text("Working")
    chosen("Delete")
    dialog(page, "Delete registry harbour-master?").get_by_role("button", name="Delete registry").click()
    expect(row).to_have_count(0)
    assert api.get("/api/v1/external-registries").get("externalRegistries", []) == []


def test_who_may_only_look_is_offered_nothing_else(visit, browser, suite, api):
    api.post("/api/v1/external-registries", {"name": "hub", "url": "https://docker.io"})
    grace = {"name": "grace", "roles": ["viewer"], "password": "correct horse battery"}
    user = api.post("/api/v1/users", {"user": grace})
    page = visit.open("/external-registries")
    page.get_by_label("User name").fill("grace")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in", exact=True).click()
    heading(page, "External registries")
    expect(page.get_by_role("row", name=re.compile("hub"))).to_contain_text("Not checked")
    expect(page.get_by_role("button", name="New registry")).to_have_count(0)
    expect(page.get_by_role("button", name="Actions on hub")).to_have_count(0)
    page.goto(f"{suite.url}/registry")
    expect(page.get_by_label("Usage")).to_be_visible()
    expect(page.get_by_role("button", name="Collect now")).to_have_count(0)
    api.delete(f"/api/v1/users/{user['id']}")
    for one in api.get("/api/v1/external-registries")["externalRegistries"]:
        api.delete(f"/api/v1/external-registries/{one['id']}")
