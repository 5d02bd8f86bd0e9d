"""Who may only look, in a real browser: sees everything, and nothing that the server would refuse."""

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import heading, serious

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(180)]


def test_clusters_and_workloads_offer_a_viewer_nothing_that_is_refused(visit, suite, api, person, cluster):
    workload = api.post("/api/v1/workloads", {"name": "lookout", "clusterId": cluster, "image": "nginx:1.29"})
    page = person.at(visit, "/clusters")
    heading(page, "Clusters")
    expect(page.get_by_role("link", name="harbour")).to_be_visible()
    expect(page.get_by_role("button", name="New cluster")).to_have_count(0)
    page.get_by_role("link", name="harbour").click()
    heading(page, "harbour")
    for name in ("Signatures", "Rotate jump code", "Delete"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    expect(page.get_by_role("link", name="New workload")).to_have_count(0)
    assert serious(page) == []
    page.get_by_role("link", name="lookout").click()
    heading(page, "lookout")
    expect(page.get_by_role("region", name="Facts")).to_contain_text("nginx:1.29")
    for name in ("Announce", "Delete", "One more"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)
    page.get_by_role("tab", name="Versions").click()
    expect(page.get_by_role("table", name="Versions").get_by_role("row")).to_have_count(2)
    expect(page.get_by_role("columnheader", name="Roll back")).to_have_count(0)
    assert serious(page) == []
    # Whoever was given the address of a form is told so before filling it in.
    page.goto(f"{suite.url}/workloads/{workload['id']}/edit")
    expect(page.get_by_text("You may not change workloads")).to_be_visible()
    page.goto(f"{suite.url}/clusters?create")
    heading(page, "Clusters")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_keys_offer_a_viewer_nothing_that_is_refused(visit, person):
    page = person.at(visit, "/keys")
    heading(page, "Keys")
    expect(page.get_by_role("table", name="Master keys").get_by_text("Current")).to_be_visible()
    expect(page.get_by_role("table", name="Signing keys").get_by_text("Signs", exact=True)).to_be_visible()
    for name in ("Rotate", "Drop"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    assert serious(page) == []
