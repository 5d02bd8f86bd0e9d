"""The page of the audit log in a real browser."""

import hashlib
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import heading, serious
from tests.loop import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(180)]


def logged(api, filter: str) -> list[dict]:
    """The entries that fit, when there are some: they come a moment after what they tell."""
    query = {"filter": filter}
    return wait_until(f"an entry with {filter}", lambda: api.get("/api/v1/audit/entries", params=query).get("entries"))


def test_the_log_is_filtered_by_form_or_address_and_tells_all_of_an_entry(visit, suite, api, cluster):
    entry = logged(api, f'resource.id = "{cluster}" AND method = "ClusterService.CreateCluster"')[0]
    page = visit.logged_in(suite, "/audit")
    heading(page, "Audit log")
    page.get_by_label("Action").fill("ClusterService.Create")
    page.get_by_label("Who").fill("adm")
    page.get_by_label("Resource", exact=True).fill(cluster)
    page.get_by_label("Resource", exact=True).press("Enter")
    row = page.get_by_role("row", name=re.compile("cluster harbour"))
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Done")
    row.get_by_role("button", name="Show details").click()
    details = page.locator(".detail")
    for text in (entry["requestId"], "127.0.0.1", entry["changes"][0]["etagAfter"], f"number {entry['sequence']}"):
        expect(details).to_contain_text(text)
    assert serious(page) == []
    # Reloading, or whoever gets the address, finds the same.
    page.reload()
    expect(page.get_by_label("Action")).to_have_value("ClusterService.Create")
    expect(page.get_by_role("row", name=re.compile("cluster harbour"))).to_have_count(1)
    page.get_by_label("Result").select_option("Denied")
    expect(page.get_by_text("No entry fits")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_label("Who")).to_have_value("")
    expect(page.get_by_role("row", name=re.compile(r"AuthService\.Login")).first).to_be_visible()


def test_older_entries_come_when_asked_for(visit, suite, api):
    made = [api.post("/api/v1/clusters", {"cluster": {"name": f"row-{number}"}})["cluster"] for number in range(52)]
    for one in made:
        api.delete(f"/api/v1/clusters/{one['id']}")
    logged(api, f'resource.id = "{made[-1]["id"]}" AND method = "ClusterService.DeleteCluster"')
    page = visit.logged_in(suite, "/audit?method=ClusterService.&kind=cluster&resource=row-&span=24")
    expect(page.get_by_text("100 entries shown")).to_be_visible()
    page.get_by_role("button", name="Older entries").click()
    expect(page.get_by_text("104 entries shown, which are all")).to_be_visible()
    expect(page.get_by_role("button", name="Older entries")).to_have_count(0)


def test_the_chain_is_verified_and_taken_home_as_lines(visit, suite, api, tmp_path: Path):
    page = visit.logged_in(suite, "/audit")
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("In order")).to_be_visible()
    expect(page.get_by_text(re.compile("hang together"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    assert download.value.suggested_filename.endswith(".jsonl")
    download.value.save_as(tmp_path / "lines")
    lines = (tmp_path / "lines").read_bytes().splitlines()
    assert len(lines) > 1
    for line, following in pairwise(lines):
        assert json.loads(following)["previous_hash"] == hashlib.sha256(line).hexdigest()


def test_who_is_no_admin_is_told_so(visit, suite, api):
    made = api.post(
        "/api/v1/users", {"user": {"name": "otto", "roles": ["operator"], "password": "correct horse battery"}}
    )
    page = visit.open("/audit")
    page.get_by_label("User name").fill("otto")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in", exact=True).click()
    heading(page, "Audit log")
    expect(page.get_by_text("The audit log is for admins")).to_be_visible()
    expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Audit log")).to_have_count(0)
    api.delete(f"/api/v1/users/{made['id']}")
