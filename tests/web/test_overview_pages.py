"""The overview as a person reads it without JavaScript: figures, each endpoint, and every number in a table."""

import re

import httpx2
import pytest

from ombud.admin.access import Role
from ombud.admin.counting import Counting
from ombud.admin.tally import Tally
from ombud.mailbox.model import Delivery, Done, Retry
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.web.app import SenderApp
from tests.support.people import log_in
from tests.support.tries import tell

BASE = "http://127.0.0.1:8700"


def person(app: SenderApp, shop_id: int = 0, language: str = "en") -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
    headers = {"Accept-Language": language}
    cookies = log_in(app.people, Role.READER, shop_id)
    return httpx2.AsyncClient(transport=transport, base_url=BASE, headers=headers, cookies=cookies)


async def fill(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an endpoint of shop 7 with three tries, and an event that waits."""
    monkeypatch.setattr("ombud.admin.counting.OWN_LAG_SECONDS", -1.0)
    edit = EndpointEdit("http://127.0.0.1:9/hook?token=secret")
    endpoint = await sender.writer.write(lambda: sender.endpoints.add(edit, 7))
    await sender.publish([Event("order.new", "1", 7)])
    counting, tally = Counting(sender), Tally(sender)
    while await counting.count():
        pass
    await counting.count()
    tried = Delivery(1, 7, 1, endpoint.lane_id, "order.new", "order/1", None, 0, 0, 0, 0, 0, None)
    for outcome in (Done(200), Done(200), Retry("no", status=503)):
        tell(sender, tried, outcome, 30)
    await tally.flush()


def figures_of(page: str) -> dict[str, str]:
    """Return the page's figures by their names."""
    found = re.findall(r'<span class="small">([^<]+)</span><b>\s*([^<]*?)\s*</b>', page)
    return dict(found)


@pytest.mark.parametrize("shop_id", [0, 7])
async def test_what_is_counted_is_shown(
    app: SenderApp, sender: Sender, shop_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(sender, monkeypatch)
    async with person(app, shop_id) as client:
        page = (await client.get("/overview")).text
        part = (await client.get("/overview/stream?period=1h")).text.replace("\ndata: ", "\n")
    expected = {"Accepted": "1", "Delivered": "2", "Failed tries": "1", "Success": "66.7 %", "Waiting now": "1"}
    assert figures_of(page).items() >= (expected | {"p50": "50 ms", "p99": "50 ms"}).items()
    assert figures_of(part).items() >= expected.items()
    assert "<html" not in part
    assert "token" not in page
    rows = re.findall(r"<tr><th scope=\"row\".*?</tr>", page, re.DOTALL)
    numbers = [[int(value) for value in re.findall(r'data-value="(\d+)"', row)] for row in rows]
    assert [sum(row[place] for row in numbers) for place in range(3)] == [1, 2, 1]
    assert len(rows) == (25 if shop_id else 49)


async def test_a_shop_sees_nothing_of_others(app: SenderApp, sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(sender, monkeypatch)
    async with person(app, 8) as client:
        page = (await client.get("/overview")).text
    assert figures_of(page).items() >= {"Accepted": "0", "Delivered": "0", "Waiting now": "0"}.items()
    assert "There is no endpoint yet" in page


async def test_an_unknown_time_is_a_day_and_swedish_is_spoken(app: SenderApp) -> None:
    async with person(app, language="sv") as client:
        page = (await client.get("/overview?period=%3Cb%3E")).text
    assert "<h1>Översikt</h1>" in page
    assert re.search(r'period=24h" aria-current', page)
    assert "&lt;b" not in page


async def test_the_api_tells_the_same(
    client: httpx2.AsyncClient, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(sender, monkeypatch)
    found = (await client.get("/v1/overview", params={"period": "7d"})).json()
    assert (found["accepted"], found["delivered"], found["failed"], found["waiting"]) == (1, 2, 1, 1)
    assert (await client.get("/v1/overview", params={"period": "2d"})).status_code == 422
