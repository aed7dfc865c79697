"""The panel in a browser, against a real demo."""

import re
import time

import httpx2
from playwright.sync_api import Browser, Locator, Page, expect

from ombud.web.words import LANGUAGES, Words, words_in
from tests.browser.conftest import PATIENCE, Watched, make_account
from tests.support.processes import Ombud

expect.set_options(timeout=PATIENCE)

WIDTHS = (390, 1440)
ENGLISH = words_in("en")


def place_and_pay(page: Page, words: Words = ENGLISH) -> Locator:
    """Press the button; returns the line that its order will have."""
    page.get_by_role("button", name=words.say("Place and pay an order")).click()
    notice = page.get_by_text(re.compile(words.say("Order %(number)s is placed and paid.") % {"number": r"\d+"}))
    [order_id] = re.findall(r"\d+", notice.inner_text())
    return page.locator("ol.story > li").filter(has_text=f"order.new order/{order_id}")


def test_the_button_tells_the_whole_story_in_one_line(watched: Watched) -> None:
    page = watched.page
    page.goto(watched.site)
    for language, name in LANGUAGES.items():
        page.get_by_role("button", name=name).click()
        expect(page.locator("html")).to_have_attribute("lang", language)
        words = words_in(language)
        line = place_and_pay(page, words)
        expect(line).to_have_count(1)
        handler = words.say("handler %(name)s") % {"name": "order.new"}
        took = words.say("all in %(span)s") % {"span": ""}
        read = words.say("read %(status)s") % {"status": 200}
        for part in ("GET 200", words.say("arrived"), read, f"{handler} {words.say('done')}", took):
            expect(line).to_contain_text(part)
        expect(page.get_by_role("status").filter(has_text=words.say("Live"))).to_be_visible()


def test_the_page_refreshes_itself_and_keeps_what_a_person_holds(watched: Watched, demo: Ombud) -> None:
    page = watched.page
    page.goto(watched.site)
    page.get_by_text("with curl").click()
    page.get_by_role("link", name="Story").focus()
    page.locator("ol.story > li").first.evaluate("line => { line.dataset.held = 'yes' }")
    with httpx2.Client(base_url=demo.card["api"], headers={"Authorization": f"Bearer {demo.card['api_key']}"}) as api:
        assert api.post("/events", json={"event_type": "order.new", "order_id": "424242"}).status_code == 201
    line = page.locator("ol.story > li").filter(has_text="order/424242")
    expect(line).to_contain_text("read 404")
    expect(page.locator("ol.story > li").nth(1)).to_contain_text("product.add")
    expect(page.locator("#curl")).to_be_visible()
    expect(page.get_by_role("link", name="Story")).to_be_focused()
    assert "panel/stream" in watched.requests


def test_curl_and_copy(watched: Watched, demo: Ombud) -> None:
    page = watched.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=watched.site.rstrip("/"))
    page.goto(watched.site)
    page.get_by_text("with curl").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.count(f"{demo.card['shop_api']}/orders") == 2
    assert "YOUR_SHOP_KEY" in copied
    whole = page.content()
    assert not any(demo.card[name] in whole for name in ("api_key", "shop_key"))
    assert demo.card["receiver"].rpartition("/")[2] not in whole


def test_it_is_a_plain_page_without_javascript(chromium: Browser, demo: Ombud) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    make_account(page, demo)
    line = place_and_pay(page)
    expect(page.locator("#connection")).to_be_hidden()
    deadline = time.monotonic() + PATIENCE / 1000
    while "handler order.new done" not in line.inner_text() and time.monotonic() < deadline:
        page.reload()
    expect(line).to_contain_text("handler order.new done")
    context.close()


def test_it_rests_while_nobody_looks(watched: Watched) -> None:
    page = watched.page
    page.goto(watched.site)
    expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/panel/stream")):
        page.evaluate(HIDDEN, True)
    with page.expect_request("**/panel/stream"):
        page.evaluate(HIDDEN, False)


def test_it_fits_and_can_be_read(watched: Watched) -> None:
    page = watched.page
    page.goto(watched.site)
    expect(place_and_pay(page)).to_contain_text("handler order.new done")
    page.get_by_text("with curl").click()
    assert page.evaluate("document.documentElement.lang") == "en"
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            assert page.evaluate(POOR_CONTRAST) == []
    button = page.get_by_role("button", name="Place and pay an order")
    page.keyboard.press("Tab")
    while not button.evaluate("button => button === document.activeElement"):
        page.keyboard.press("Tab")
    assert button.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"


def test_a_lost_connection_is_said(chromium: Browser, demo: Ombud) -> None:
    context = chromium.new_context()
    page = context.new_page()
    make_account(page, demo)
    expect(page.locator("#connection")).to_have_text("Live")
    demo.kill()
    expect(page.locator("#connection")).to_contain_text("Connection lost: this is from")
    expect(page.locator("ol.story > li")).to_have_count(3)
    context.close()


# Tells the page whether it is hidden, as a browser does when another tab is in front.
HIDDEN = """hidden => {
  Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""
# Texts whose colour stands out too little from what is behind it (WCAG 2.2, 1.4.3: 4.5 to 1).
POOR_CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = colour => {
    const [r, g, b] = rgba(colour).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
    }
    return 'white';
  };
  const poor = new Set();
  for (const element of document.querySelectorAll('body *')) {
    const texts = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!texts || !element.checkVisibility()) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(ground(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.add(`${element.className}: ${element.textContent.trim().slice(0, 30)}`);
  }
  return [...poor];
}"""
