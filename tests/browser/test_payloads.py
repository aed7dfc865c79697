"""Hostile text in every stored field: two hundred payloads, on every page, in a browser that would run them."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import PATIENCE
from tests.browser.serving import SITE, client_of, ones_of, serve
from tests.support.full_house import FullHouse
from tests.support.payloads import PAYLOADS

# Rows of a list: each has a payload of its own, and four rounds have them all.
ROWS = 50
# What a page has besides once work has waited for some seconds.
ALERT = {"p class", "span role", "code "}
# Columns with texts, of both databases.
COLUMNS = 30
LISTS = (
    *("/", "/overview", "/settings/webhooks", "/deliveries", "/deliveries?state=dead", "/deliveries/resend?state=dead"),
    *("/arrivals/resend?state=held", "/runs/resend?state=dead", "/runs/resend/all"),
    *("/arrivals", "/arrivals?state=stored", "/arrivals?state=dead", "/runs", "/runs?state=dead", "/shops"),
    *("/settings/alarms", "/people", "/keys", "/audit", "/account"),
)


class Skeleton(HTMLParser):
    """The tags of a page with the names of their attributes, and addresses without what was asked."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(f"{tag} {' '.join(sorted(name for name, _ in attrs))}")
        for name, value in attrs:
            if name in {"href", "src", "action", "hx-get", "hx-post", "formaction"}:
                self.tags.add(f"{name}={(value or '').partition('?')[0].partition('/')[0]}")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[FullHouse]:
    names = iter(PAYLOADS * 3)
    made = FullHouse(tmp_path, ROWS, lambda _: next(names))
    yield made
    made.close()


def test_nothing_that_is_stored_runs_anywhere(chromium: Browser, house: FullHouse) -> None:
    client, context = client_of(house), chromium.new_context()
    page, asked = context.new_page(), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.set_default_timeout(PATIENCE)
    serve(page, client)
    harmless: set[str] = set()
    for path in [*LISTS, *ones_of(client, 0, 4)]:
        harmless |= Skeleton(client.get(path).text).tags
    seen: set[str] = set()
    for turn in range(len(PAYLOADS) // ROWS):
        assert house.spoil(PAYLOADS[turn * ROWS : (turn + 1) * ROWS]) > COLUMNS
        for path in [*LISTS, *ones_of(client, turn * 2, 2)]:
            answer = page.goto(SITE + path)
            assert answer
            assert Skeleton(answer.text()).tags - harmless - ALERT == set(), path
            assert page.evaluate("window.__xss") is None, path
            shown = str(page.evaluate("document.body.textContent"))
            seen |= {payload for payload in PAYLOADS if payload in shown}
    assert [url for url in asked if not url.startswith(SITE)] == []
    assert [payload for payload in PAYLOADS if payload not in seen] == [], "what is shown is shown as it is"
    context.close()


@pytest.mark.parametrize("payload", [PAYLOADS[0], PAYLOADS[21], PAYLOADS[36]])
def test_what_gets_out_is_noticed(chromium: Browser, payload: str) -> None:
    page = chromium.new_page()
    page.set_content(f"<p>{payload}</p>")
    page.wait_for_function("window.__xss === 1")
    page.close()
