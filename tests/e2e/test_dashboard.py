"""The dashboard in a real browser, against the whole suite."""

import json
import re
import subprocess

import pytest
from playwright.sync_api import Page, Request, expect

from tests.e2e.browser import WEB, Visit, dialog, heading, serious

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(180)]


def test_the_types_of_the_dashboards_records_are_those_of_the_contract(suite):
    check = subprocess.run(
        ["npm", "run", "--silent", "api", "--", suite.url, "--check"],
        cwd=WEB,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert check.returncode == 0, check.stderr


def test_a_wrong_password_is_refused_in_words_and_the_right_one_leads_where_one_wanted_to_go(visit, suite):
    page = visit.open("/workloads?only=attention")
    page.get_by_label("User name").fill(suite.admin_username)
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Wrong user name or password")
    page.get_by_label("Password").fill(suite.admin_password)
    page.get_by_label("Password").press("Enter")
    heading(page, "Workloads")
    assert page.url == f"{suite.url}/workloads?only=attention"


def test_the_login_page_offers_what_works_here(visit, suite):
    page = visit.open("/login")
    expect(page.get_by_role("button", name="Log in with a passkey")).to_be_visible()
    told = {"password": False, "passkeys": False}
    page.route("**/api/v1/auth/login-options", lambda route: route.fulfill(json=told))
    page.reload()
    # Before the first admin there is no password that could be right.
    expect(page.get_by_text("Cloudly has no admin")).to_be_visible()
    expect(page.get_by_label("User name")).to_have_count(0)
    expect(page.get_by_role("button", name="Log in with a passkey")).to_have_count(0)
    assert serious(page) == []
    told["password"] = True
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_label("User name")).to_be_visible()
    expect(page.get_by_role("button", name="Log in with a passkey")).to_have_count(0)


def test_logging_out_ends_the_session_in_every_tab_and_on_the_server(visit, suite):
    first = visit.logged_in(suite)
    second = visit.open("/clusters")
    heading(second, "Clusters")
    token = json.loads(first.evaluate("localStorage.getItem('cloudly.session')"))["accessToken"]
    first.get_by_role("button", name="Log out").click()
    for page in (first, second):
        expect(page.get_by_role("heading", name="Log in to Cloudly")).to_be_visible()
    answer = visit.context.request.get(f"{suite.url}/api/v1/clusters", headers={"authorization": f"Bearer {token}"})
    assert answer.status == 401


