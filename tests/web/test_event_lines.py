"""POST /v1/events as lines of JSON: stored as they come, with a bound on everything; and the rate of one key."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from ombud.errors import InvalidInput
from ombud.sender.sender import Sender
from ombud.web import event_lines, intake
from ombud.web.app import SenderApp
from ombud.web.event_lines import LINE_BYTES, read_lines
from ombud.web.intake import BURST_SECONDS, EVENTS_PER_REQUEST

LINES = {"Content-Type": "application/x-ndjson; charset=utf-8"}
ENDPOINT = {"url": "https://8.8.8.8/"}


def line(number: int, **fields: Any) -> bytes:
    return json.dumps({"event_type": "order.new", "order_id": number} | fields).encode() + b"\n"


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    for part in given:
        yield part


async def post(client: httpx2.AsyncClient, *given: bytes) -> httpx2.Response:
    return await client.post("/v1/events", content=parts(*given), headers=LINES)


async def test_lines_are_stored_wherever_they_are_cut(client: httpx2.AsyncClient, rows: Any) -> None:
    await client.post("/v1/endpoints", json=ENDPOINT)
    text = b"".join(line(number) for number in range(40)) + b"\r\n \n" + line(40).rstrip()
    for size in (7, 50, len(text)):
        given = [text[start : start + size] for start in range(0, len(text), size)]
        answer = await post(client, *given)
        assert (answer.status_code, answer.json()) == (201, {"stored": 41, "deliveries": 41})
    assert [row["subject"] for row in rows("select * from event order by id")] == 3 * [
        f"order/{number}" for number in range(41)
    ]
    assert (await post(client, b"")).json() == {"stored": 0, "deliveries": 0}
    assert (await post(client, line(1, event_key="k"), line(1, event_key="k"))).json()["stored"] == 2
    assert len(rows("select * from event")) == 3 * 41 + 1


async def test_more_than_one_request_may_have_else(client: httpx2.AsyncClient, rows: Any) -> None:
    answer = await post(client, b"".join(line(number) for number in range(2 * EVENTS_PER_REQUEST + 1)))
    assert answer.json()["stored"] == 2 * EVENTS_PER_REQUEST + 1 == len(rows("select id from event"))


@pytest.mark.parametrize(
    ("wrong", "status", "field", "words"),
    [
        (b'{"event_type": "order.new"}\n', 422, "[2].order_id", "Line 3: order.new needs order_id"),
        (b'{"event_type": "order.new", "order_id": "1", "x": 1}\n', 422, "[2].x", "Line 3: Object contains unknown"),
        (b'{"event_type": "order.new", "order_id": \n', 422, "[2]", "Line 3: It is not JSON"),
        (b"[]\n", 422, "[2]", "Line 3: Expected `object`"),
        (line(9, event_key="used"), 409, None, "already stands for"),
        (b" " * LINE_BYTES + line(9), 413, None, f"more than {LINE_BYTES} bytes"),
    ],
)
async def test_what_came_before_a_wrong_line_stays(
    client: httpx2.AsyncClient, rows: Any, wrong: bytes, status: int, field: str | None, words: str
) -> None:
    await post(client, line(1, event_key="used"))
    answer = await post(client, line(1), line(2), wrong, line(3))
    document = answer.json()
    assert (answer.status_code, document["stored"], document.get("field")) == (status, 2, field)
    assert words in document["detail"]
    assert [row["subject"] for row in rows("select subject from event order by id")] == ["order/1"] * 2 + ["order/2"]


async def test_a_body_has_an_end(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_lines, "STREAM_BYTES", 500)
    answer = await post(client, *(line(number) for number in range(50)))
    assert answer.status_code == 413
    assert 0 < answer.json()["stored"] < 50


async def test_nothing_more_is_read_while_lines_are_stored() -> None:
    asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        ended = asked == 3
        return (
            {"type": "http.disconnect"} if ended else {"type": "http.request", "body": line(1) * 5, "more_body": True}
        )

    seen: list[Sequence[int]] = []

    async def read() -> None:
        async for some in read_lines(receive, 2):
            seen.append([number for number, _ in some])
            assert asked == 1 + (len(seen) > 3)

    with pytest.raises(InvalidInput, match="ended before the body did"):
        await read()
    assert seen == [[1, 2], [3, 4], [5], [6, 7], [8, 9], [10]]


async def test_a_key_has_its_rate(sender: Sender, key: str, rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sender.settings = replace(sender.settings, events_per_second=1)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(intake, "sleep", sleep)
    transport = httpx2.ASGITransport(SenderApp(sender))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://ombud.example", headers=headers) as client:
        event = {"event_type": "order.new", "order_id": 1}
        most = BURST_SECONDS + 30
        assert (await client.post("/v1/events", json=[event] * most)).status_code == 201
        refused = await client.post("/v1/events", json=event)
        assert refused.status_code == 429
        assert 20 < int(refused.headers["Retry-After"]) <= 31
        assert "OMBUD_EVENTS_PER_SECOND" in refused.json()["detail"]
        # Whoever streams is slowed down.
        assert (await post(client, line(1))).json() == {"stored": 1, "deliveries": 0}
    assert [20 < wait <= 31 for wait in waits] == [True]
    assert len(rows("select id from event")) == most + 1
