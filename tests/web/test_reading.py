"""Reading events: with every attempt and no secret, in pages without gaps or repeats."""

import re
from typing import Any

import httpx2
import pytest

from ombud.clock import now_microseconds
from ombud.mailbox.lease import fence, lease, release
from ombud.mailbox.load import Wanted, load
from ombud.mailbox.model import Result
from ombud.mailbox.settle import settle

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
ORDER = {"event_type": "order.new", "order_id": "90017"}
SECRET = "tok_4711"


async def publish(client: httpx2.AsyncClient, amount: int) -> list[str]:
    answer = await client.post("/v1/events", json=[ORDER | {"order_id": number} for number in range(amount)])
    return [document["id"] for document in answer.json()["events"]]


async def perform(sender: Any, outcomes: list[Any]) -> None:
    """Settle what is due, with these outcomes in turn."""
    mailbox = sender.outbox.mailbox

    def turn() -> Any:
        lanes = yield from lease(mailbox, 100)
        loaded = yield from load(mailbox, [Wanted(lane.id) for lane in lanes])
        found = [delivery for lane in lanes for delivery in loaded[lane.id].deliveries]
        results = [Result(delivery, now_microseconds(), 7, outcomes.pop(0)) for delivery in found]
        yield from settle(mailbox, results, (yield from fence(lanes)))
        yield from release([(lane, lane.health) for lane in lanes])

    await sender.writer.write(turn)


async def test_an_event_without_a_delivery(client: httpx2.AsyncClient) -> None:
    [event_id] = await publish(client, 1)

    document = (await client.get(f"/v1/events/{event_id}")).json()

    assert TIME.fullmatch(document.pop("created_at"))
    assert document == {
        "id": event_id,
        "shop_id": 1,
        "event_type": "order.new",
        "subject": "order/0",
        "fan_out": 0,
        "test": False,
        "deliveries": [],
    }


async def test_an_event_with_its_deliveries_and_attempts(client: httpx2.AsyncClient, sender: Any) -> None:
    from ombud.mailbox.model import Done, Fault, Retry

    urls = [f"https://8.8.8.8/{SECRET}?key={SECRET}", f"https://1.1.1.1:8443/?{SECRET}"]
    endpoints = [(await client.post("/v1/endpoints", json={"url": url})).json()["id"] for url in urls]
    [event_id] = await publish(client, 1)
    await perform(sender, [Retry("Answered 500: no.", fault=Fault.LANE, status=500), Done(status=204)])

    answer = await client.get(f"/v1/events/{event_id}")

    failed, done = answer.json()["deliveries"]
    assert SECRET not in answer.text
    assert (failed["endpoint_id"], failed["url"]) == (endpoints[0], "https://8.8.8.8/…")
    assert (done["endpoint_id"], done["url"]) == (endpoints[1], "https://1.1.1.1:8443/…")
    assert failed["id"].startswith("dlv_")
    assert failed["id"] != done["id"]
    assert (failed["state"], failed["reason"]) == ("pending", "Answered 500: no.")
    assert TIME.fullmatch(failed["next_attempt_at"])
    assert (done["state"], done["reason"], done["next_attempt_at"]) == ("done", None, None)
    [attempt] = failed["attempts"]
    assert TIME.fullmatch(attempt.pop("at"))
    assert attempt == {
        "status": 500,
        "milliseconds": 7,
        "outcome": "retry",
        "reason": "Answered 500: no.",
        "late": False,
    }
    assert [(attempt["status"], attempt["outcome"]) for attempt in done["attempts"]] == [(204, "done")]


async def test_what_a_deleted_endpoint_got_can_still_be_read(client: httpx2.AsyncClient) -> None:
    made = (await client.post("/v1/endpoints", json={"url": f"https://8.8.8.8/{SECRET}"})).json()
    [event_id] = await publish(client, 1)
    await client.delete(f"/v1/endpoints/{made['id']}")

    [delivery] = (await client.get(f"/v1/events/{event_id}")).json()["deliveries"]

    assert (delivery["endpoint_id"], delivery["url"]) == (made["id"], "https://8.8.8.8/…")


async def test_a_platforms_deliveries_are_shown_with_the_shops_events(client: httpx2.AsyncClient) -> None:
    made = (await client.post("/v1/endpoints", json={"url": "https://8.8.8.8/", "shop_id": 0})).json()
    await client.post("/v1/endpoints", json={"url": "https://8.8.8.8/", "shop_id": 2})
    [event_id] = await publish(client, 1)

    deliveries = (await client.get(f"/v1/events/{event_id}")).json()["deliveries"]

    assert [delivery["endpoint_id"] for delivery in deliveries] == [made["id"]]


async def test_the_list_counts_deliveries_by_state(client: httpx2.AsyncClient, sender: Any) -> None:
    from ombud.mailbox.model import Dead, Done, Retry, Skip

    for _ in range(4):
        await client.post("/v1/endpoints", json={"url": f"https://8.8.8.8/{SECRET}"})
    await publish(client, 1)
    await perform(sender, [Done(), Dead("no"), Skip("no"), Retry("no", after=3_600.0)])

    answer = await client.get("/v1/events")

    [event] = answer.json()["data"]
    assert event["deliveries"] == {"pending": 1, "done": 1, "dead": 1, "skipped": 1}
    assert event["fan_out"] == 4
    assert SECRET not in answer.text


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 20, 21, 500])
async def test_pages_are_complete_and_repeat_nothing(client: httpx2.AsyncClient, limit: int) -> None:
    await publish(client, 20)
    for shop in range(2):
        for _ in range(10):
            await client.post("/v1/endpoints", json={"url": "https://8.8.8.8/", "shop_id": shop})

    for path in ("/v1/events", "/v1/endpoints"):
        seen: list[str] = []
        cursor: str | None = ""
        pages = 0
        while cursor is not None:
            page = (await client.get(path, params={"limit": limit, "cursor": cursor})).json()
            seen += [document["id"] for document in page["data"]]
            assert len(page["data"]) <= limit
            cursor = page["next_cursor"]
            pages += 1
        assert len(seen) == len(set(seen)) == 20
        assert seen == sorted(seen, reverse=True)
        assert pages <= 20 // limit + 1


async def test_a_page_stays_what_it_was_while_events_arrive(client: httpx2.AsyncClient) -> None:
    ids = await publish(client, 10)
    first = (await client.get("/v1/events", params={"limit": 5})).json()
    await publish(client, 10)

    second = (await client.get("/v1/events", params={"limit": 5, "cursor": first["next_cursor"]})).json()

    assert [event["id"] for event in first["data"] + second["data"]] == ids[::-1]


async def test_a_page_has_fifty_rows_unless_told(client: httpx2.AsyncClient) -> None:
    await publish(client, 60)

    assert len((await client.get("/v1/events")).json()["data"]) == 50


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("limit", value) for value in ("0", "-1", "501", "x", "", "1.5", "1e1", "9" * 5_000, "\u0665x")],
        *[
            ("cursor", value)
            for value in ("x", "1", "ep_", "dlv_0000000000000", "evt_ep_0000000000000", "\x00", "a" * 5_000)
        ],
    ],
)
async def test_a_page_that_cannot_be(client: httpx2.AsyncClient, is_problem: Any, field: str, value: str) -> None:
    for path in ("/v1/events", "/v1/endpoints"):
        is_problem(await client.get(path, params={field: value}), 422, field)
