"""Settings → Webhooks and Deliveries in a browser: what a merchant does there."""

from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE, Watched
from tests.support.endpoint import Endpoint

expect.set_options(timeout=PATIENCE)

HOSTILE = "\"><img src=x onerror=window.__xss=1><script>window.__xss=1</script>{{7*7}}'"


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
