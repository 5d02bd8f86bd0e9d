"""One's own account in a real browser: passkeys of a virtual authenticator, codes, sessions, the password."""

import json
import re

import pyotp
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.conftest import Api
from tests.e2e.browser import Visit, dialog, heading, serious
from tests.e2e.people import Person, give_authenticator, kept_codes, next_code

pytestmark = [pytest.mark.browser, pytest.mark.e2e, pytest.mark.timeout(180)]


def set_up_app(page: Page) -> tuple[pyotp.TOTP, list[str]]:
    """Enrol an authenticator app by the secret that the page shows; the recovery codes that come with it."""
    setting_up = dialog(page, "Set up an authenticator app")
    app = pyotp.TOTP(setting_up.locator("#secret code").inner_text().replace(" ", ""))
    expect(setting_up.get_by_role("img", name=re.compile("QR code"))).to_be_visible()
    field = setting_up.get_by_label("Code that the app shows")
    field.fill("000000" if app.now() != "000000" else "000001")
    field.press("Enter")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill(app.now())
    field.press("Enter")
    return app, kept_codes(page)


def at_account(visit: Visit, person: Person) -> Page:
    """Logged in, at the account page."""
    page = person.at(visit, "/account")
    heading(page, "Your account")
    return page


def log_out(page: Page) -> None:
    page.get_by_role("button", name="Log out").click()
    heading(page, "Log in to Cloudly")


def factors(page: Page) -> Locator:
    return page.get_by_role("region", name="Second factors")


def test_a_passkey_made_on_the_page_logs_in_alone_and_as_second_step_and_is_renamed_and_removed(visit, person):
    page = at_account(visit, person)
    give_authenticator(page)
    page.get_by_role("button", name="Add passkey").click()
    adding = dialog(page, "Add a passkey")
    expect(adding.get_by_label("Name")).to_have_value(re.compile("Chrome on Linux"))
    adding.get_by_label("Name").fill("this laptop")
    adding.get_by_label("Name").press("Enter")
    kept_codes(page)
    row = factors(page).get_by_role("list", name="Passkeys").get_by_role("listitem")
    expect(row).to_contain_text("this laptop")
    expect(row).to_contain_text("not used yet")

    log_out(page)
    page.get_by_role("button", name="Log in with a passkey").click()
    heading(page, "Your account")
    expect(page.get_by_role("group", name="Account")).to_contain_text(person.name)

    log_out(page)
    person.enter(page)
    heading(page, "One more step")
    expect(page.get_by_role("button", name="Use passkey")).to_be_focused()
    page.keyboard.press("Enter")
    heading(page, "Your account")
    expect(row).to_contain_text("last used")
    row.get_by_role("button", name="Rename passkey this laptop").click()
    dialog(page, "Rename passkey").get_by_role("textbox", name="Name").fill("old laptop")
    dialog(page, "Rename passkey").get_by_role("button", name="Rename").click()
    expect(row).to_contain_text("old laptop")

    row.get_by_role("button", name="Remove passkey old laptop").click()
    removing = dialog(page, "Remove passkey old laptop?")
    expect(removing).to_contain_text("your last second factor")
    removing.get_by_label("Your password").fill("not the password")
    removing.get_by_role("button", name="Remove passkey").click()
    expect(removing.get_by_label("Your password")).to_have_attribute("aria-invalid", "true")
    # The passkey itself is proof enough, too.
    removing.get_by_role("button", name="Use a passkey").click()
    removing.get_by_role("button", name="Remove passkey with a passkey").click()
    expect(row).to_have_count(0)
    expect(factors(page)).not_to_contain_text("Recovery codes")


def test_a_browser_that_has_no_passkey_says_so_and_other_ways_stay_open(visit, suite):
    page = visit.open("/login")
    give_authenticator(page)
    page.get_by_role("button", name="Log in with a passkey").click()
    waiting = page.get_by_role("button", name="Waiting for your passkey")
    refused = page.get_by_role("alert").filter(has_text="No passkey was used")
    expect(waiting.or_(refused)).to_be_visible()
    # The browser may refuse at any moment, and the button is gone then.
    waiting.or_(refused).click()
    expect(refused).to_be_visible()
    page.get_by_label("User name").fill(suite.admin_username)
    page.get_by_label("Password").fill(suite.admin_password)
    page.get_by_role("button", name="Log in", exact=True).click()
    heading(page, "Overview")


