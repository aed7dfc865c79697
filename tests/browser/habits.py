"""What people do on every list and page: by keys, to files, to the clipboard and on paper."""

from playwright.sync_api import expect

from tests.browser.visit import Visit

# An event of a full house that was delivered.
SUBJECT = "order/2"
LIST = f"deliveries?subject={SUBJECT}&state=done"
# The text of the light colours.
INK = "rgb(28, 31, 33)"


def take_files(visit: Visit) -> None:
    """Take what a filter finds as files."""
    visit.go(LIST)
    for name, lines in (("CSV", 2), ("NDJSON", 1)):
        with visit.page.expect_download() as coming:
            visit.page.get_by_role("link", name=name, exact=True).click()
        text = coming.value.path().read_text()
        assert (text.count(SUBJECT), len(text.splitlines())) == (1, lines)


def copy_commands(visit: Visit) -> None:
    """Copy the request of a delivery for each of three tools."""
    visit.open_first(LIST)
    for name, start in (("curl", "curl "), ("HTTPie", "http "), ("Python", "import ")):
        visit.page.get_by_text(visit.words.say("As %(tool)s") % {"tool": name}, exact=True).click()
        copied = visit.copy(name)
        assert copied.lstrip().startswith(start)
        assert f"order_id={SUBJECT.removeprefix('order/')}" in copied


def look_on_paper(visit: Visit) -> None:
    """Have a list and a row of it as a dark screen prints them: in dark ink, and with nothing to press."""
    page = visit.page
    page.emulate_media(media="print", color_scheme="dark")
    for go, heading in ((visit.go, visit.words.say("Deliveries")), (visit.open_first, f"order.new {SUBJECT}")):
        go(LIST)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        for one in page.locator("header, footer, button, input, details, .pager").all():
            expect(one).to_be_hidden()
        assert page.evaluate("getComputedStyle(document.body).color") == INK
    page.emulate_media(media="screen", color_scheme="light")


def go_by_keyboard(visit: Visit) -> None:
    """Go to a page, along its rows, to its filter, into a row and send that again, by keys alone."""
    page, keys, rows = visit.page, visit.page.keyboard, visit.page.locator("a.row")
    page.wait_for_load_state()
    keys.press("Control+k")
    keys.type(visit.words.say("Deliveries"))
    keys.press("Enter")
    page.wait_for_url("**/deliveries")
    page.wait_for_load_state()
    for key, row in (("j", 0), ("j", 1), ("k", 0)):
        keys.press(key)
        expect(rows.nth(row)).to_be_focused()
    keys.press("/")
    expect(visit.field("About")).to_be_focused()
    keys.type(SUBJECT)
    keys.press("Enter")
    page.wait_for_url("**subject=order%2F2**")
    page.wait_for_load_state()
    keys.press("j")
    keys.press("Enter")
    page.wait_for_url("**/deliveries/dlv_*")
    page.wait_for_load_state()
    keys.press("r")
    visit.sees("It is sent again, behind what is live.")
    page.wait_for_load_state()
    keys.press("?")
    expect(page.get_by_role("dialog", name=visit.words.say("Keyboard"))).to_be_visible()
    keys.press("Escape")
    visit.go("deliveries")
    visit.press("Exact times")
    expect(page.locator("tbody time").first).to_contain_text(" UTC")
    visit.press("Exact times")
