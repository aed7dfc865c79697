"""Every button of the panel in Chromium, in both languages: a house full of rows, on a real port."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ombud.admin.access import EVERY_SHOP, OPERATOR, Role
from ombud.admin.keys import PREFIX as KEY_PREFIX
from ombud.admin.oidc_people import add_address
from ombud.admin.resending import STEP_ROWS, find_step, next_resending, take_step
from ombud.db.database import Database
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Done
from ombud.web.words import LANGUAGES, words_in
from tests.admin.post import Post
from tests.browser.conftest import PATIENCE, watch
from tests.browser.habits import copy_commands, go_by_keyboard, look_on_paper, take_files
from tests.browser.test_panel import HIDDEN
from tests.browser.visit import Visit, context_in
from tests.support.full_house import SETTINGS, FullHouse
from tests.support.provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider, run_provider
from tests.support.serving import serve

expect.set_options(timeout=PATIENCE)

SENT_AGAIN = (
    "delivery is sent again, behind what is live. Nothing is sent yet.",
    "deliveries are sent again, behind what is live. Nothing is sent yet.",
)
PASSWORDS = ("correct horse battery", "another horse battery")


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with run_provider() as made:
        yield made


@pytest.fixture
def house(tmp_path: Path, provider: OpenIdProvider) -> Iterator[FullHouse]:
    """A panel that lets an owner in by their provider."""
    known = replace(SETTINGS, oidc_issuer=provider.issuer, oidc_client_id=CLIENT_ID, oidc_client_secret=CLIENT_SECRET)
    made = FullHouse(tmp_path, settings=known)
    invite = partial(add_address, OPERATOR, provider.email, Role.OWNER, EVERY_SHOP, 1)
    made.sender.database.write(invite)
    yield made
    made.close()


@pytest.fixture(params=list(LANGUAGES))
def visit(request: pytest.FixtureRequest, chromium: Browser, house: FullHouse) -> Iterator[Visit]:
    """Somebody who came in by the button of their organisation."""
    with serve(house.app) as site, closing(context_in(chromium, request.param)) as context:
        made = Visit(watch(context, f"{site}/"), words_in(request.param), house)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site)
        made.page.on("dialog", lambda dialog: dialog.accept())
        made.go("")
        made.page.get_by_role("link", name=made.words.say("Log in with your organisation")).click()
        made.page.wait_for_url(f"{site}/")
        made.watched.trouble = [one for one in made.watched.trouble if "/authorize?" not in one]
        yield made
    # A form that is refused is said by the console, too.
    assert [one for one in made.watched.trouble if "status of 422" not in one] == []


def test_every_button_does_what_it_says(visit: Visit) -> None:
    assert visit.page.locator("html").get_attribute("lang") == visit.words.language
    _what_arrived(visit)
    _runs(visit)
    _shops(visit)
    _endpoints(visit)
    _many_at_once(visit)
    _many_of_the_receiver(visit)
    take_files(visit)
    copy_commands(visit)
    look_on_paper(visit)
    go_by_keyboard(visit)
    _live(visit)
    _keys(visit)
    _people(visit)


def _what_arrived(visit: Visit) -> None:
    visit.open_first("arrivals?state=held")
    visit.press("Release", "It is released: the shop is asked about it now.")
    visit.open_first("arrivals?state=held")
    visit.press("Skip", "It is left out; nothing more is done for it.", "skipped by hand")
    visit.open_first("arrivals?state=dead")
    visit.press("Read again", "It is tried once more, behind what is live.")


def _runs(visit: Visit) -> None:
    for button, words in (
        ("Run again", "It is tried once more, behind what is live."),
        ("Skip", "It is left out; nothing more is done for it."),
    ):
        visit.open_first("runs?state=dead")
        visit.sees("Before and after")
        visit.press(button, words)


def _shops(visit: Visit) -> None:
    visit.open_first("shops")
    visit.press("Pause", "Paused: webhooks are stored and wait; nothing is read and no handler is called.")
    visit.press("Resume")
    expect(visit.button("Pause")).to_be_visible()
    visit.press("New token")
    assert visit.copy("Token").startswith("/hooks/")
    visit.press("End the old token")
    expect(visit.button("End the old token")).to_have_count(0)


def _endpoints(visit: Visit) -> None:
    visit.go("settings/webhooks")
    visit.page.get_by_role("link", name=visit.words.say("Add an endpoint")).click()
    for address in ("https://192.0.2.7/#hook", "https://8.8.4.4/hook"):
        visit.page.get_by_label(visit.words.say("Address")).fill(address)
        visit.press("Add it")
        if "#" in address:
            visit.sees("The URL has a fragment (#…), which is never sent. Remove it.")
    visit.page.get_by_role("link", name=visit.words.say("To the endpoint, and try it")).click()
    visit.press("Send a test event", "On its way …")
    outbox = visit.house.sender.outbox
    Post(visit.house.sender.database, outbox.mailbox).perform(lambda _: Done(200))
    visit.sees("Acknowledged: the endpoint works.")
    visit.page.get_by_role("link", name=visit.words.say("Edit"), exact=True).click()
    visit.field("Description").fill("The warehouse")
    visit.page.get_by_text(visit.words.say("More"), exact=True).click()
    visit.page.get_by_label(visit.words.say("Headers of your own, one in each line")).fill("X-Key: one")
    visit.press("Save", "The warehouse")
    visit.press(
        "New secret", "The new secret. Copy it now: it is not shown again. The one before is good for a day more."
    )
    assert visit.copy("Secret").startswith("whsec_")
    visit.press("Pause", "Paused: nothing is sent, and what comes waits until you resume it.")
    visit.press("Resume")
    visit.press("Delete", "The endpoint is deleted; it is sent nothing more.")
    visit.press("Undo", "The warehouse")


def _many_at_once(visit: Visit) -> None:
    """What failed is sent again: counted, begun, followed, and another time cancelled."""
    for state, button in (("dead", ""), ("done", "Cancel")):
        visit.go(f"deliveries?state={state}&time=24h")
        visit.page.get_by_role("link", name=visit.words.say("Resend all of it …")).click()
        found = visit.page.locator("main p b").first.inner_text()
        visit.sees(visit.words.plural(*SENT_AGAIN, int(found)))
        visit.press("Resend them")
        expect(visit.page.get_by_role("progressbar")).to_be_visible()
        if button:
            visit.press(button, "then cancelled")
        else:
            _take_steps(visit.house.sender.outbox.mailbox, visit.house.sender.database)
            visit.sees("all of them")
            expect(visit.page.get_by_role("progressbar")).to_have_count(0)
    visit.page.get_by_role("link", name=visit.words.say("What was resent before")).click()
    expect(visit.page.locator("tbody tr")).to_have_count(5)


def _many_of_the_receiver(visit: Visit) -> None:
    receiver = visit.house.inbox.receiver
    for mailbox, listed, link, button in (
        (receiver.changes, "runs?state=dead", "Run all of it again …", "Run them again"),
        (receiver.arrivals, "arrivals?state=dead", "Read all of it again …", "Read them again"),
        (receiver.arrivals, "arrivals?state=held", "Release all of it …", "Release them"),
    ):
        visit.go(listed)
        visit.page.get_by_role("link", name=visit.words.say(link)).click()
        visit.press(button)
        expect(visit.page.get_by_role("progressbar")).to_be_visible()
        _take_steps(mailbox, receiver.database)
        visit.sees("all of them")
        visit.go(listed)
        expect(visit.page.locator("a.row")).to_have_count(0)


def _live(visit: Visit) -> None:
    """A list that follows what happens, and rests while nobody looks."""
    with visit.page.expect_request("**/deliveries/stream?*"):
        visit.page.get_by_role("link", name=visit.words.say("Live view")).click()
    with visit.page.expect_event("requestfailed", lambda request: "/deliveries/stream" in request.url):
        visit.page.evaluate(HIDDEN, True)
    with visit.page.expect_request("**/deliveries/stream?*"):
        visit.page.evaluate(HIDDEN, False)
    visit.page.get_by_role("link", name=visit.words.say("Stop the live view")).click()
    visit.page.wait_for_url("**/deliveries?")


def _take_steps(mailbox: Mailbox, database: Database) -> None:
    """Take the steps of all jobs, as whoever performs does."""
    while (job := database.read(lambda: next_resending(mailbox.box))) is not None:
        keys, more = database.read(partial(find_step, job, STEP_ROWS))
        database.write(partial(take_step, mailbox, job, keys, more))


def _keys(visit: Visit) -> None:
    visit.go("keys")
    visit.field("Name").fill("the warehouse")
    visit.press("Make a key", "copy the key now. Only its hash is kept, and it is not shown again.")
    assert visit.copy("Key").startswith(KEY_PREFIX)
    row = visit.page.locator("tr", has_text="the warehouse")
    row.get_by_role("button").click()
    expect(row).to_have_count(0)


def _people(visit: Visit) -> None:
    """A link lets somebody in; they change their password, and are removed."""
    visit.go("people")
    visit.press("Make a link")
    link = visit.copy("Link")
    other = replace(visit, watched=replace(visit.watched, page=_another(visit)))
    other.page.goto(link)
    other.field("Name").fill("Bo")
    other.field("Password").fill(PASSWORDS[0])
    other.press("Make the account")
    other.go("account")
    for old in (PASSWORDS[1], PASSWORDS[0]):
        other.field("The old one").fill(old)
        other.field("The new one").fill(PASSWORDS[1])
        other.press("Change it")
        other.sees(
            "The old password is another one."
            if old == PASSWORDS[1]
            else "The password is changed; you are logged out everywhere else."
        )
    other.press("Log out everywhere else", "You are logged out everywhere else.")
    other.press("Log out")
    for password in PASSWORDS:
        other.field("Name").fill("Bo")
        other.field("Password").fill(password)
        other.press("Log in")
        if password == PASSWORDS[0]:
            other.sees("This name and this password do not belong together.")
    other.page.wait_for_url(other.watched.site)
    visit.go("people")
    row = visit.page.locator("tr", has=visit.page.get_by_role("cell", name="Bo", exact=True))
    row.get_by_role("combobox").select_option("reader")
    row.get_by_role("button", name=visit.words.say("Save")).click()
    expect(row.get_by_role("combobox")).to_have_value("reader")
    row.get_by_role("button", name=visit.words.say("New password")).click()
    expect(visit.field("Link")).to_contain_text("/set-up/")
    visit.field("E-mail address").fill("cai@example.test")
    visit.press("Let in by this address", "cai@example.test")
    row.get_by_role("button", name=visit.words.say("Remove")).click()
    expect(row).to_have_count(0)
    other.go("account")
    other.page.wait_for_url("**/login?next=*")
    other.page.context.close()
    visit.go("audit")
    for action in (
        "person.remove",
        "key.revoke",
        "endpoint.delete",
        "arrival.release",
        "run.skip",
        "delivery.resend_many",
        "run.retry_many",
        "arrival.retry_many",
    ):
        expect(visit.page.get_by_text(action, exact=True).first).to_be_visible()


def _another(visit: Visit) -> Page:
    """Return a page of another browser that reads the same language."""
    browser = visit.page.context.browser
    assert browser is not None
    made = context_in(browser, visit.words.language).new_page()
    made.set_default_timeout(PATIENCE)
    return made
