"""The page of API tokens in a real browser."""

import re

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.e2e.browser import dialog, heading, serious

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(180)]


def test_a_token_is_made_with_a_scope_used_and_revoked(visit, suite, api, cluster):
    page = visit.logged_in(suite, "/tokens")
    heading(page, "API tokens")
    page.get_by_role("button", name="New token").click()
    making = dialog(page, "New API token")
    making.get_by_label("Name").fill("from the pipeline")
    making.get_by_label("May do").select_option("Chosen permissions")
    making.get_by_label("Where").select_option(label="Only in chosen clusters, workloads and repositories")
    making.get_by_role("button", name="Create token").click()
    # An empty choice never becomes everything.
    expect(making.get_by_text("Choose at least one permission.")).to_be_visible()
    expect(making.get_by_text("Choose at least one cluster, workload or repository.")).to_be_visible()
    assert serious(page) == []
    making.get_by_label("workloads.read").check()
    making.get_by_label("harbour").check()
    making.get_by_label("Works for").select_option("30 days")
    making.get_by_role("button", name="Create token").click()
    making = dialog(page, "Token from the pipeline is made")
    secret = making.locator("#secret code").inner_text()
    assert secret.startswith("cloudly_pat_")
    # Escape does not take away what is shown only once.
    page.keyboard.press("Escape")
    expect(making.locator("#secret")).to_be_visible()
    making.get_by_role("button", name="Done").click()
    expect(page.locator("#secret")).to_have_count(0)
    assert secret not in page.content()

    program = httpx.Client(base_url=suite.url, headers={"authorization": f"Bearer {secret}"})
    assert program.get(f"/api/v1/clusters/{cluster}").status_code == 403
    assert program.get("/api/v1/users").status_code == 403
    assert program.get("/api/v1/workloads", params={"clusterId": cluster}).status_code == 200
    page.reload()
    row = page.get_by_role("row", name=re.compile("from the pipeline"))
    expect(row).to_contain_text("workloads.read")
    expect(row).to_contain_text("1 cluster")
    expect(row).to_contain_text("just now")
    row.get_by_role("button", name="Show details").click()
    expect(page.get_by_role("cell", name=re.compile("Clusters harbour"))).to_be_visible()

    page.get_by_role("button", name="Revoke the token from the pipeline").click()
    confirm = dialog(page, "Revoke the token from the pipeline?")
    expect(confirm).to_contain_text("Last used")
    confirm.get_by_role("button", name="Revoke token").click()
    expect(page.get_by_role("row", name=re.compile("from the pipeline"))).to_have_count(0)
    assert program.get("/api/v1/workloads", params={"clusterId": cluster}).status_code == 401
    program.close()


def test_a_token_whose_answer_was_lost_is_not_made_twice(visit, suite, api):
    page = visit.logged_in(suite, "/tokens")
    page.get_by_role("button", name="New token").click()
    making = dialog(page, "New API token")
    making.get_by_label("Name").fill("once")

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/api/v1/tokens", lose, times=1)
    making.get_by_role("button", name="Create token").click()
    expect(making.get_by_role("alert")).to_contain_text("Cloudly does not answer")
    making.get_by_role("button", name="Create token").click()
    expect(dialog(page, "Token once is made")).to_contain_text("made by an earlier attempt of this request")
    made = [token["id"] for token in api.get("/api/v1/tokens")["tokens"] if token["name"] == "once"]
    assert len(made) == 1
    api.delete(f"/api/v1/tokens/{made[0]}")


def test_an_admin_makes_tokens_for_others_who_see_only_their_own(visit, suite, api):
    grace = api.post(
        "/api/v1/users", {"user": {"name": "grace", "roles": ["viewer"], "password": "correct horse battery"}}
    )
    api.post("/api/v1/tokens", {"token": {"name": "mine"}})
    page = visit.logged_in(suite, "/tokens")
    page.get_by_role("button", name="New token").click()
    making = dialog(page, "New API token")
    making.get_by_label("Name").fill("reports")
    making.get_by_label("Acts for").select_option(label="grace")
    # Only the owner's roles can be had.
    expect(making.get_by_role("group", name="Roles").get_by_role("checkbox")).to_have_count(1)
    making.get_by_label("Works for").select_option("Without an end")
    making.get_by_role("button", name="Create token").click()
    dialog(page, "Token reports is made").get_by_role("button", name="Done").click()
    expect(page.get_by_role("row", name=re.compile("reports"))).to_have_count(0)
    page.get_by_label("Whose tokens").select_option("Everybody's")
    expect(page.get_by_role("row", name=re.compile("reports"))).to_contain_text("grace")
    page.get_by_role("button", name="Log out").click()

    page.get_by_label("User name").fill("grace")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="API tokens").click()
    expect(page.get_by_role("row", name=re.compile("reports"))).to_contain_text("never")
    expect(page.get_by_role("row", name=re.compile("mine"))).to_have_count(0)
    expect(page.get_by_label("Whose tokens")).to_have_count(0)
    api.delete(f"/api/v1/users/{grace['id']}")
