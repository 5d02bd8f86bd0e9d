"""The pages of webhooks in a real browser, with a real receiver."""

import re
import uuid

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import dialog, heading, serious
from tests.e2e.pushing import Repository
from tests.e2e.receiving import receiving

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def receiver():
    """A receiver of this test's own."""
    with receiving() as made:
        yield made


@pytest.fixture
def name() -> str:
    """A webhook's name, and the project whose repositories it is told of."""
    return f"h{uuid.uuid4().hex[:8]}"


def test_a_webhook_is_made_tried_out_rotated_and_deleted(visit, suite, api, receiver, name):
    page = visit.logged_in(suite, "/webhooks")
    heading(page, "Webhooks")
    page.get_by_role("button", name="New webhook").click()
    making = dialog(page, "New webhook")
    making.get_by_label("Name", exact=False).first.fill(name)
    making.get_by_label("URL").fill(receiver.url)
    making.get_by_label("Tag moved").check()
    making.get_by_role("button", name="Add pattern").click()
    making.get_by_role("group", name="pattern 1").get_by_label("Repository pattern").fill(f"{name}/*")
    assert serious(page) == []
    making.get_by_role("button", name="Create webhook").click()
    # Messages in the clear have to be wanted.
    expect(making.get_by_role("textbox", name="URL")).to_have_attribute("aria-invalid", "true")
    making.get_by_label("Allow http").check()
    making.get_by_role("button", name="Create webhook").click()
    shown = dialog(page, f"Webhook {name} is made")
    secret = shown.locator("#secret code").inner_text()
    assert secret.startswith("whsec_")
    assert serious(page) == []
    shown.get_by_role("button", name="Done").click()
    row = page.get_by_role("row", name=re.compile(name))
    expect(row).to_contain_text("Active")
    expect(row).to_contain_text("Image pushed, Tag moved")
    assert secret not in page.content()
    row.get_by_role("link", name=name).click()
    heading(page, name)
    expect(page.get_by_text("Nothing was sent in the last week")).to_be_visible()

    page.get_by_role("button", name="Send test").click()
    expect(page.get_by_text(re.compile("The receiver took the message: 204 in"))).to_be_visible()
    assert receiver.signed_by(secret)
    assert receiver.events[-1]["type"] == "cloudly.webhook.test"

    def chosen(action: str) -> None:
        page.get_by_role("button", name="More").click()
        page.get_by_role("menuitem", name=action).click()

    chosen("Rotate secret")
    rotating = dialog(page, f"Rotate the secret of {name}")
    rotating.get_by_label("The old secret signs for").select_option("An hour")
    rotating.get_by_role("button", name="Rotate secret").click()
    shown = dialog(page, f"The new secret of {name}")
    newer = shown.locator("#secret code").inner_text()
    shown.get_by_role("button", name="Done").click()
    expect(page.get_by_text("signs until")).to_be_visible()
    page.get_by_role("button", name="Send test").click()
    expect(page.get_by_role("table", name="Deliveries").get_by_role("row")).to_have_count(3)
    assert newer != secret
    assert receiver.signed_by(secret)
    assert receiver.signed_by(newer)

    page.get_by_role("button", name="Edit").click()
    editing = dialog(page, f"Edit {name}")
    editing.get_by_label("Description").fill("Builds and scans.")
    editing.get_by_label("Image pushed").uncheck()
    editing.get_by_label("Tag moved").uncheck()
    editing.get_by_role("button", name="Save").click()
    expect(editing.get_by_role("alert").first).to_be_visible()
    editing.get_by_label("Tag deleted").check()
    editing.get_by_role("button", name="Save").click()
    facts = page.get_by_role("region", name="Facts")
    expect(facts).to_contain_text("Builds and scans.")
    expect(facts).to_contain_text("Tag deleted")

    chosen("Delete")
    confirm = dialog(page, f"Delete webhook {name}?")
    confirm.get_by_label(f"Type {name} to confirm").fill(name)
    confirm.get_by_role("button", name="Delete webhook").click()
    heading(page, "Webhooks")
    assert [one for one in api.get("/api/v1/webhooks").get("webhooks", []) if one["name"] == name] == []