def test_an_authenticator_app_and_recovery_codes_log_in_each_code_once(visit, person):
    page = at_account(visit, person)
    page.get_by_role("button", name="Set up authenticator app").click()
    app, codes = set_up_app(page)
    expect(factors(page)).to_contain_text("10 codes left")

    log_out(page)
    person.enter(page)
    heading(page, "One more step")
    code = page.get_by_label("Code", exact=True)
    expect(code).to_be_focused()
    code.fill(next_code(app))
    code.press("Enter")
    heading(page, "Your account")

    log_out(page)
    person.enter(page)
    page.get_by_role("button", name="Use a recovery code").click()
    recovery = page.get_by_label("Recovery code", exact=True)
    recovery.fill(codes[0].upper())
    recovery.press("Enter")
    heading(page, "Your account")
    expect(factors(page)).to_contain_text("9 codes left")

    log_out(page)
    person.enter(page)
    page.get_by_role("button", name="Use a recovery code").click()
    recovery.fill(codes[0])
    recovery.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The recovery code was not accepted")
    expect(recovery).to_be_focused()
    recovery.fill(codes[1])
    recovery.press("Enter")
    heading(page, "Your account")

    page.get_by_role("button", name="Make new ones").click()
    making = dialog(page, "Make new recovery codes?")
    making.get_by_label("Your password").fill(person.password)
    making.get_by_label("Your password").press("Enter")
    assert not set(kept_codes(page)) & set(codes)
    expect(factors(page)).to_contain_text("10 codes left")

    page.get_by_role("button", name="Remove authenticator app").click()
    removing = dialog(page, "Remove the authenticator app?")
    removing.get_by_label("Your password").fill(person.password)
    removing.get_by_role("button", name="Remove app").click()
    expect(page.get_by_role("button", name="Set up authenticator app")).to_be_visible()
    log_out(page)
    person.enter(page)
    heading(page, "Your account")


def test_who_must_have_a_second_factor_is_led_through_enrolment_and_on_without_a_new_login(visit, api, person):
    api.patch("/api/v1/auth/factor-policy", {"requiredRoles": ["viewer"]})
    try:
        page = visit.open("/workloads?only=attention")
        person.enter(page)
        heading(page, "Set up a second factor")
        expect(page.get_by_role("navigation", name="Main")).to_have_count(0)
        # No other page is to be had.
        page.goto(f"{visit.url}/clusters")
        heading(page, "Set up a second factor")
        page.goto(f"{visit.url}/enrol?next=%2Fworkloads%3Fonly%3Dattention")
        heading(page, "Set up a second factor")
        assert serious(page) == []
        expect(page.get_by_role("button", name="Authenticator app")).to_be_focused()
        page.keyboard.press("Enter")
        set_up_app(page)
        heading(page, "Workloads")
        assert page.url == f"{visit.url}/workloads?only=attention"
        assert visit.refreshes == 1
        page.goto(f"{visit.url}/enrol")
        heading(page, "Overview")
    finally:
        api.patch("/api/v1/auth/factor-policy", {"requiredRoles": []})


def test_an_admin_says_who_must_have_second_factors_and_resets_those_of_somebody(visit, suite, api, person):
    own = Api(suite.url, person.name, person.password)
    app = pyotp.TOTP(own.post("/api/v1/auth/factors/totp")["secret"])
    own.post("/api/v1/auth/factors/totp/confirm", {"code": app.now()})
    page = visit.logged_in(suite, "/users")
    page.get_by_role("button", name=f"Actions on {person.name}").click()
    page.get_by_role("menuitem", name="Reset second factors").click()
    resetting = dialog(page, f"Reset the second factors of {person.name}?")
    expect(resetting.get_by_role("list", name="What this ends")).to_contain_text("Their passkeys")
    resetting.get_by_role("button", name="Reset second factors").click()
    expect(page.get_by_text(f"The second factors of {person.name} were reset.")).to_be_visible()
    assert own.http.get("/api/v1/auth/factors").status_code == 401
    again = Api(suite.url, person.name, person.password)
    assert not again.get("/api/v1/auth/factors")["totp"]
    page.get_by_role("button", name=f"Actions on {person.name}").click()
    page.get_by_role("menuitem", name="Sign out everywhere").click()
    dialog(page, f"Sign {person.name} out everywhere?").get_by_role("button", name="Sign out").click()
    expect(page.get_by_text(f"{person.name} was signed out everywhere.")).to_be_visible()
    assert again.http.get("/api/v1/auth/factors").status_code == 401

    policy = page.get_by_role("region", name="Second factors")
    expect(policy).to_contain_text("Nobody must have a second factor")
    try:
        policy.get_by_role("button", name=re.compile("Change")).click()
        changing = dialog(page, "Who must have a second factor?")
        changing.get_by_label("Required of").select_option("roles")
        changing.get_by_label("viewer").check()
        assert serious(page) == []
        changing.get_by_role("button", name="Save").click()
        expect(policy).to_contain_text("Whoever is viewer must have a second factor.")
        assert api.get("/api/v1/auth/factor-policy")["requiredRoles"] == ["viewer"]

        policy.get_by_role("button", name=re.compile("Change")).click()
        changing = dialog(page, "Who must have a second factor?")
        changing.get_by_label("Required of").select_option("nobody")
        changing.get_by_role("button", name="Save").click()
        expect(policy).to_contain_text("Nobody must have a second factor")
        assert not api.get("/api/v1/auth/factor-policy").get("requiredRoles")
    finally:
        api.patch("/api/v1/auth/factor-policy", {"requiredRoles": []})


