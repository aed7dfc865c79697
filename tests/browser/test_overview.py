"""The overview in a browser: charts with JavaScript, which refresh and stay; the table without; in both languages."""

import httpx2
from playwright.sync_api import Browser, expect

from ombud.web.words import LANGUAGES, words_in
from tests.browser.conftest import PATIENCE, Watched
from tests.support.processes import Ombud

expect.set_options(timeout=PATIENCE)

# The colours of what was accepted. A chart on paper has the light one, whatever the screen has.
LIGHT, DARK = "rgb(43, 92, 148)", "rgb(138, 184, 238)"
# Whether anything but the background is drawn on each canvas.
DRAWN = """() => [...document.querySelectorAll('.chart canvas')].map(canvas => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(new Uint32Array(pixels.buffer)).size > 2;
})"""


def test_charts_are_drawn_and_refreshed_and_the_table_says_the_same(
    watched: Watched, demo: Ombud, chromium: Browser
) -> None:
    page = watched.page
    page.goto(f"{watched.site}overview?period=1h")
    expect(page.locator(".chart canvas").first).to_be_visible()
    page.locator(".chart canvas").first.evaluate("canvas => { canvas.dataset.first = 'yes'; }")
    page.get_by_text("The same numbers as a table").click()
    headers = {"Authorization": f"Bearer {demo.card['api_key']}"}
    assert httpx2.post(
        f"{demo.card['api']}/events", json={"event_type": "order.new", "order_id": 9}, headers=headers
    ).is_success
    # It comes by itself, and neither the chart nor the open table is lost.
    expect(page.locator("#numbers td[data-value='1']").first).to_be_visible()
    assert page.locator(".chart canvas").first.get_attribute("data-first") == "yes"
    assert all(page.evaluate(DRAWN))
    for language, name in LANGUAGES.items():
        say = words_in(language).say
        page.get_by_role("button", name=name).click()
        page.get_by_role("link", name=say("7 days")).click()
        page.wait_for_url("**period=7d")
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page.locator(".chart canvas").first).to_be_visible()
        expect(page.locator(".chart .u-legend").first).to_contain_text(say("Failed tries"))
    page.emulate_media(color_scheme="dark")
    expect(page.locator(".chart .u-marker").nth(1)).to_have_css("border-color", DARK)
    page.emulate_media(media="print")
    expect(page.locator(".chart .u-marker").nth(1)).to_have_css("border-color", LIGHT)
    context = chromium.new_context(java_script_enabled=False, storage_state=page.context.storage_state())
    plain = context.new_page()
    plain.goto(f"{watched.site}overview?period=1h")
    expect(plain.locator(".charts")).to_be_hidden()
    plain.get_by_text(say("The same numbers as a table")).click()
    expect(plain.locator("#numbers td[data-value='1']").first).to_be_visible()
    context.close()
