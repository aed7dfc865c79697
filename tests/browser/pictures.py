"""The pictures of the docs, and of every page for who builds one: `python -m tests.browser.pictures [FOLDER]`.

A demo runs with data that a person could have: orders that are paid, an endpoint that fails, webhooks that say nothing.
Without FOLDER the pictures of the docs are made anew in docs/img; with it, every page at two widths, light and dark,
goes there.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import make_account
from tests.support.endpoint import Endpoint
from tests.support.processes import Ombud, Ombuds

IMAGES = Path(__file__).parent.parent.parent / "docs" / "img"
# What the docs show: name, path (or the first row of a list), colours.
SHOWN = (
    ("live", "/", "light"),
    ("overview", "/overview", "dark"),
    ("webhooks", "/settings/webhooks", "light"),
    ("alarms", "/settings/alarms", "dark"),
    ("delivery", "/deliveries?state=done >", "dark"),
    ("arrivals", "/arrivals", "light"),
    ("run", "/runs?handler=order.new >", "light"),
)
PAGES = (
    *("/", "/overview", "/settings/webhooks", "/settings/webhooks >", "/settings/webhooks/new", "/deliveries"),
    *("/deliveries >", "/arrivals", "/arrivals >", "/arrivals?state=stored", "/runs", "/runs >", "/shops", "/shops >"),
    *("/settings/alarms", "/settings/alarms/new", "/people", "/keys", "/audit", "/account"),
)
WIDTHS = (1440, 390)
# Seconds until what was asked for has happened.
PATIENCE_SECONDS = 30.0
# Bytes of a picture of the docs.
MOST_BYTES = 150_000


def fill(demo: Ombud) -> None:
    """Have happen in a demo what a shop sees in a day."""
    headers = {"Authorization": f"Bearer {demo.card['api_key']}"}
    with httpx2.Client(headers=headers, timeout=10) as api:
        made_ids = []
        for url, words in (("http://127.0.0.1:9/warehouse", "The warehouse"), (demo.card["receiver"], "Bookkeeping")):
            made = api.post(f"{demo.card['api']}/endpoints", json={"url": url, "description": words})
            assert made.status_code == 201, made.text
            made_ids.append(made.json()["id"])
        for query in ("event_type=order.refunded&order_id=7", "order_id=7", "event_type=order.new&order_id=99"):
            assert api.get(f"{demo.card['receiver']}?{query}").status_code == 200
        for number in range(8):
            made = api.post(
                f"{demo.card['api']}/events", json={"event_type": "order.new", "order_id": f"{90100 + number}"}
            )
            assert made.status_code == 201
        # One endpoint fails for good; what the other one gets comes to rest.
        waiting = f"{demo.card['api']}/deliveries?state=pending&endpoint={made_ids[1]}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while api.get(waiting).json()["data"]:
            assert time.monotonic() < deadline, "the demo does not come to rest"
            time.sleep(0.2)
        chat = Endpoint()
        for more in (
            {"target": "http://127.0.0.1:9/hook", "name": "On call"},
            {"target": chat.url, "name": "Our chat"},
        ):
            made = api.post(f"{demo.card['api']}/alarm-channels", json={"kind": "webhook"} | more)
            assert made.status_code == 201, made.text
            api.post(f"{demo.card['api']}/alarm-channels/{made.json()['id']}/test")
        while not api.get(f"{demo.card['api']}/alarms").json()["data"]:
            assert time.monotonic() < deadline + PATIENCE_SECONDS, "nobody notices the endpoint that fails"
            time.sleep(0.2)


def order(page: Page) -> None:
    """Place and pay three orders, and let them be shipped where the shop's page offers it."""
    for _ in range(3):
        page.get_by_role("button", name="Place and pay an order").click()
        page.get_by_text("is placed and paid").wait_for()


def go(page: Page, site: str, path: str) -> None:
    """Open a page; ` >` at the end stands for the first row of its list."""
    path, opens, _ = path.partition(" >")
    page.goto(site + path.removeprefix("/"))
    if opens:
        page.goto(site.rstrip("/") + str(page.locator("a.row").first.get_attribute("href")))


@contextmanager
def filled_demo() -> Iterator[tuple[Page, Ombud]]:
    """Run a demo with its data, and a browser in which an owner is logged in."""
    ombuds = Ombuds()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        try:
            demo = ombuds.start("demo", "--port", "0", "--data", f"{folder}/demo", OMBUD_ALARM_AFTER_SECONDS="1")
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_context(locale="en-GB", timezone_id="Europe/Stockholm").new_page()
            make_account(page, demo)
            order(page)
            fill(demo)
            yield page, demo
            browser.close()
        finally:
            ombuds.end()


def make_shown(page: Page, site: str, shop: str) -> None:
    """Make the pictures of the docs."""
    IMAGES.mkdir(exist_ok=True)
    page.set_viewport_size({"width": 1200, "height": 640})
    for name, path, scheme in SHOWN:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        go(page, site, path)
        page.wait_for_timeout(700)
        _keep(page, name)
    page.goto(f"{shop}trouble")
    page.get_by_role("button", name="Down").click()
    _keep(page, "trouble")


def _keep(page: Page, name: str) -> None:
    file = IMAGES / f"{name}.png"
    page.screenshot(path=file)
    print(f"{file.name}: {file.stat().st_size:,} bytes")
    assert file.stat().st_size <= MOST_BYTES, f"{file} is larger than {MOST_BYTES:,} bytes"


def make_every(page: Page, site: str, folder: Path) -> None:
    """Make a picture of every page at each width, light and dark."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in PAGES:
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                page.set_viewport_size({"width": width, "height": 900})
                page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                go(page, site, path)
                name = path.strip("/").replace("/", "-").replace(" >", "-one").replace("?", "-") or "home"
                page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)


def main() -> None:
    """Make what was asked for."""
    with filled_demo() as (page, demo):
        if len(sys.argv) > 1:
            make_every(page, demo.card["panel"], Path(sys.argv[1]))
        else:
            make_shown(page, demo.card["panel"], demo.card["shop_api"].removesuffix("v1"))


if __name__ == "__main__":
    main()