def test_deliveries_tell_what_came_of_them_and_are_sent_again(visit, suite, api, receiver, name):
    wish = {"name": name, "url": receiver.url, "allowHttp": True, "repositories": [f"{name}/*"]}
    made = api.post("/api/v1/webhooks", {**wish, "events": ["WEBHOOK_EVENT_IMAGE_PUSHED"]})
    receiver.status = 503
    Repository(suite, f"{name}/app").image("one", "v1")
    page = visit.logged_in(suite, f"/webhooks/{made['webhook']['id']}")
    row = page.get_by_role("row", name=f"{name}/app:v1")
    expect(row).to_contain_text("Trying again", timeout=60_000)
    expect(row).to_contain_text(re.compile(r"503 in \d+ ms"))
    state = page.get_by_role("region", name="State")
    expect(state).to_contain_text("Nothing gets through.")
    # 410: the receiver wants nothing any more, so the webhook disables itself, and says so.
    receiver.status = 410
    row.get_by_role("button", name="Show details").click()
    expect(page.get_by_role("region", name="Body")).to_contain_text('"type": "cloudly.image.pushed"')
    assert serious(page) == []
    # An attempt that came before was answered 503, and the next one comes half a minute after it.
    expect(state).to_contain_text("410", timeout=60_000)
    expect(page.get_by_text("Disabled", exact=True)).to_be_visible()
    assert serious(page) == []
    receiver.status = 204
    state.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("Active", exact=True)).to_be_visible()
    expect(state).to_have_count(0)
    expect(row).to_contain_text("Given up")
    page.get_by_label("Which deliveries").select_option("Given up")
    row.get_by_role("button", name=f"Redeliver {name}/app:v1").click()
    expect(row).to_have_count(0)
    page.get_by_label("Which deliveries").select_option("All deliveries")
    expect(row).to_contain_text("Delivered")
    ids = {headers["webhook-id"] for headers, _ in receiver.got}
    assert len(ids) == 1
    assert receiver.signed_by(made["secret"])

    # Disabled by wish: that is asked for, and has no other reason.
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Disable").click()
    dialog(page, f"Disable webhook {name}?").get_by_role("button", name="Disable webhook").click()
    expect(state).to_contain_text("Disabled: nothing is sent.")
    expect(row.get_by_role("button", name=re.compile("Redeliver"))).to_have_count(0)
    api.delete(f"/api/v1/webhooks/{made['webhook']['id']}")


def test_a_legacy_receiver_is_told_of_pushes_alone(visit, suite, api, receiver, name):
    page = visit.logged_in(suite, "/webhooks")
    page.get_by_role("button", name="New webhook").click()
    making = dialog(page, "New webhook")
    making.get_by_label("Name", exact=False).first.fill(name)
    making.get_by_label("URL").fill(receiver.url)
    making.get_by_label("Allow http").check()
    making.get_by_label("Tag moved").check()
    making.get_by_label("Format").select_option("TypedRequest")
    expect(making.get_by_label("Tag moved")).to_have_count(0)
    expect(making.get_by_label("Image pushed")).to_be_checked()
    assert serious(page) == []
    making.get_by_role("button", name="Create webhook").click()
    dialog(page, f"Webhook {name} is made").get_by_role("button", name="Done").click()
    page.get_by_role("row", name=re.compile(name)).get_by_role("link", name=name).click()
    facts = page.get_by_role("region", name="Facts")
    expect(facts).to_contain_text("TypedRequest")
    # Nothing that the receiver knows could be sent.
    expect(page.get_by_role("button", name="Send test")).to_have_count(0)
    page.get_by_role("button", name="Edit").click()
    editing = dialog(page, f"Edit {name}")
    editing.get_by_label("Format").select_option("CloudEvents")
    editing.get_by_label("Tag moved").check()
    editing.get_by_role("button", name="Save").click()
    expect(facts).to_contain_text("CloudEvents")
    expect(page.get_by_role("button", name="Send test")).to_be_visible()
    (made,) = [one for one in api.get("/api/v1/webhooks")["webhooks"] if one["name"] == name]
    assert made["events"] == ["WEBHOOK_EVENT_IMAGE_PUSHED", "WEBHOOK_EVENT_TAG_MOVED"]
    api.delete(f"/api/v1/webhooks/{made['id']}")


def test_who_may_only_look_sees_webhooks_and_changes_none(visit, api, person, receiver, name):
    wish = {"name": name, "url": receiver.url, "allowHttp": True, "events": ["WEBHOOK_EVENT_IMAGE_PUSHED"]}
    made = api.post("/api/v1/webhooks", {**wish, "repositories": [f"{name}/*"]})["webhook"]
    page = person.at(visit, f"/webhooks/{made['id']}")
    heading(page, name)
    expect(page.get_by_role("region", name="Facts")).to_contain_text(receiver.url)
    for action in ("Send test", "Edit", "More"):
        expect(page.get_by_role("button", name=action)).to_have_count(0)
    page.get_by_role("link", name="Webhooks").first.click()
    heading(page, "Webhooks")
    expect(page.get_by_role("row", name=re.compile(name))).to_be_visible()
    expect(page.get_by_role("button", name="New webhook")).to_have_count(0)
    api.delete(f"/api/v1/webhooks/{made['id']}")
