"""Every page of the dashboard in a real browser, wide and light, narrow and dark: accessible, and nothing cut off."""

import json
import re
import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import WEB, serious
from tests.e2e.pushing import Repository

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(300)]

CUT_OFF = """() => {
    const found = [];
    const look = root => {
        for (const one of root.querySelectorAll("*")) {
            // Tabs scroll in their own bar.
            if (one.matches("button, a, input, select, textarea, summary") && !one.closest("wa-tab-group")) {
                const box = one.getBoundingClientRect();
                if (box.width > 1 && box.right > innerWidth + 1) found.push(one.outerHTML.slice(0, 120));
            }
            if (one.shadowRoot) look(one.shadowRoot);
        }
    };
    look(document);
    if (document.documentElement.scrollWidth > innerWidth) found.push("the page scrolls sideways");
    return found;
}"""
"""Controls that reach beyond the right edge of the window."""

GO = """async path => {
    const main = document.querySelector("cl-app").shadowRoot.querySelector("main");
    const before = main.firstElementChild;
    history.pushState(null, "", path);
    dispatchEvent(new Event("navigated"));
    while (main.firstElementChild === before) await new Promise(requestAnimationFrame);
}"""
"""Go to another page, as a link does, and wait until it is there."""


@pytest.fixture
def paths(suite, api, cluster) -> Iterator[list[str]]:
    """The address of a page for each route that is for whoever is logged in."""
    name = f"p{uuid.uuid4().hex[:8]}"
    workload = api.post("/api/v1/workloads", {"name": name, "clusterId": cluster})
    repository = Repository(suite, workload["registryTarget"].partition("/")[2])
    repository.sign(repository.built("shop", "v2.1"))
    image = api.get("/api/v1/images", params={"filter": f'repository = "{repository.name}"'})["images"][0]["id"]
    wish = {"name": name, "url": "https://ci.example.com/cloudly", "events": ["WEBHOOK_EVENT_IMAGE_PUSHED"]}
    webhook = api.post("/api/v1/webhooks", {**wish, "repositories": [f"{name}/*"]})["webhook"]["id"]
    ids = {"clusters": cluster, "workloads": workload["id"], "images": image, "webhooks": webhook}
    routes = re.findall(r'path: "(/[^"]*)"(?![^}]*audience)', (WEB / "src/routes.ts").read_text())
    yield [route.replace(":id", ids.get(route.split("/")[1], "")).replace(":reference", "v2.1") for route in routes]
    api.delete(f"/api/v1/webhooks/{webhook}")


@pytest.mark.parametrize("look", ["wide-light", "narrow-dark"])
def test_every_page_is_whole_and_accessible(visit, suite, paths, look):
    width, scheme = {"wide-light": (1360, "light"), "narrow-dark": (400, "dark")}[look]
    page = visit.logged_in(suite, "/nowhere")
    page.set_viewport_size({"width": width, "height": 860})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    assert len(paths) > 20
    faults = {}
    for path in paths:
        page.evaluate(GO, path)
        settled(page)
        if told := serious(page) + page.evaluate(CUT_OFF):
            faults[path] = told
    assert faults == {}, json.dumps(faults, indent=1)


def settled(page: Page) -> None:
    """Wait until the page has read what it shows."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text(re.compile(r"^Reading .*…$"))).to_have_count(0)
