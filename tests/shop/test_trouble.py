"""The dials for trouble: each does what its button says, and one button sets all right."""

import re
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from ombud.sender.endpoint import EndpointEdit
from ombud.sender.endpoints import Endpoints
from ombud.sender.vault import Vault
from ombud.shop import create_app
from ombud.shop.trouble import DIALS, WELL, Trouble
from ombud.shop.troubled import TriedEndpoint, TroubledApi
from tests.shop.world import BASE, KEY, World, ask, client


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser has no key; its forms carry their origin."""
    async with client(create_app(world.shop)) as opened:
        opened.headers["Origin"] = BASE
        yield opened


async def turn(browser: httpx2.AsyncClient, dial: str, choice: str) -> str:
    """Press a dial's button; returns the page."""
    answer = await browser.post("/trouble", data={dial: choice})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/trouble")
    return (await browser.get("/trouble")).text


async def test_every_dial_has_a_button_for_each_place(browser: httpx2.AsyncClient) -> None:
    page = (await browser.get("/trouble")).text.partition("<footer>")[0]
    assert page.count('aria-pressed="true"') == len(DIALS)
    assert "All well again" not in page
    for dial in DIALS.values():
        for choice in dial.choices:
            shown = await turn(browser, dial.name, choice.name)
            assert f'<button name="{dial.name}" value="{choice.name}" aria-pressed="true">' in shown
            assert choice.watch.split("'")[0] in shown
            assert ("All well again" in (await browser.get("/")).text) == (choice.name != WELL)
        await browser.post("/trouble")
    assert (await browser.get("/trouble")).text.startswith(page)


@pytest.mark.parametrize("form", [{"webhooks": "eaten"}, {"weather": "well"}, {"api": ""}])
async def test_what_is_no_place_of_a_dial_is_refused(browser: httpx2.AsyncClient, form: dict[str, str]) -> None:
    answer = await browser.post("/trouble", data=form)
    assert answer.status_code == 422
    assert "Choose one of the buttons of a dial." in answer.text


async def test_another_site_turns_no_dial(world: World, browser: httpx2.AsyncClient) -> None:
    for path in ("/trouble", "/trouble/forge", "/trouble/endpoint"):
        headers = {"Origin": "https://evil.example.test"}
        assert (await browser.post(path, data={"api": "down"}, headers=headers)).status_code == 403
    assert world.shop.trouble.now() == []


async def test_webhooks_are_lost_sent_twice_and_forged(world: World, browser: httpx2.AsyncClient) -> None:
    for choice, expected in (("lost", 0), ("twice", 2), (WELL, 1)):
        await turn(browser, "webhooks", choice)
        known = len(world.events())
        placed = (await browser.post("/orders/quick", data={"product": "101"})).headers["Location"]
        order_id = placed.rpartition("=")[2]
        assert world.new_events(known) == [("order.new", f"order/{order_id}")] * expected
        assert (await world.order(order_id))["status"] == "1"
    await turn(browser, "webhooks", "lost")
    known = len(world.events())
    forged = await browser.post("/trouble/forge")
    assert forged.headers["Location"] == "/trouble?forged=90001"
    assert world.new_events(known) == [("order.new", "order/90001")]
    assert (await world.order("90001"))["status"] == "-1"


async def test_webhooks_come_late_and_overtake_one_another(
    world: World, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    chances = iter((1.0, 0.0))
    monkeypatch.setattr(world.shop.trouble, "_chance", lambda: next(chances))
    endpoints = Endpoints(world.outbox.mailbox, Vault(world.database.key_file))
    world.database.write(lambda: endpoints.add(EndpointEdit("https://example.test/hook")))
    await turn(browser, "webhooks", "late")
    await browser.post("/orders/90001/status", data={"status": "paid"})
    await browser.post("/orders/90001/status", data={"status": "done"})
    rows = world.database.read(
        lambda: ask("select e.type, d.due_at - e.created_at as late from delivery d join event e on e.id = d.event_id")
    )
    assert {row["type"]: row["late"] for row in rows} == {"order.new": 10_000_000, "order.done": 1_000_000}


@pytest.mark.parametrize(("choice", "status"), [("busy", 429), ("down", 503), ("garbage", 200), ("refused", 401)])
async def test_the_api_is_not_itself(world: World, browser: httpx2.AsyncClient, choice: str, status: int) -> None:
    await turn(browser, "api", choice)
    answer = await world.api.get("/v1/orders", params={"order_id": "90001"})
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == ("2" if choice == "busy" else None)
    assert ("90001" in answer.text) is False
    await browser.post("/trouble")
    assert (await world.order("90001"))["order_id"] == "90001"


@pytest.mark.parametrize("choice", [choice.name for choice in DIALS["endpoint"].choices if choice.name != "slow"])
async def test_the_endpoint_answers_as_it_is_told(browser: httpx2.AsyncClient, choice: str) -> None:
    await turn(browser, "endpoint", choice)
    answer = await browser.get("/endpoint?event_type=order.new&order_id=1")
    assert answer.status_code == (200 if choice == WELL else int(choice))


async def test_what_is_slow_answers_in_the_end(world: World) -> None:
    trouble = Trouble()
    api = TroubledApi(create_app(world.shop), trouble, slow_seconds=0.05)
    endpoint = TriedEndpoint(trouble, late_seconds=0.05)
    app = Starlette(routes=[Route("/endpoint", endpoint.answer), Mount("/", api)])
    assert trouble.turn("api", "slow")
    assert trouble.turn("endpoint", "slow")
    async with client(app, key=KEY) as slow:
        for path in ("/endpoint", "/v1/orders"):
            answer = await slow.get(path)
            assert answer.status_code == 200
            assert answer.elapsed.total_seconds() >= 0.05


async def test_the_endpoint_is_added_by_a_button(world: World, browser: httpx2.AsyncClient) -> None:
    added: list[str] = []

    async def add(url: str) -> None:
        added.append(url)

    assert "Add it to the endpoints" not in (await browser.get("/trouble")).text
    assert (await browser.post("/trouble/endpoint")).status_code == 422
    async with client(create_app(world.shop, add_endpoint=add)) as other:
        page = (await other.get("/trouble")).text
        assert re.search(r"<code>([^<]+/endpoint)</code>", page)
        answer = await other.post("/trouble/endpoint", headers={"Origin": BASE})
        assert answer.headers["Location"] == "/trouble?added=1#endpoint"
        assert "It hears of every event" in (await other.get("/trouble?added=1")).text
    assert added == [f"{BASE}/endpoint"]
