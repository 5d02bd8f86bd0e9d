"""People with logins of their own, and what they prove themselves with in a browser."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
import pyotp
from playwright.sync_api import Page, expect

from tests.conftest import Suite
from tests.e2e.browser import Visit, dialog

AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


class Person:
    """A user of their own, so that no test changes how another logs in."""

    def __init__(self, api: Any, role: str = "viewer") -> None:
        self.name = f"ada-{secrets.token_hex(4)}"
        self.password = secrets.token_urlsafe(16)
        user = {"name": self.name, "roles": [role], "password": self.password}
        self.id = api.post("/api/v1/users", {"user": user})["id"]

    def enter(self, page: Page, password: str = "") -> None:
        """Fill in the login and send it."""
        page.get_by_label("User name").fill(self.name)
        page.get_by_label("Password").fill(password or self.password)
        page.get_by_role("button", name="Log in", exact=True).click()

    def at(self, visit: Visit, path: str) -> Page:
        """Logged in, on a page."""
        page = visit.open(path)
        self.enter(page)
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
        return page

    def logged_in_long_ago(self, suite: Suite) -> None:
        """Make all sessions an hour older than they are."""
        with pymongo.MongoClient(suite.stores()["MONGODB_URL"]) as mongo:
            sessions = mongo["cloudly_auth"]["sessions"]
            changed = sessions.update_many(
                {"scope": self.id}, {"$set": {"create_time": datetime.now(UTC) - timedelta(hours=1)}}
            )
        assert changed.modified_count > 0


def give_authenticator(page: Page) -> Any:
    """A device that keeps passkeys and says yes at once; the CDP session that it lives in."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    return session


def kept_codes(page: Page) -> list[str]:
    """The ten codes of the open dialog, which is then closed."""
    shown = dialog(page, "Your recovery codes")
    rows = shown.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    expect(rows).to_have_count(10)
    codes = rows.all_inner_texts()
    with page.expect_download() as download:
        shown.get_by_role("button", name="Download").click()
    assert all(code in download.value.path().read_text() for code in codes)
    shown.get_by_role("button", name="I have kept them").click()
    expect(shown).to_have_count(0)
    assert codes[0] not in page.content()
    return codes


def next_code(app: pyotp.TOTP) -> str:
    """A code that was not used yet: the one of the next half minute, which the server takes too."""
    return app.at(datetime.now(UTC) + timedelta(seconds=app.interval))
