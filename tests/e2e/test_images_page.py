"""The pages of images and of the registry in a real browser."""

import re
import uuid

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import dialog, heading, serious
from tests.e2e.pushing import Repository
from tests.loop import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def repository(suite) -> Repository:
    """A repository of the test's own."""
    return Repository(suite, f"team/r{uuid.uuid4().hex[:8]}")


def image_id(api, repository: Repository) -> str:
    images = api.get("/api/v1/images", params={"filter": f'repository = "{repository.name}"'})["images"]
    return str(images[0]["id"])


def test_a_version_tells_what_it_is_made_of(visit, suite, api, repository):
    index = repository.built("shop", "v2.1")
    repository.sign(index)
    page = visit.logged_in(suite, f"/images/{image_id(api, repository)}")
    heading(page, repository.name)
    expect(page.get_by_text(re.compile(rf"docker pull localhost:\d+/{repository.name}:v2\.1"))).to_be_visible()
    row = page.get_by_role("row", name=re.compile(r"v2\.1"))
    expect(row).to_contain_text("2.3 MiB")
    assert serious(page) == []
    # Parts of the index and the signature are there when they are asked for.
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_label("What is shown").select_option("With parts and signatures")
    expect(page.get_by_role("row")).to_have_count(6)
    row.get_by_role("link").click()
    heading(page, "v2.1")

    layers = page.get_by_role("list", name="Layers").get_by_role("listitem")
    expect(layers).to_have_count(3)
    expect(layers.nth(0)).to_contain_text("ADD file:base in /")
    expect(layers.nth(1)).to_contain_text("no layer")
    expect(page.get_by_text("s3cret-in-the-image")).to_have_count(0)
    page.get_by_role("button", name="linux/arm64").click()
    expect(page.get_by_role("button", name="linux/arm64")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Show values").click()
    expect(page.get_by_text("API_KEY=s3cret-in-the-image")).to_be_visible()
    about = page.get_by_role("region", name="Signatures, SBOMs and attestations").get_by_role("listitem")
    expect(about.filter(has_text="Signature")).to_contain_text("application/vnd.cncf.notary.signature")
    expect(about.filter(has_text="SBOM")).to_contain_text("https://spdx.dev/Document of linux/amd64")
    assert serious(page) == []
    # A reload lands on the same page, though the tag looks like the name of a file.
    page.goto(f"{suite.url}/images/{image_id(api, repository)}/versions/v2.1")
    heading(page, "v2.1")


def test_a_version_is_tagged_untagged_deleted_and_restored(visit, suite, api, repository):
    repository.image("one", "v1")
    page = visit.logged_in(suite, f"/images/{image_id(api, repository)}")
    page.get_by_role("row", name=re.compile("v1")).get_by_role("link").click()
    heading(page, "v1")
    page.get_by_role("button", name="Add tag").click()
    tagging = dialog(page, "Tag v1")
    tagging.get_by_role("textbox", name="Tag").fill("not a tag")
    tagging.get_by_role("button", name="Set tag").click()
    expect(tagging.get_by_role("textbox", name="Tag")).to_have_attribute("aria-invalid", "true")
    tagging.get_by_role("textbox", name="Tag").fill("stable")
    tagging.get_by_role("textbox", name="Tag").press("Enter")
    heading(page, "stable")
    page.get_by_role("button", name="Take the tag v1 away").click()
    dialog(page, "Take the tag v1 away?").get_by_role("button", name="Take tag away").click()
    expect(page.get_by_role("button", name="Take the tag v1 away")).to_have_count(0)

    page.get_by_role("button", name="Delete").click()
    confirm = dialog(page, "Delete version stable?")
    expect(confirm.get_by_role("list", name="What this ends")).to_contain_text("The tag stable")
    confirm.get_by_role("button", name="Delete version").click()
    heading(page, repository.name)
    expect(page.get_by_text("Nothing was pushed here yet")).to_be_visible()
    page.get_by_role("tab", name="Deleted").click()
    row = page.get_by_role("row", name=re.compile("stable"))
    expect(row).to_contain_text("by admin")
    row.get_by_role("button", name=re.compile("Restore")).click()
    expect(row).to_have_count(0)
    page.get_by_role("tab", name="Versions").click()
    expect(page.get_by_role("row", name=re.compile("stable"))).to_be_visible()


def test_what_a_workload_uses_is_said_so_and_not_deleted(visit, suite, api, cluster):
    workload = api.post("/api/v1/workloads", {"name": "ferry", "clusterId": cluster})
    repository = Repository(suite, workload["registryTarget"].partition("/")[2])
    page = visit.logged_in(suite, f"/images/{image_id(api, repository)}")
    expect(page.get_by_role("link", name="Open ferry")).to_be_visible()
    repository.image("ferry", "latest")
    row = page.get_by_role("row", name=re.compile("latest"))
    expect(row).to_be_visible()
    # The pin follows the push by an event; the list is read again now and then.
    expect(row).to_contain_text("In use", timeout=60_000)
    row.get_by_role("button", name="Delete latest").click()
    confirm = dialog(page, "Delete version latest?")
    confirm.get_by_role("button", name="Delete version").click()
    expect(confirm.get_by_role("alert")).to_contain_text("runs this, or could go back to it")
    confirm.get_by_role("button", name="Cancel").click()
    row.get_by_role("link").click()
    heading(page, "latest")
    used = page.get_by_role("region", name="Used by")
    expect(used.get_by_role("link", name="ferry")).to_be_visible()
    expect(used.get_by_role("link", name="harbour")).to_be_visible()


def test_settings_are_previewed_saved_and_kept_while_others_push(visit, suite, api, repository):
    for number in range(4):
        repository.image(f"build {number}", f"ci-{number}")
    id = image_id(api, repository)
    page = visit.logged_in(suite, f"/images/{id}")
    page.get_by_role("tab", name="Settings").click()
    expect(page.get_by_role("button", name="Save settings")).to_be_disabled()
    page.get_by_role("button", name="Add rule").click()
    rule = page.get_by_role("group", name="rule 1")
    rule.get_by_label("Tag pattern").fill("ci-*")
    page.get_by_role("button", name="Preview").click()
    expect(rule.get_by_label("Keep the newest")).to_have_attribute("aria-invalid", "true")
    rule.get_by_label("Keep the newest").fill("2")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("2 tags would go at the next collection, 2 stay.")
    expect(page.locator("#preview")).to_contain_text("ci-1")
    page.get_by_label("Anyone may pull, without a login").check()
    page.get_by_label("Quota").fill("1.5")
    page.get_by_role("button", name="Add pattern").click()
    page.get_by_role("group", name="pattern 1").get_by_label("Tag pattern").fill("v*")
    assert serious(page) == []
    # A push in between is no edit of the settings, and takes nothing away that was written.
    repository.image("build 4", "ci-4")
    expect(page.get_by_text("ci-4").first).to_be_attached()
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_text("The settings are saved.")).to_be_visible()
    expect(page.get_by_text("Public", exact=True)).to_be_visible()
    now = api.get(f"/api/v1/images/{id}")
    assert (now["public"], now["quotaBytes"], now["immutableTags"]) == (True, str(3 << 29), ["v*"])
    assert now["retention"] == [{"tagPattern": "ci-*", "keepLast": 2, "keepDays": 0}]

    page.get_by_label("Quota").fill("2")
    api.patch(f"/api/v1/images/{id}", {"description": "theirs"})
    expect(page.get_by_text("theirs", exact=True)).to_be_visible()
    page.get_by_role("button", name="Save settings").click()
    page.get_by_role("button", name="Load what it is now").click()
    expect(page.get_by_label("Description")).to_have_value("theirs")