def test_a_new_cluster_shows_its_jump_code_once_and_that_code_logs_in(visit, suite, api):
    page = visit.logged_in(suite, "/clusters")
    page.get_by_role("button", name="New cluster").click()
    making = dialog(page, "New cluster")
    making.get_by_label("Name").fill("Not A Name")
    making.get_by_role("button", name="Create cluster").click()
    expect(making.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    expect(making.get_by_label("Name")).to_have_accessible_description(re.compile("lowercase"))
    making.get_by_label("Name").fill("quay")
    making.get_by_label("Name").press("Enter")
    making = dialog(page, "Cluster quay is made")
    expect(making.get_by_text("This code is shown only now")).to_be_visible()
    code = making.locator("#code code").inner_text()
    command = making.locator("#command code").inner_text()
    assert command == f"CLOUDLY_URL={suite.url} JUMPCODE={code} coreflow"
    assert api.post("/api/v1/auth/exchange", {"token": code})["identity"]["roles"] == ["cluster"]
    expect(making.get_by_text("Waiting for the agent")).to_be_visible()
    making.get_by_role("link", name="Open the cluster").click()
    heading(page, "quay")
    expect(page.get_by_text("No agent has connected yet").first).to_be_visible()
    assert code not in page.content()

    page.get_by_role("button", name="Delete").click()
    confirm = dialog(page, "Delete cluster quay?")
    expect(confirm.get_by_role("button", name="Delete cluster")).to_be_disabled()
    confirm.get_by_label("Type quay to confirm").fill("quay")
    confirm.get_by_role("button", name="Delete cluster").click()
    heading(page, "Clusters")
    expect(page.get_by_role("link", name="quay")).to_have_count(0)


def test_somebody_invited_by_a_link_chooses_a_password_and_is_in(visit, browser, suite, api):
    page = visit.logged_in(suite, "/users")
    heading(page, "Users")
    page.get_by_role("button", name="Invite").click()
    inviting = dialog(page, "Invite somebody")
    inviting.get_by_label("Name").fill("grace")
    inviting.get_by_label("Name").press("Enter")
    inviting = dialog(page, "Link for grace")
    link = inviting.locator("#link code").inner_text()
    inviting.get_by_role("button", name="Done").click()
    expect(page.get_by_role("row", name=re.compile("grace"))).to_contain_text("Invitation")
    assert link not in page.content()

    elsewhere = browser.new_context(reduced_motion="reduce")
    guest = elsewhere.new_page()
    guest.goto(link)
    guest.get_by_label("Password").fill("correct horse battery")
    guest.get_by_label("Once more").fill("correct horse battery")
    guest.get_by_role("button", name="Set password").click()
    expect(guest.get_by_role("group", name="Account")).to_contain_text("grace")
    # A viewer sees who there is, and nothing to change them with.
    guest.get_by_role("navigation", name="Main").get_by_role("link", name="Users").click()
    heading(guest, "Users")
    expect(guest.get_by_role("row", name=re.compile("grace"))).to_contain_text("viewer")
    expect(guest.get_by_role("button", name="New user")).to_have_count(0)
    elsewhere.close()

    page.reload()
    page.get_by_role("button", name="Actions on admin").click()
    page.get_by_role("menuitem", name="Delete").click()
    confirm = dialog(page, f"Delete user {suite.admin_username}?")
    confirm.get_by_label("Type admin to confirm").fill("admin")
    confirm.get_by_role("button", name="Delete user").click()
    expect(confirm.get_by_role("alert")).to_contain_text("last enabled admin")
    confirm.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Actions on grace").click()
    page.get_by_role("menuitem", name="Delete").click()
    confirm = dialog(page, "Delete user grace?")
    confirm.get_by_label("Type grace to confirm").fill("grace")
    confirm.get_by_role("button", name="Delete user").click()
    expect(page.get_by_role("row", name=re.compile("grace"))).to_have_count(0)
    assert [user["name"] for user in api.get("/api/v1/users")["users"]] == [suite.admin_username]


def test_what_others_change_appears_without_a_reload(visit, suite, api, cluster):
    page = visit.logged_in(suite, f"/clusters/{cluster}")
    heading(page, "harbour")
    made = api.post("/api/v1/workloads", {"name": "crane", "clusterId": cluster})
    row = page.get_by_role("row", name=re.compile("crane"))
    expect(row).to_contain_text("Image awaited")
    expect(row).to_contain_text("0 of 1 ready")
    api.patch(f"/api/v1/workloads/{made['id']}", {"replicas": 4})
    expect(row).to_contain_text("0 of 4 ready")
    api.delete(f"/api/v1/workloads/{made['id']}")
    expect(row).to_have_count(0)


def test_a_workload_is_made_scaled_edited_and_rolled_back(visit, suite, api, cluster):
    page = visit.logged_in(suite, f"/workloads/new?cluster={cluster}")
    heading(page, "New workload")
    page.get_by_label("Name", exact=True).first.fill("winch")
    page.get_by_label("Web port").fill("70000")
    page.get_by_role("button", name="Create workload").click()
    expect(page.get_by_label("Web port")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Web port").fill("8080")
    page.get_by_role("button", name="Add variable").click()
    variable = page.get_by_role("group", name="variable 1")
    variable.get_by_label("Name").fill("LEVEL")
    variable.get_by_label("Value").fill("info")
    page.get_by_role("button", name="Create workload").click()
    heading(page, "winch")
    target = next(one for one in api.get("/api/v1/workloads")["workloads"] if one["name"] == "winch")["registryTarget"]
    expect(page.get_by_text(f"docker push {target}:latest")).to_be_visible()

    page.get_by_role("button", name="One more").click()
    page.get_by_role("button", name="Scale to 2").click()
    expect(page.get_by_label("Status")).to_contain_text("of 2")
    page.get_by_role("link", name="Edit").click()
    heading(page, "Edit winch")
    page.get_by_label("Description").fill("Pulls.")
    page.get_by_role("button", name="Save").click()
    heading(page, "winch")

    page.get_by_role("tab", name="Versions").click()
    page.get_by_role("button", name="Roll back to version 1", exact=True).click()
    dialog(page, "Roll winch back to version 1?").get_by_role("button", name="Roll back").click()
    expect(page.get_by_label("Status")).to_contain_text("of 1")
    now = next(one for one in api.get("/api/v1/workloads")["workloads"] if one["name"] == "winch")
    assert (now["replicas"], now["description"], now["environment"]) == (1, "", {"LEVEL": "info"})


def test_an_edit_of_what_somebody_else_has_changed_is_refused_and_can_start_again(visit, suite, api, cluster):
    made = api.post("/api/v1/workloads", {"name": "buoy", "clusterId": cluster})
    page = visit.logged_in(suite, f"/workloads/{made['id']}/edit")
    heading(page, "Edit buoy")
    page.get_by_label("Description").fill("mine")
    api.patch(f"/api/v1/workloads/{made['id']}", {"description": "theirs"})
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name=re.compile("Load what it is now")).click()
    expect(page.get_by_label("Description")).to_have_value("theirs")
    assert api.get(f"/api/v1/workloads/{made['id']}")["description"] == "theirs"


def test_two_tabs_with_an_expired_token_renew_the_session_once(visit, suite):
    first = visit.logged_in(suite)
    # A token that the server refuses as it refuses one whose time is over.
    first.evaluate("""() => {
        const pair = JSON.parse(localStorage.getItem("cloudly.session"));
        const accessToken = pair.accessToken.slice(0, -8) + "AAAAAAAA";
        localStorage.setItem("cloudly.session", JSON.stringify({ ...pair, accessToken }));
    }""")
    pages = [first, visit.context.new_page()]
    for page in pages:
        page.goto(f"{suite.url}/clusters", wait_until="commit")
    for page in pages:
        expect(page.locator("cl-watch-state")).to_contain_text("Live")
    assert visit.refreshes == 1


def test_many_tabs_share_one_stream_and_the_next_goes_on_when_its_tab_closes(visit, suite, api, cluster):
    streams: list[Request] = []
    visit.context.on("request", lambda request: "workloads:watch" in request.url and streams.append(request))
    pages = [visit.logged_in(suite, "/workloads")]
    # More than the six connections that a browser opens to one host over HTTP/1.1.
    pages += [visit.open("/workloads") for _ in range(7)]
    for page in pages:
        expect(page.locator("cl-watch-state")).to_contain_text("Live")
    assert len(streams) == 1
    api.post("/api/v1/workloads", {"name": "gull", "clusterId": cluster})
    for page in pages:
        expect(page.get_by_role("link", name="gull", exact=True)).to_be_visible()
    pages[0].close()
    api.post("/api/v1/workloads", {"name": "tern", "clusterId": cluster})
    for page in pages[1:]:
        expect(page.get_by_role("link", name="tern", exact=True)).to_be_visible()
    # It goes on behind the cursor of the first instead of reading everything again.
    assert len(streams) == 2
    assert "cursor=" in streams[1].url


def test_the_keyboard_reaches_everything_and_a_new_page_begins_at_its_heading(visit, suite):
    page = visit.logged_in(suite)
    heading(page, "Overview")
    page.reload()
    heading(page, "Overview")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Skip to content")).to_be_focused()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Images").press("Enter")
    expect(page.get_by_role("heading", level=1, name="Images")).to_be_focused()
    assert page.title() == "Images · Cloudly"


