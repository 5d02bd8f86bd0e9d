"""The page of Cloudly's own keys in a real browser, with rotations that really happen."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import dialog, heading, serious
from tests.loop import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(300)]
ROTATED_WITHIN_MS = 120_000


def test_the_master_key_is_rotated_and_an_earlier_one_is_dropped_only_after_its_time(visit, suite, api):
    api.call("PUT", "/api/v1/settings/hetznerToken", json={"value": "hcloud-0123456789"})
    before = api.get("/api/v1/auth/master-keys")["masterKeys"][0]["id"]
    page = visit.logged_in(suite, "/keys")
    heading(page, "Keys")
    keys = page.get_by_role("table", name="Master keys")
    expect(keys.get_by_role("row").filter(has_text=before)).to_contain_text("Current")
    assert serious(page) == []
    page.get_by_role("button", name="Rotate the master key").click()
    asking = dialog(page, "Rotate the master key?")
    expect(asking).to_contain_text("Everything goes on meanwhile")
    asking.get_by_role("button", name="Rotate").click()
    # The page follows the rotation by itself: its run ends, and the keys are others then.
    runs = page.get_by_role("table", name="Rotations")
    expect(runs.get_by_role("row").nth(1)).to_contain_text(
        re.compile("Done.*sealed anew: auth [0-9]+", re.DOTALL), timeout=ROTATED_WITHIN_MS
    )
    expect(keys.get_by_role("row").filter(has_text=before)).to_contain_text("Earlier", timeout=ROTATED_WITHIN_MS)
    now = api.get("/api/v1/auth/master-keys")["masterKeys"][0]["id"]
    assert now != before
    expect(keys.get_by_role("row").filter(has_text=now)).to_contain_text("Current")
    assert api.get("/api/v1/settings/hetznerToken")["value"] == "****6789"

    page.get_by_role("button", name="Drop earlier keys").click()
    asking = dialog(page, "Drop the earlier master keys?")
    ends = asking.get_by_role("list", name="What this ends")
    expect(ends).to_contain_text(f"The master key {before}, for ever")
    expect(ends).to_contain_text("Backups of the database")
    expect(ends).to_contain_text("Logins of docker")
    drop = asking.get_by_role("button", name="Drop keys")
    expect(drop).to_be_disabled()
    asking.get_by_role("textbox").fill("drop")
    drop.click()
    expect(asking.get_by_role("alert")).to_contain_text("try again after")
    assert serious(page) == []
    api.delete("/api/v1/settings/hetznerToken")


def test_the_signing_keys_are_rotated_and_nobody_is_logged_out(visit, suite, api):
    page = visit.logged_in(suite, "/keys")
    table = page.get_by_role("table", name="Signing keys")
    table.scroll_into_view_if_needed()
    following = kid_in(api, "NEXT")

    def rotate() -> bool:
        # Right after another rotation the next key has to be known for a while first: the dialog says so, and waits.
        asking.get_by_role("button", name="Rotate").click()
        expect(asking.get_by_role("button", name="Working")).to_have_count(0)
        return kid_in(api, "ACTIVE") == following

    page.get_by_role("button", name="Rotate the signing keys").click()
    asking = dialog(page, "Rotate the signing keys?")
    wait_until("a rotation", rotate)
    expect(table.get_by_role("row").filter(has_text=following)).to_contain_text("Signs")
    page.reload()
    heading(page, "Keys")


def kid_in(api, state: str) -> str:
    keys = api.get("/api/v1/auth/signing-keys")["signingKeys"]
    return next(str(key["kid"]) for key in keys if key["state"] == f"SIGNING_KEY_STATE_{state}")


def test_who_may_not_see_keys_is_told_so(visit, suite, api):
    made = api.post("/api/v1/users", {"user": {"name": "kim", "roles": ["api"], "password": "correct horse battery"}})
    page = visit.open("/keys")
    page.get_by_label("User name").fill("kim")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in", exact=True).click()
    heading(page, "Keys")
    expect(page.get_by_text("You may not see the keys")).to_be_visible()
    expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Keys")).to_have_count(0)
    api.delete(f"/api/v1/users/{made['id']}")
