"""A browser that is answered by an app in this process: no port, and every page with the rows that a test made."""

import re
from itertools import islice

from playwright.sync_api import Page, Route
from starlette.testclient import TestClient

from tests.support.full_house import FullHouse

SITE = "http://127.0.0.1:8700"
# Lists whose rows have a page of their own.
LISTS = (
    *("/settings/webhooks", "/deliveries", "/deliveries?state=dead", "/arrivals", "/arrivals?state=dead"),
    *("/arrivals?state=held", "/runs", "/runs?state=dead", "/shops"),
)


def client_of(house: FullHouse) -> TestClient:
    """Return a client in which an owner is logged in."""
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in house.cookies.items())}
    return TestClient(house.app, base_url=SITE, client=("127.0.0.1", 50_000), headers=headers)


def ones_of(client: TestClient, first: int = 0, amount: int = 1) -> list[str]:
    """Return the addresses of a few rows of each list, and of the forms that change them."""
    found: list[str] = []
    for path in LISTS:
        links = re.findall(r'class="row[^"]*" href="([^"]+)"', client.get(path).text)
        found += islice(links, first, first + amount)
    found += [f"{one}/edit" for one in found if one.startswith("/settings/webhooks/ep_")]
    forms = re.findall(r'href="(/settings/alarms/alc_[^"]+/edit)"', client.get("/settings/alarms").text)
    return found + forms[first : first + amount]


def serve(page: Page, client: TestClient, language: str = "en") -> None:
    """Answer a browser from the app: without the policy that would stop what gets out, so that it is seen."""
    kept: dict[str, tuple[int, str, bytes]] = {}

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(SITE)
        # A stream of a page's own parts would end in a minute, and everything waits here for one answer at a time.
        if path == route.request.url or path.partition("?")[0].endswith("/stream"):
            route.abort()
            return
        got = kept.get(path)
        if got is None:
            said = client.get(path, headers={"Accept-Language": language}, follow_redirects=True)
            got = (said.status_code, said.headers.get("Content-Type", "text/plain"), said.content)
        if path.startswith("/panel/static/"):
            kept[path] = got
        status, kind, body = got
        route.fulfill(status=status, content_type=kind, body=body)

    page.route("**/*", answer)