def slow_frames(page: Page) -> None:
    page.evaluate(
        "() => { const next = requestAnimationFrame; requestAnimationFrame = done => setTimeout(() => next(done), 500) }"
    )


def slow_animations(page: Page) -> None:
    page.emulate_media(reduced_motion="no-preference")
    page.context.new_cdp_session(page).send("Animation.setPlaybackRate", {"playbackRate": 0.15})


@pytest.mark.parametrize("slow", [slow_frames, slow_animations])
def test_who_types_before_a_dialog_stands_types_where_they_are(visit, suite, slow):
    page = visit.logged_in(suite, "/sso")
    heading(page, "Single sign-on")
    slow(page)
    page.get_by_role("button", name="New provider").click()
    form = dialog(page, "New identity provider")
    form.get_by_label("Client id").focus()
    page.keyboard.type("cloudly", delay=200)
    expect(form.get_by_label("Client id")).to_have_value("cloudly")
    expect(form.get_by_label("Name", exact=True)).to_have_value("")
    form.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="New provider").click()
    # Whoever waits begins at the first field.
    expect(form.get_by_label("Name", exact=True)).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_barrier(browser, suite, api, cluster, scheme):
    workload = api.post(
        "/api/v1/workloads",
        {"name": "anchor", "clusterId": cluster, "webPort": 80, "domains": [{"name": "a.example.org"}]},
    )
    image = next(one for one in api.get("/api/v1/images")["images"] if one.get("workloadId") == workload["id"])
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    visit = Visit(context, suite.url)
    page = visit.open("/")
    expect(page.get_by_role("heading", name="Log in to Cloudly")).to_be_visible()
    found = {"login": serious(page)}
    page = visit.logged_in(suite)
    for path, name in {
        "/": "Overview",
        "/clusters": "Clusters",
        f"/clusters/{cluster}": "harbour",
        "/workloads": "Workloads",
        "/workloads/new": "New workload",
        f"/workloads/{workload['id']}": "anchor",
        f"/workloads/{workload['id']}/edit": "Edit anchor",
        "/deployments": "Deployments",
        "/images": "Images",
        f"/images/{image['id']}": image["repository"],
        "/users": "Users",
        "/tokens": "API tokens",
        "/settings": "Settings",
        "/audit": "Audit log",
        "/nowhere": "Nothing is here",
    }.items():
        page.goto(suite.url + path)
        heading(page, name)
        found[path] = serious(page)
    page.goto(f"{suite.url}/clusters?create")
    expect(dialog(page, "New cluster").get_by_label("Name")).to_be_focused()
    found["dialog"] = serious(page)
    context.close()
    assert {where: what for where, what in found.items() if what} == {}


def test_a_session_that_is_revoked_under_an_open_page_leads_to_the_login_and_back(visit, api, person):
    address = f"{visit.url}/workloads?only=attention"
    page = person.at(visit, "/workloads?only=attention")
    heading(page, "Workloads")
    api.post(f"/api/v1/users/{person.id}/sessions/revoke-all")
    # Nobody touches the page: its stream ends, and that tells it.
    heading(page, "Log in to Cloudly")
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    expect(page.get_by_role("navigation", name="Main")).to_have_count(0)
    assert serious(page) == []
    person.enter(page)
    heading(page, "Workloads")
    assert page.url == address
