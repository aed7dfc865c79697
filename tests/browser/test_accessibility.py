"""Every page of the panel by the rules of axe, in both languages, light and dark; and without scrolling sideways."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import PATIENCE
from tests.browser.serving import SITE, client_of, ones_of, serve
from tests.support.full_house import FullHouse

AXE = (Path(__file__).parent / "vendor" / "axe-core-4.14.1.min.js").read_text()
PAGES = (
    *("/", "/overview", "/settings/webhooks", "/settings/webhooks/new", "/deliveries", "/deliveries/resend?state=dead"),
    *("/arrivals/resend?state=held", "/runs/resend?state=dead", "/runs/resend/all"),
    *("/settings/alarms", "/settings/alarms/new"),
    *("/arrivals", "/arrivals?state=stored", "/arrivals?state=held", "/runs", "/shops", "/people", "/keys", "/audit"),
    *("/account", "/nowhere"),
)
# What axe calls these is what keeps somebody out.
GRAVE = {"serious", "critical"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FullHouse]:
    made = FullHouse(tmp_path_factory.mktemp("house"))
    yield made
    made.close()


def violations(page: Page, rules: list[str] | None = None) -> list[str]:
    """Return what axe finds that is grave: the rule, and where."""
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE)
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    grave = [one for one in found if one["impact"] in GRAVE]
    return [f"{one['id']}: {node['html'][:120]}" for one in grave for node in one["nodes"]]


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("sv", "dark")])
def test_every_page_can_be_used_by_everybody(chromium: Browser, house: FullHouse, language: str, scheme: str) -> None:
    client = client_of(house)
    context = chromium.new_context(locale=language, extra_http_headers={"Accept-Language": language})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    serve(page, client, language)
    for path in [*PAGES, *ones_of(client)]:
        page.set_viewport_size({"width": 390, "height": 900})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.goto(SITE + path)
        assert page.evaluate("document.documentElement.lang") == language
        assert page.locator("h1").count() == 1, path
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        page.set_viewport_size({"width": 1440, "height": 900})
        assert violations(page) == [], path
        # The words change nothing about colours.
        page.emulate_media(color_scheme="light" if scheme == "dark" else "dark")
        assert violations(page, ["color-contrast", "link-in-text-block"]) == [], path
        page.wait_for_function("document.documentElement.scrollWidth <= 1440")
    context.close()


def test_what_keeps_somebody_out_is_noticed(chromium: Browser) -> None:
    page = chromium.new_page()
    page.set_content("<html><body><h1>x</h1><input><img src=x><p style='color: #aaa; background: #fff'>faint</p>")
    found = violations(page)
    assert {one.partition(":")[0] for one in found} >= {"label", "image-alt", "color-contrast", "html-has-lang"}
    page.close()


def test_the_rules_are_pinned_and_have_their_licence() -> None:
    assert re.match(r"/\*! axe v4\.14\.1\b", AXE)
    licence = (Path(__file__).parent / "vendor" / "axe-core-4.14.1.LICENSE.txt").read_text()
    assert "Mozilla Public License, version 2.0" in licence
