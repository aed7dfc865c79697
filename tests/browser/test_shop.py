"""The pretend shop in Chromium, in both languages: orders, products and dials, by the rules of axe."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ombud.shop import create_app
from ombud.web.words import LANGUAGES, words_in
from tests.browser.conftest import PATIENCE, watch
from tests.browser.test_accessibility import violations
from tests.shop.world import World, close_world, open_world
from tests.support.serving import serve

expect.set_options(timeout=PATIENCE)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = open_world(tmp_path)
    # The browser's driver has the loop of this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(made.shop.seed())).result()
        yield made
        thread.submit(lambda: asyncio.run(close_world(made))).result()


def look_at(page: Page) -> None:
    """Hold what is shown to the rules: wide and narrow, light and dark."""
    for width, scheme in ((1440, "light"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        assert page.locator("html").evaluate("page => page.scrollWidth") <= width, page.url
        assert violations(page, None if scheme == "light" else ["color-contrast"]) == [], page.url


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_orders_products_and_dials(chromium: Browser, world: World, language: str) -> None:
    say = words_in(language).say
    context = chromium.new_context(locale=language, extra_http_headers={"Accept-Language": language}, bypass_csp=True)
    with serve(create_app(world.shop)) as site:
        watched = watch(context, f"{site}/")
        page = watched.page

        def press(words: str) -> None:
            page.get_by_role("button", name=say(words), exact=True).first.click()

        page.goto(watched.site)
        look_at(page)
        press("Place and pay an order")
        expect(page.get_by_role("status")).to_contain_text(say("Order %(number)s") % {"number": 90002})
        page.get_by_role("link", name=say("Place an order")).first.click()
        page.get_by_label(say("Name")).fill("Bo")
        press("Place the order")
        expect(page.get_by_text(say("Write an e-mail address."))).to_be_visible()
        look_at(page)
        page.get_by_label(say("E-mail")).fill("bo@example.test")
        press("Place the order")
        for button, status in (("Pay", "paid"), ("Ship", "done"), ("Cancel", "cancelled")):
            page.get_by_role("button", name=say(button)).first.click()
            expect(page.locator("h1 .status")).to_have_text(say(status))
        look_at(page)
        page.get_by_role("link", name=say("Add a product")).first.click()
        page.get_by_label(say("Title")).fill("Bowl")
        press("Add the product")
        expect(page.get_by_text(say("Write a price."))).to_be_visible()
        page.get_by_label(say("Price in SEK")).fill("99,50")
        press("Add the product")
        page.get_by_label(say("Description")).fill("Of oak.")
        press("Save")
        look_at(page)
        page.get_by_text(say("Delete this product …")).click()
        press("Delete for ever")
        expect(page.get_by_text("Bowl")).to_have_count(0)
        page.get_by_role("link", name=say("Trouble")).click()
        press("Too many requests")
        press("Send a forged webhook")
        look_at(page)
        press("All well again")
        expect(page.get_by_role("button", name=say("All well again"))).to_have_count(0)
        other = next(code for code in LANGUAGES if code != language)
        page.get_by_role("button", name=LANGUAGES[other]).click()
        expect(page.locator("html")).to_have_attribute("lang", other)
        expect(page.get_by_role("heading", level=1)).to_have_text(words_in(other).say("Trouble"))
        context.close()
    # A form that is refused is said by the console, too.
    assert [one for one in watched.trouble if "status of 422" not in one] == []
    told = [kind for kind, _ in world.events()]
    assert {"order.new", "order.done", "order.cancelled", "product.add", "product.update", "product.delete"} <= set(
        told
    )
