"""A real browser for the dashboard's tests."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.browser import ARGUMENTS, CHROMIUM, EXPECTED_WITHIN_MS, Visit
from tests.e2e.people import Person

expect.set_options(timeout=EXPECTED_WITHIN_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def visit(browser, suite) -> Iterator[Visit]:
    # Nothing moves, so that what is looked at stands still.
    context = browser.new_context(viewport={"width": 1360, "height": 860}, reduced_motion="reduce")
    made = Visit(context, suite.url)
    yield made
    context.close()
    assert made.complaints == []
    assert made.foreign == []


@pytest.fixture
def person(api) -> Iterator[Person]:
    """Somebody who may only look."""
    made = Person(api)
    yield made
    api.delete(f"/api/v1/users/{made.id}")


@pytest.fixture
def cluster(api) -> Iterator[str]:
    """The id of a cluster named `harbour`, without an agent."""
    made = api.post("/api/v1/clusters", {"cluster": {"name": "harbour"}})["cluster"]
    yield made["id"]
    api.delete(f"/api/v1/clusters/{made['id']}", params={"force": "true"})