def test_sessions_are_listed_and_ended_from_the_page(visit, browser: Browser, suite, person):
    page = at_account(visit, person)
    contexts = [browser.new_context(user_agent=f"cloudly-cli/{number}") for number in range(2)]
    elsewhere = [Visit(context, suite.url) for context in contexts]
    others = [at_account(other, person) for other in elsewhere]
    page.reload()
    sessions = page.get_by_role("list", name="Sessions").get_by_role("listitem")
    expect(sessions.filter(has_text="This one")).to_contain_text("Chrome on Linux")
    ends = page.get_by_role("button", name=re.compile("End the session Cloudly CLI"))
    expect(ends).to_have_count(2)
    ends.first.click()
    dialog(page, "End this session?").get_by_role("button", name="End session").click()
    expect(ends).to_have_count(1)
    page.get_by_role("button", name="Sign out elsewhere").click()
    dialog(page, "Sign out elsewhere?").get_by_role("button", name="End 1 session").click()
    expect(ends).to_have_count(0)
    for other in others:
        other.reload()
        heading(other, "Log in to Cloudly")
    for context in contexts:
        context.close()

    token = json.loads(page.evaluate("localStorage.getItem('cloudly.session')"))["accessToken"]
    page.get_by_role("button", name="Sign out everywhere").click()
    dialog(page, "Sign out everywhere?").get_by_role("button", name="Sign out everywhere").click()
    heading(page, "Log in to Cloudly")
    answer = visit.context.request.get(f"{suite.url}/api/v1/clusters", headers={"authorization": f"Bearer {token}"})
    assert answer.status == 401


def test_a_new_password_is_checked_before_it_counts(visit, person):
    page = at_account(visit, person)
    old, new = page.get_by_label("Present password"), page.get_by_label("New password", exact=True)
    expect(new).to_have_accessible_description(re.compile("At least 10 characters"))

    def submit(present: str, wished: str, again: str) -> None:
        old.fill(present)
        new.fill(wished)
        page.get_by_label("New password once more").fill(again)
        page.get_by_label("New password once more").press("Enter")

    submit(person.password, "gull over the harbour", "gull over the harbor")
    expect(page.get_by_label("New password once more")).to_have_attribute("aria-invalid", "true")
    submit(person.password, "short", "short")
    expect(new).to_have_accessible_description(re.compile("must have at least 10 characters"))
    submit("not the password", "gull over the harbour", "gull over the harbour")
    expect(old).to_have_accessible_description(re.compile("is not the password"))
    submit(person.password, "gull over the harbour", "gull over the harbour")
    expect(page.get_by_text("Your password was changed.")).to_be_visible()
    expect(old).to_have_value("")
    log_out(page)
    person.enter(page, "gull over the harbour")
    heading(page, "Your account")


def test_a_lockout_says_until_when(visit, person):
    page = visit.open("/login")
    closed = page.get_by_role("alert").filter(has_text="Too many failed attempts")
    for attempt in range(11):
        person.enter(page, f"wrong password {attempt}")
        expect(page.get_by_role("button", name="Log in", exact=True)).to_be_enabled()
        if closed.count():
            break
    expect(closed).to_contain_text(re.compile(r"Try again in \d+ (s|min), at \d"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_account_and_its_dialogs_have_no_serious_barrier(browser, suite, person, scheme):
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    visit = Visit(context, suite.url)
    page = at_account(visit, person)
    found = {"account": serious(page)}
    page.get_by_role("button", name="Set up authenticator app").click()
    setting_up = dialog(page, "Set up an authenticator app")
    found["setting up"] = serious(page)
    app = pyotp.TOTP(setting_up.locator("#secret code").inner_text().replace(" ", ""))
    setting_up.get_by_label("Code that the app shows").fill(app.now())
    setting_up.get_by_role("button", name="Turn on").click()
    shown = dialog(page, "Your recovery codes")
    found["codes"] = serious(page)
    shown.get_by_role("button", name="I have kept them").click()
    page.get_by_role("button", name="Remove authenticator app").click()
    dialog(page, "Remove the authenticator app?")
    found["proof"] = serious(page)
    page.keyboard.press("Escape")
    log_out(page)
    person.enter(page)
    heading(page, "One more step")
    found["second step"] = serious(page)
    context.close()
    assert {where: what for where, what in found.items() if what} == {}
