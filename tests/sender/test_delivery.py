"""From the event to the endpoint: a whole sender against real endpoints."""

import asyncio
import time
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

import pytest

from ombud.sender.outbox import Event

DONE, DEAD = 1, 2


def query(request: bytes) -> str:
    return request.split(b" ", 2)[1].partition(b"?")[2].decode()


def attempts(running: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = running.rows("select * from attempt order by id")
    return rows


async def test_an_event_is_delivered(running: Any, peer: Any) -> None:
    before = time.time_ns() // 1000
    await running.add(f"{peer.url}?token=tok_4711")
    running.start()
    await running.sender.publish([Event("order.new", "90017")])

    [delivery] = await running.settled()

    assert [query(request) for request in peer.requests] == ["token=tok_4711&event_type=order.new&order_id=90017"]
    assert (delivery["state"], delivery["attempts"], delivery["reason"]) == (DONE, 1, None)
    [attempt] = attempts(running)
    assert (attempt["outcome"], attempt["status"], attempt["reason"], attempt["late"]) == ("done", 200, None, 0)
    assert before <= attempt["at"] <= time.time_ns() // 1000
    assert 0 <= attempt["milliseconds"] < 10_000


async def test_what_was_published_before_the_start_is_delivered(running: Any, peer: Any) -> None:
    await running.add(peer.url)
    await running.sender.publish([Event("product.delete", "a:b")])
    running.start()
    await running.settled()

    assert [query(request) for request in peer.requests] == ["event_type=product.delete&product_id=a:b"]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_acknowledges(running: Any, peer: Any, status: int) -> None:
    peer.answers(status, 500)
    await running.add(peer.url)
    await running.sender.publish([Event("order.new", "1")])
    running.start()

    [delivery] = await running.settled()

    assert (delivery["state"], delivery["attempts"]) == (DONE, 1)
    assert [row["status"] for row in attempts(running)] == [status]


@pytest.mark.parametrize(
    "status", [300, 301, 302, 304, 308, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503, 504, 999]
)
async def test_every_other_status_is_tried_again(running: Any, peer: Any, status: int) -> None:
    peer.answers(status, 200)
    await running.add(peer.url)
    await running.sender.publish([Event("order.new", "1")])
    running.start()

    [delivery] = await running.settled()

    assert (delivery["state"], delivery["attempts"]) == (DONE, 2)
    assert [(row["outcome"], row["status"]) for row in attempts(running)] == [("retry", status), ("done", 200)]
    assert len({query(request) for request in peer.requests}) == 1


async def test_an_endpoint_that_never_acknowledges(running: Any, peer: Any) -> None:
    peer.answers(500)
    await running.add(peer.url)
    await running.sender.publish([Event("order.new", "1")])
    running.start()

    [delivery] = await running.settled()

    assert (delivery["state"], delivery["attempts"]) == (DEAD, 3)
    assert delivery["reason"].startswith("Answered 500: ")
    assert "attempt 3 was the last" in delivery["reason"]
    assert [row["outcome"] for row in attempts(running)] == ["retry", "retry", "dead"]
    assert peer.connections == 3


async def test_an_endpoint_that_hangs_is_tried_again(new_running: Any, peer: Any) -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    running = new_running(timeout_seconds=0.2)
    peer.says(hang, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await running.add(peer.url)
    await running.sender.publish([Event("order.new", "1")])
    running.start()

    [delivery] = await running.settled()

    assert (delivery["state"], delivery["attempts"]) == (DONE, 2)
    first, second = attempts(running)
    assert (first["outcome"], first["status"]) == ("retry", None)
    assert first["reason"].startswith("Connected, but the answer did not come in time.")
    assert 180 <= first["milliseconds"] < 5_000
    assert second["at"] - first["at"] >= 200_000


async def test_an_endpoint_where_nobody_listens_is_tried_until_it_is_dead(running: Any, peer: Any) -> None:
    await peer.close()
    await running.add(peer.url)
    await running.sender.publish([Event("order.new", "1")])
    running.start()

    [delivery] = await running.settled()

    assert (delivery["state"], delivery["attempts"]) == (DEAD, 3)
    assert delivery["reason"].startswith(f"Connection refused: nothing listens on port {peer.port}.")
    assert [row["status"] for row in attempts(running)] == [None] * 3


async def test_a_name_that_does_not_resolve_is_tried_again(
    running: Any, peer: Any, names: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.sender.resolver.NO_ANSWER_SECONDS", 0.0)
    names.are("shop.example", [], ["127.0.0.1"])
    await running.add(f"http://shop.example:{peer.port}/")
    await running.sender.publish([Event("order.new", "1")])
    running.start()

    [delivery] = await running.settled()

    assert (delivery["state"], delivery["attempts"]) == (DONE, 2)
    assert "no address" in attempts(running)[0]["reason"]


async def test_the_pause_grows_as_the_schedule_says(new_running: Any, peer: Any) -> None:
    running = new_running(retry_seconds=(0.1, 0.4))
    peer.answers(500)
    await running.add(peer.url)
    await running.sender.publish([Event("order.new", "1")])
    running.start()
    await running.settled()

    first, second, third = peer.at
    assert second - first >= 0.1
    assert third - second >= 0.4


@pytest.mark.parametrize(
    ("status", "text", "least", "most"),
    [
        (503, "0", 60, 73),
        (429, "1", 60, 73),
        (503, "-5", 60, 73),
        (500, "3600", 60, 73),
        (503, "Thu, 01 Jan 1970 00:00:00 GMT", 60, 73),
        (503, "3600", 3_600, 3_601),
        (429, "80000", 80_000, 80_001),
        (429, "9" * 30, 86_400, 86_401),
    ],
)
async def test_retry_after_makes_a_pause_longer_and_never_shorter(
    new_running: Any, peer: Any, status: int, text: str, least: int, most: int
) -> None:
    running = new_running(retry_seconds=(60.0,) * 3)
    peer.says(f"HTTP/1.1 {status} No\r\nRetry-After: {text}\r\nContent-Length: 0\r\n\r\n".encode())
    await running.add(peer.url)
    await running.sender.publish([Event("order.new", "1")])
    running.start()

    [delivery] = await running.until("select due_at from delivery where attempts = 1")

    [attempt] = attempts(running)
    assert least <= (delivery["due_at"] - attempt["at"]) / 1_000_000 < most + 20


async def test_each_of_many_events_comes_once_to_each_endpoint(running: Any, new_peer: Any) -> None:
    peers = [await new_peer() for _ in range(3)]
    for peer in peers:
        await running.add(peer.url)
    running.start()
    for start in range(0, 150, 50):
        await running.sender.publish([Event("order.new", str(start + place)) for place in range(50)])

    deliveries = await running.settled()

    assert Counter(row["state"] for row in deliveries) == {DONE: 450}
    for peer in peers:
        ids = Counter(parse_qs(query(request))["order_id"][0] for request in peer.requests)
        assert ids == {str(number): 1 for number in range(150)}


async def test_an_endpoint_that_hangs_delays_no_other(new_running: Any, new_peer: Any) -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    running = new_running(timeout_seconds=15.0)
    slow, quick = await new_peer(hang), await new_peer()
    await running.add(slow.url)
    await running.add(quick.url)
    await running.sender.publish([Event("order.new", str(place)) for place in range(30)])
    running.start()
    await slow.wait_for(1)
    started = time.monotonic()
    await running.sender.publish([Event("order.new", str(30 + place)) for place in range(30)])

    await quick.wait_for(60)

    assert time.monotonic() - started < 5.0
    assert len(slow.requests) < 60


async def test_a_hanging_shop_of_twenty_endpoints_delays_no_other_shop(new_running: Any, new_peer: Any) -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    running = new_running(timeout_seconds=15.0)
    slow, quick = await new_peer(hang), await new_peer()
    for _ in range(20):
        await running.add(slow.url, shop_id=1)
    await running.add(quick.url, shop_id=2)
    await running.sender.publish([Event("order.new", str(place)) for place in range(40)])
    running.start()
    await slow.wait_for(20)
    started = time.monotonic()
    await running.sender.publish([Event("order.new", str(place), 2) for place in range(40)])

    await quick.wait_for(40)

    assert time.monotonic() - started < 5.0


async def test_deliveries_of_one_subject_never_overlap(running: Any, peer: Any) -> None:
    now: Counter[str] = Counter()
    most: Counter[str] = Counter()
    together = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal together
        subject = parse_qs(query(peer.requests[-1]))["order_id"][0]
        now[subject] += 1
        most[subject] = max(most[subject], now[subject])
        together = max(together, sum(now.values()))
        for _ in range(20):
            await asyncio.sleep(0)
        now[subject] -= 1
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    peer.says(serve)
    await running.add(peer.url)
    types = ["order.new", "order.done", "order.cancelled"]
    await running.sender.publish([Event(types[place % 3], str(place % 10)) for place in range(120)])
    running.start()
    deliveries = await running.settled()

    assert Counter(row["state"] for row in deliveries) == {DONE: 120}
    assert set(most.values()) == {1}
    # Different subjects do: the check above is not one of a sender that sends one by one.
    assert together > 1


async def test_a_subject_that_fails_does_not_hold_the_others(new_running: Any, peer: Any) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        status = 404 if b"order_id=bad" in peer.requests[-1] else 200
        writer.write(f"HTTP/1.1 {status} Told\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
        await reader.read()

    running = new_running(retry_seconds=(3_600.0,))
    peer.says(serve)
    await running.add(peer.url)
    await running.sender.publish([Event("order.new", text) for text in ("bad", "1", "2", "3")])
    running.start()

    await running.until("select 1 where (select count(*) from delivery where state = 1) = 3")

    assert [row["subject"] for row in running.rows("select subject from delivery where state = 0")] == ["order/bad"]


async def test_an_attempt_that_is_cut_by_the_stop_counts_for_nothing(
    new_running: Any, peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.mailbox.worker.STOP_SECONDS", 0.1)

    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    running = new_running(timeout_seconds=60.0)
    peer.says(hang, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await running.add(peer.url)
    await running.sender.publish([Event("order.new", "1")])
    running.start()
    await peer.wait_for(1)
    await running.stop()

    [delivery] = running.rows("select * from delivery")
    assert (delivery["state"], delivery["attempts"]) == (0, 0)
    assert [row["outcome"] for row in attempts(running)] == ["interrupted"]

    again = new_running()
    again.start()
    [delivery] = await again.settled()
    assert (delivery["state"], delivery["attempts"]) == (DONE, 1)
    assert len(peer.requests) == 2


async def test_a_sender_that_is_stopped_before_it_runs_does_not_run(running: Any, peer: Any) -> None:
    await running.add(peer.url)
    await running.sender.publish([Event("order.new", "1")])
    running.sender.stop()

    async with asyncio.timeout(10):
        await running.sender.run()
    assert peer.connections == 0
