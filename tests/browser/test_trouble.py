"""A demo of trouble in clicks: the shop's dials, what the panel says of it, and the buttons that mend it."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE, Watched
from tests.support.processes import Ombud

expect.set_options(timeout=PATIENCE)


def place(page: Page, shop: str) -> str:
    """Place and pay an order in the shop; returns its id."""
    page.goto(shop)
    page.get_by_role("button", name="Place and pay an order").click()
    return page.get_by_text("is placed and paid").inner_text().split()[1]


def turn(page: Page, shop: str, button: str) -> None:
    """Press a button of the page of dials."""
    page.goto(f"{shop}trouble")
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_role("button", name=button, exact=True)).to_have_attribute("aria-pressed", "true")


def look_until(page: Page, url: str, words: str) -> None:
    """Load a page again until its content says this."""
    page.goto(url)
    for _ in range(100):
        if words in " ".join(page.locator("main").inner_text().split()):
            return
        page.wait_for_timeout(100)
        page.reload()
    raise AssertionError(f"{url} does not say {words!r}: {page.locator('main').inner_text()}")


def test_an_api_that_is_down_loses_nothing_and_buttons_mend_what_was_given_up(watched: Watched, demo: Ombud) -> None:
    page, site = watched.page, watched.site
    shop = demo.card["shop_api"].removesuffix("v1")
    watched.trouble = _Elsewhere(shop)
    turn(page, shop, "Down")
    skipped, again = place(page, shop), place(page, shop)
    expect(page.get_by_text("The shop's API: down")).to_be_visible()
    # Answered, stored, and given up after the demo's few tries: nothing is lost.
    for order_id in (skipped, again):
        look_until(page, f"{site}arrivals?subject=order/{order_id}&state=dead", f"order/{order_id}")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/arrivals/evt_*")
    page.goto(f"{site}arrivals?subject=order/{skipped}")
    page.locator("a.row").first.click()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Skip").click()
    expect(page.locator(".state.skipped").first).to_be_visible()
    page.goto(f"{shop}trouble")
    page.get_by_role("button", name="All well again").click()
    expect(page.get_by_role("button", name="All well again")).to_be_hidden()
    page.goto(f"{site}arrivals?subject=order/{again}")
    page.locator("a.row").first.click()
    page.wait_for_load_state()
    page.keyboard.press("r")
    expect(page.get_by_role("status").filter(has_text="It is tried once more")).to_be_visible()
    look_until(page, f"{site}runs?subject=order/{again}&state=done", "order.new")
    _forged_and_doubled(page, shop, site)
    _failing_endpoint(page, shop, site)


def _forged_and_doubled(page: Page, shop: str, site: str) -> None:
    """Neither calls a handler; checked in the same demo."""
    page.goto(f"{shop}trouble")
    page.get_by_role("button", name="Send a forged webhook").click()
    forged = page.get_by_text("A webhook says that order").inner_text().split()[5]
    look_until(page, f"{site}arrivals?subject=order/{forged}", "200")
    page.goto(f"{site}runs?subject=order/{forged}")
    expect(page.get_by_text("No run is like that.")).to_be_visible()
    turn(page, shop, "Sent twice")
    doubled = place(page, shop)
    look_until(page, f"{site}runs?subject=order/{doubled}&state=done", "order.new")
    page.goto(f"{site}arrivals?subject=order/{doubled}")
    expect(page.locator("a.row")).to_have_count(2)
    page.goto(f"{site}runs?subject=order/{doubled}")
    expect(page.locator("a.row")).to_have_count(1)


def _failing_endpoint(page: Page, shop: str, site: str) -> None:
    """One click adds it, another lets it fail, and the panel says what mends it."""
    turn(page, shop, "Fails: 500")
    page.get_by_role("button", name="Add it to the endpoints").click()
    place(page, shop)
    look_until(page, f"{site}settings/webhooks", "The shop's endpoint to try")
    page.locator("tr", has_text="The shop's endpoint to try").locator("a.row").click()
    here = page.url
    look_until(page, here, "What failed, and what mends it")
    expect(page.get_by_text("500").first).to_be_visible()


class _Elsewhere(list[str]):
    """What goes wrong, but for visits to the shop: it has an address of its own."""

    def __init__(self, shop: str) -> None:
        super().__init__()
        self._shop = shop

    def append(self, trouble: str) -> None:
        """Note trouble of the panel."""
        if self._shop not in trouble:
            super().append(trouble)
