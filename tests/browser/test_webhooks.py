"""Settings → Webhooks and Deliveries in a browser: what a merchant does there, and that every page can be read."""

import re

import httpx2
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE, Watched
from tests.browser.test_panel import POOR_CONTRAST, WIDTHS
from tests.support.endpoint import Endpoint
from tests.support.processes import Ombud

expect.set_options(timeout=PATIENCE)

HOSTILE = "\"><img src=x onerror=window.__xss=1><script>window.__xss=1</script>{{7*7}}'"
PAGES = [
    "overview",
    "",
    "settings/webhooks",
    "settings/webhooks/new",
    "deliveries",
    "people",
    "keys",
    "audit",
    "account",
]


def test_a_merchant_adds_tries_pauses_deletes_and_undoes(watched: Watched, endpoint: Endpoint) -> None:
    page = watched.page
    page.goto(f"{watched.site}settings/webhooks")
    page.get_by_role("link", name="Add an endpoint").click()
    page.get_by_label("Address").fill(endpoint.url)
    page.get_by_label("Description").fill(HOSTILE)
    page.get_by_label("product.update").uncheck()
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_label("Secret")).to_contain_text("whsec_")
    page.get_by_role("link", name="To the endpoint, and try it").click()
    here = page.url
    page.get_by_role("button", name="Send a test event").click()
    expect(page.locator("#tested")).to_contain_text("Acknowledged: the endpoint works.")
    expect(page.locator("#tested")).to_contain_text("event_type=order.new&order_id=0 HTTP/1.1")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused: nothing is sent")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert page.url == here.partition("?")[0]
    assert page.evaluate("window.__xss") is None


def test_the_keyboard_goes_everywhere(watched: Watched, demo: Ombud) -> None:
    page = watched.page
    headers = {"Authorization": f"Bearer {demo.card['api_key']}"}
    with httpx2.Client(base_url=demo.card["api"], headers=headers) as api:
        for number in range(3):
            assert api.post("/events", json={"event_type": "order.new", "order_id": f"77{number}"}).status_code == 201
    page.goto(watched.site)
    page.keyboard.press("Control+k")
    page.keyboard.type("deliv")
    page.keyboard.press("Enter")
    page.wait_for_url("**/deliveries")
    page.keyboard.press("/")
    expect(page.get_by_label("About", exact=True)).to_be_focused()
    page.keyboard.type("order/772")
    page.keyboard.press("Enter")
    page.wait_for_url("**subject=order%2F772**")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/deliveries/dlv_*")
    expect(page.get_by_role("heading", name="order.new order/772")).to_be_visible()
    expect(page.locator(".state.done")).to_be_visible()
    page.keyboard.press("r")
    expect(page.get_by_text("It is sent again")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_every_page_fits_and_can_be_read(watched: Watched, demo: Ombud) -> None:
    page = watched.page
    headers = {"Authorization": f"Bearer {demo.card['api_key']}"}
    with httpx2.Client(base_url=demo.card["api"], headers=headers) as api:
        made = api.post("/endpoints", json={"url": "http://127.0.0.1:9/", "description": HOSTILE}).json()
        api.post("/events", json={"event_type": "order.new", "order_id": "90017"})
        found = api.get("/deliveries").json()["data"]
    paths = [
        *PAGES,
        f"settings/webhooks/{made['id']}",
        f"settings/webhooks/{made['id']}/edit",
        f"deliveries/{found[0]['id']}",
    ]
    for language in ("English", "Svenska"):
        page.goto(watched.site)
        page.get_by_role("button", name=language).click()
        for path in paths:
            page.goto(watched.site + path)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                assert page.evaluate(POOR_CONTRAST) == [], (path, scheme)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
            assert page.evaluate(WITHOUT_A_NAME) == [], path
            assert page.locator("h1").count() == 1
            assert page.evaluate("document.documentElement.lang") == ("sv" if language == "Svenska" else "en")
    assert page.evaluate("window.__xss") is None
    assert not [url for url in watched.requests if re.match(r"https?:", url)]


# Controls that a screen reader could not name (WCAG 2.2, 4.1.2).
WITHOUT_A_NAME = """() => {
  const named = element => element.getAttribute('aria-label') || element.getAttribute('title')
    || element.labels?.length && element.labels[0].textContent.trim() || element.textContent.trim();
  return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea')]
    .filter(element => element.checkVisibility() && !named(element))
    .map(element => element.outerHTML.slice(0, 80));
}"""
