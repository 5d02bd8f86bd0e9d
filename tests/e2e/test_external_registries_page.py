"""The page of external registries in a real browser; the registry that is external to it is the suite's own."""

import re
import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.conftest import Api
from tests.e2e.browser import dialog, heading, serious
from tests.e2e.pushing import Repository
from tests.loop import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture(autouse=True)
def no_registry_before_or_after(api) -> Iterator[None]:
    """What a test that failed left behind must not fail the next one, nor its own second try."""
    delete_all(api)
    yield
    delete_all(api)


def delete_all(api: Api) -> None:
    for one in api.get("/api/v1/external-registries").get("externalRegistries", []):
        api.delete(f"/api/v1/external-registries/{one['id']}")


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
    expect(row).to_contain_text("Login refused")
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
    expect(row).to_contain_text("Working")
    assert suite.admin_password not in page.content()
    # Another edit leaves the password that is kept, and so the standing.
    chosen("Edit")
    editing = dialog(page, "Edit harbour-master")
    editing.get_by_label("Description").fill("Ours.")
    editing.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Ours.")).to_be_visible()
    expect(row).to_contain_text("Working")
    chosen("Delete")
    dialog(page, "Delete registry harbour-master?").get_by_role("button", name="Delete registry").click()
    expect(row).to_have_count(0)
    assert api.get("/api/v1/external-registries").get("externalRegistries", []) == []


def test_a_registry_is_pulled_through_and_its_cache_cleared(visit, suite, api):
    name, prefix = f"deep/r{uuid.uuid4().hex[:8]}", f"c{uuid.uuid4().hex[:8]}"
    Repository(suite, name).image("one", "v1")
    login = {"username": suite.admin_username, "password": suite.admin_password}
    api.post("/api/v1/external-registries", {"name": "mirror", "url": suite.url, **login})
    page = visit.logged_in(suite, "/external-registries")
    row = page.get_by_role("row", name=re.compile("mirror"))
    expect(row).to_contain_text("none")

    def chosen(action: str) -> None:
        page.get_by_role("button", name="Actions on mirror").click()
        page.get_by_role("menuitem", name=action).click()

    chosen("Edit")
    editing = dialog(page, "Edit mirror")
    editing.get_by_label("Cache prefix").fill("workloads")
    editing.get_by_role("button", name="Save").click()
    expect(editing.get_by_role("textbox", name="Cache prefix")).to_have_attribute("aria-invalid", "true")
    editing.get_by_label("Cache prefix").fill(prefix)
    editing.get_by_label("Keep what nobody pulls for").fill("3")
    assert serious(page) == []
    editing.get_by_role("button", name="Save").click()
    expect(row).to_contain_text(f"{prefix}/")
    expect(row).to_contain_text("0 images")
    row.get_by_role("button", name="Show details").click()
    command = page.get_by_text(f"docker pull localhost:{suite.port}/{prefix}/<repository>:<tag>")
    expect(command).to_be_visible()

    copy = Repository(suite, f"{prefix}/{name}")
    wait_until("a pull by the new prefix", lambda: copy.pull("v1")["layers"])
    expect(row).to_contain_text("1 image")
    expect(page.get_by_role("link", name=f"{prefix}/{name}")).to_be_visible()
    assert serious(page) == []
    chosen("Clear cache")
    dialog(page, "Clear the cache of mirror?").get_by_role("button", name="Clear cache").click()
    expect(row).to_contain_text("0 images")
    (kept,) = api.get("/api/v1/external-registries")["externalRegistries"]
    assert (kept["cachePrefix"], kept["cacheDays"]) == (prefix, 3)


def test_who_may_only_look_is_offered_nothing_else(visit, suite, api, person):
    api.post("/api/v1/external-registries", {"name": "hub", "url": "https://docker.io"})
    page = person.at(visit, "/external-registries")
    heading(page, "External registries")
    expect(page.get_by_role("row", name=re.compile("hub"))).to_contain_text("Not checked")
    expect(page.get_by_role("button", name="New registry")).to_have_count(0)
    expect(page.get_by_role("button", name="Actions on hub")).to_have_count(0)
    page.goto(f"{suite.url}/registry")
    expect(page.get_by_label("Usage")).to_be_visible()
    expect(page.get_by_role("button", name="Collect now")).to_have_count(0)
