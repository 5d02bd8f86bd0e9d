"""What the tests of the dashboard's pages share: a visit with its own session, and ways to look at a page."""

import json
import shutil
from pathlib import Path

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WEB = Path(__file__).parents[2] / "web"
AXE = WEB / "node_modules/axe-core/axe.min.js"
EXPECTED_WITHIN_MS = 30_000
"""How long a test waits for what should come by itself: long enough where several browsers and suites share two cores."""

STILL = """() => {
    const still = root => root.getAnimations().every(one => one.effect.getComputedTiming().endTime === Infinity)
        && [...root.querySelectorAll("*")].every(one => !one.shadowRoot || still(one.shadowRoot));
    return still(document);
}"""
"""Whether nothing moves in the page and its shadow roots, but for what turns for ever."""


class Visit:
    """A browser profile with its own session, and what the browser complained about."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.refreshes = 0
        context.on("request", self._requested)
        context.on("console", self._said)

    def open(self, path: str = "/") -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(self.url + path)
        return page

    def logged_in(self, suite, path: str = "/") -> Page:
        page = self.open(path)
        page.get_by_label("User name").fill(suite.admin_username)
        page.get_by_label("Password").fill(suite.admin_password)
        page.get_by_role("button", name="Log in", exact=True).click()
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
        return page

    def _requested(self, request: Request) -> None:
        if not request.url.startswith(self.url):
            self.foreign.append(request.url)
        if request.url.endswith("/api/v1/auth/refresh"):
            self.refreshes += 1

    def _said(self, message: ConsoleMessage) -> None:
        # A refused call is logged by the browser too; that is the server's answer, not the page's fault.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", level=1, name=name, exact=True)).to_be_visible()


def dialog(page: Page, name: str) -> Locator:
    """The content of the open dialog of that name. (It is slotted into the element of role dialog, no descendant of it.)"""
    expect(page.get_by_role("dialog", name=name)).to_be_visible()
    return page.locator("cl-dialog[open]")


def serious(page: Page) -> list[str]:
    """What axe-core finds serious or critical on the page, in words."""
    # What is still fading in has not the colours yet that it will have.
    page.wait_for_function(STILL)
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['help']} at {json.dumps([node['target'] for node in one['nodes'][:3]])}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
    ]