def test_the_registry_shows_what_it_holds_and_what_a_collection_would_take(visit, suite, api, repository):
    repository.image("one", "ci-1")
    repository.image("two", "ci-2")
    id = image_id(api, repository)
    api.patch(f"/api/v1/images/{id}", {"retention": [{"tagPattern": "ci-*", "keepLast": 1}]})
    page = visit.logged_in(suite, "/registry")
    heading(page, "Registry")
    expect(page.get_by_label("Usage")).to_contain_text(re.compile(r"Stored[\d.]+ [KM]iB"))
    page.get_by_role("button", name="Dry run").click()
    row = page.get_by_role("row", name=re.compile("Dry run")).first
    expect(row).to_contain_text("Done", timeout=60_000)
    expect(row).to_contain_text(re.compile(r"\d+ tag"))
    row.get_by_role("button", name="Show details").click()
    expect(page.get_by_text(f"{repository.name} ci-1")).to_be_visible()
    page.get_by_role("button", name="Check", exact=True).click()
    check = page.get_by_role("table", name="Checks").get_by_role("row").nth(1)
    expect(check).to_contain_text("all is well", timeout=60_000)
    assert serious(page) == []
    # Nothing was changed by it.
    assert [v["tag"] for v in api.get(f"/api/v1/images/{id}")["versions"]] == ["ci-2", "ci-1"]
    api.delete(f"/api/v1/images/{id}")
    page.reload()
    deleted = page.get_by_role("row", name=repository.name)
    deleted.get_by_role("button", name=f"Restore {repository.name}").click()
    expect(deleted).to_have_count(0)
    assert api.get(f"/api/v1/images/{id}")["versionCount"] == 2


def test_an_announced_tag_is_rolled_out_and_again_changes_nothing(visit, suite, api, cluster):
    workload = api.post("/api/v1/workloads", {"name": "herald", "clusterId": cluster})
    repository = Repository(suite, workload["registryTarget"].partition("/")[2])
    first = repository.image("one", "v1")
    second = repository.image("two", "v2")
    path = f"/api/v1/workloads/{workload['id']}"
    wait_until("the push is the wish", lambda: api.get(path).get("imageDigest") == second["digest"])
    page = visit.logged_in(suite, f"/images/{image_id(api, repository)}")
    page.get_by_role("button", name="Announce").click()
    announcing = dialog(page, "Announce a version")
    image = announcing.get_by_role("textbox", name="Image")
    expect(image).to_have_value(f"{workload['registryTarget']}:v2")
    image.fill(f"{workload['registryTarget']}@{first['digest']}")
    announcing.get_by_role("button", name="Announce").click()
    expect(image).to_have_attribute("aria-invalid", "true")
    assert serious(page) == []

    def announce(came: str) -> None:
        image.fill(f"{workload['registryTarget']}:v1")
        announcing.get_by_role("button", name="Announce").click()
        rollouts = dialog(page, "Announced").get_by_role("list", name="Workloads that follow the image")
        expect(rollouts.get_by_role("listitem").filter(has_text="herald")).to_contain_text(came)

    announce("Rolled out")
    assert serious(page) == []
    assert api.get(path)["imageDigest"] == first["digest"]
    dialog(page, "Announced").get_by_role("button", name="Done").click()
    page.get_by_role("button", name="Announce").click()
    announce("Runs it already")
    dialog(page, "Announced").get_by_role("link", name="herald").click()
    heading(page, "herald")
