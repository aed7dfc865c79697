"""What holds of every answer, whatever is asked: headers, methods, secrets that are shown once and written nowhere."""

import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from ombud.admin.access import Scope
from ombud.admin.keys import add_key, new_key
from ombud.admin.sessions import LIFE
from ombud.web.app import SenderApp
from ombud.web.gate import Gate
from ombud.web.openapi import operations
from tests.support.full_house import FullHouse
from tests.support.people import version_on

BASE = "http://127.0.0.1:8700"
PUBLIC = "https://ombud.example.test"
# What keeps a browser from frames, guesses at content, and copies: on whatever answer.
EVERYWHERE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


# A key, the token of a link and of a shop, a secret of signatures.
SHOWN = r"ombud_[\w-]{43}|(?<=/set-up/)[\w-]{43}|(?<=<code>/hooks/)[\w-]{22,}|whsec_[\w+/=]{40,}"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[FullHouse]:
    made = FullHouse(tmp_path, 1)
    yield made
    made.close()


@asynccontextmanager
async def owner_of(house: FullHouse, app: Any = None, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser in which an owner is logged in."""
    given = {"Origin": BASE, "Cookie": "; ".join(f"{name}={value}" for name, value in house.cookies.items())} | headers
    transport = httpx2.ASGITransport(app or house.app, client=("127.0.0.1", 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE, headers=given) as client:
        yield client


def add(house: FullHouse, *scopes: Scope) -> dict[str, str]:
    """Return the header of a new key."""
    key = new_key()
    house.app.people.database.write(lambda: add_key(key[-8:], key, 1, scopes or tuple(Scope)))
    return {"Authorization": f"Bearer {key}"}


def panel_routes(app: SenderApp) -> list[tuple[str, str]]:
    """Return method and path of every route of the panel, with ids that lead nowhere."""
    assert isinstance(app._panel, Gate)
    inner = app._panel._app
    assert isinstance(inner, Starlette)
    found = [route for route in inner.routes if isinstance(route, Route)]
    pairs = [("POST" if "POST" in (route.methods or ()) else "GET", route.path) for route in found]
    return [(method, re.sub(r"\{([a-z_]+)\}", "1", path)) for method, path in pairs if "stream" not in path]


async def test_every_answer_of_the_panel_has_its_headers_errors_too(house: FullHouse) -> None:
    asked = [("GET", "/nowhere"), ("DELETE", "/people"), ("GET", "/panel/static/nothing.css"), *panel_routes(house.app)]
    asked.sort(key=lambda one: one[1] == "/logout")
    seen = set()
    for headers in ({}, {"Cookie": ""}, {"Origin": "https://evil.example.test"}, {"Host": "evil.example.test"}):
        async with owner_of(house, **headers) as client:
            for method, path in asked:
                answer = await client.request(method, path)
                seen.add(answer.status_code)
                for name, value in EVERYWHERE.items():
                    assert answer.headers.get(name) == value, (method, path, answer.status_code)
                assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
                assert answer.headers["X-Frame-Options"] == "DENY"
                assert answer.headers["Referrer-Policy"] == "same-origin"
                assert "Server" not in answer.headers
    assert seen >= {200, 303, 401, 403, 404, 405, 421}


async def test_every_answer_of_the_api_has_its_headers_errors_too(house: FullHouse) -> None:
    seen = set()
    everything, nothing = add(house), add(house, Scope.READ)
    async with owner_of(house) as client:
        for headers in ({}, everything, nothing):
            for method, path, _ in operations(house.app.api.openapi()):
                answer = await client.request(method, re.sub(r"\{[a-z_]+\}", "1", path), headers=headers)
                seen.add(answer.status_code)
                for name, value in EVERYWHERE.items():
                    assert answer.headers.get(name) == value, (method, path, answer.status_code)
        assert (await client.get("/v1/nowhere", headers=everything)).headers["Cache-Control"] == "no-store"
    assert seen >= {200, 401, 403, 404, 422}


async def test_nothing_is_traced(house: FullHouse) -> None:
    async with owner_of(house, **add(house)) as client:
        for path in ("/", "/login", "/v1/events", "/v1/endpoints", "/openapi.json"):
            answer = await client.request("TRACE", path, headers={"X-Secret": "planted"})
            assert answer.status_code == 405, path
            assert "planted" not in answer.text


async def test_at_the_public_address_every_answer_wants_tls_for_a_year(house: FullHouse) -> None:
    house.sender.settings = replace(house.sender.settings, public_url=PUBLIC)
    app = SenderApp(house.sender, house.inbox.receiver)
    key = add(house)
    transport = httpx2.ASGITransport(app, client=("192.0.2.7", 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC) as client:
        for path, headers in (("/login", {}), ("/people", {}), ("/v1/events", key), ("/v1/events", {})):
            assert (await client.get(path, headers=headers)).headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_a_session_ends_after_half_a_day_however_it_is_used(
    house: FullHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = house.app.people.database
    began = database.clock()
    async with owner_of(house) as client:
        for later in [*range(0, LIFE - 60_000_000, 20 * 60 * 1_000_000), LIFE - 60_000_000]:
            monkeypatch.setattr(database, "clock", lambda later=later: began + later)
            assert (await client.get("/account")).status_code == 200, later
        monkeypatch.setattr(database, "clock", lambda: began + LIFE + 1_000_000)
        assert (await client.get("/account")).status_code == 303


async def test_what_is_shown_once_is_in_no_address_and_no_log(
    house: FullHouse, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with owner_of(house) as client:
        [shop] = re.findall(r'href="(/shops/shop_\w+)"', (await client.get("/shops")).text)[:1]
        [endpoint] = re.findall(r'href="(/settings/webhooks/ep_\w+)"', (await client.get("/settings/webhooks")).text)[
            :1
        ]
        forms: dict[str, dict[str, str]] = {
            "/keys/add": {"name": "a new one", "scope": "read"},
            "/people/invite": {"role": "reader"},
            "/settings/webhooks/new": {"url": "https://8.8.8.8/", "event_type": "order.new", "enabled": "on"},
            f"{endpoint}/secret": version_on((await client.get(endpoint)).text),
            f"{shop}/token": version_on((await client.get(shop)).text),
        }
        secrets = []
        for path, form in forms.items():
            answer = await client.post(path, data=form)
            assert (answer.status_code, "Location" in answer.headers) == (200, False), path
            assert re.search(SHOWN, answer.text), path
            secrets += re.findall(SHOWN, answer.text)
        key = add(house)["Authorization"].removeprefix("Bearer ")
        assert (await client.get("/v1/events", params={"api_key": key})).status_code == 400
        pages = [(await client.get(path)).text for path in ("/keys", "/people", "/audit", endpoint, shop)]
    # What the client of this test says of itself is not ours.
    log = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    for secret in [*secrets, key]:
        assert secret not in log
        assert all(secret not in page for page in pages)
