"""The pages open on this machine alone, and take forms from themselves alone."""

import pytest

from ombud.shop import create_app
from tests.shop.world import BASE, World, client

HOST = BASE.removeprefix("http://")
PAY = {"status": "paid"}


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:8701", "http://localhost", "http://LOCALHOST:1", "http://[::1]:8701"]
)
async def test_names_of_this_machine(world: World, base: str) -> None:
    async with client(create_app(world.shop), base_url=base) as browser:
        assert (await browser.get("/")).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "shop.example.test",
        "127.0.0.1.example.test",
        "localhost.example.test",
        "127.0.0.1@example.test",
        "example.test#127.0.0.1",
        "192.0.2.1:8701",
        "0.0.0.0",
        "[::2]",
        "localhost:",
        "localhost:port",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", "/static/style.css", "/orders/90001"])
async def test_other_names_are_refused_in_a_sentence(world: World, host: str, path: str) -> None:
    answer = await world.api.get(path, headers={"Host": host})

    assert answer.status_code == 421
    assert "this machine alone" in answer.text


async def test_the_api_has_its_key_and_answers_to_any_name(world: World) -> None:
    assert (await world.api.get("/v1/orders", headers={"Host": "shop.example.test"})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": BASE},
        {"Origin": BASE, "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Referer": f"{BASE}/orders/90001"},
    ],
)
async def test_forms_of_its_own_pages_are_taken(world: World, headers: dict[str, str]) -> None:
    answer = await world.api.post("/orders/90001/status", data=PAY, headers=headers)

    assert answer.status_code == 303
    assert (await world.order("90001"))["status"] == "1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:8702"},
        {"Origin": "http://localhost:8701"},
        {"Origin": "http://[::1"},
        {"Origin": f"ftp://{HOST}"},
        {"Origin": "https://evil.example.test", "Sec-Fetch-Site": "same-origin", "Referer": f"{BASE}/"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Referer": f"{BASE}/"},
        {"Referer": f"http://evil.example.test/{BASE}/"},
        {"Referer": "nonsense"},
    ],
)
@pytest.mark.parametrize("path", ["/orders/90001/status", "/orders/quick", "/products/101/delete"])
async def test_forms_of_other_pages_are_refused_in_a_sentence(world: World, headers: dict[str, str], path: str) -> None:
    known = len(world.events())

    answer = await world.api.post(path, data=PAY | {"product": "101"}, headers=headers)

    assert answer.status_code == 403
    assert "not sent by a page of this shop" in answer.text
    assert world.new_events(known) == []


@pytest.mark.parametrize("path", ["/", "/orders/90001", "/products/101", "/static/style.css", "/nowhere"])
async def test_every_page_says_what_browsers_may_do(world: World, path: str) -> None:
    headers = (await world.api.get(path)).headers

    policy = headers["Content-Security-Policy"]
    for rule in (
        "default-src 'none'",
        "style-src 'self'",
        "form-action 'self'",
        "img-src 'self'",
        "frame-ancestors 'none'",
    ):
        assert rule in policy
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
