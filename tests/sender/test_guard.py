"""Names: every answer is judged, at every attempt, and what was judged is what is connected to."""

import asyncio
import subprocess
import sys
import threading
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from ombud.errors import InvalidInput, NetworkError, Refused
from ombud.sender.guard import vet
from ombud.sender.outbox import Event
from ombud.sender.url import parse_url


async def test_a_name_gives_its_addresses_in_the_resolvers_order(names: Any) -> None:
    names.are("shop.example", ["2a00::1", "8.8.8.8", "2a00::1", "1.1.1.1"])

    found = await vet(parse_url("https://shop.example/"), [])

    assert [str(address) for address in found] == ["2a00::1", "8.8.8.8", "1.1.1.1"]


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["8.8.8.8", "2a00::1", "::1"],
        ["8.8.8.8", "::ffff:10.0.0.1"],
        ["8.8.8.8", "64:ff9b::a00:1"],
        ["8.8.8.8", "169.254.169.254"],
        ["fe80::1%1"],
        ["0.0.0.0"],
        ["8.8.8.8"] * 99 + ["192.168.1.1"],
    ],
)
async def test_one_address_that_is_not_public_refuses_the_name(names: Any, answer: list[str]) -> None:
    names.are("shop.example", answer)

    with pytest.raises(Refused, match=r"^shop\.example is at .* OMBUD_ALLOW_NETWORKS"):
        await vet(parse_url("https://shop.example/"), [])


async def test_a_literal_is_judged_without_asking_anybody(names: Any) -> None:
    assert await vet(parse_url("http://8.8.8.8/"), []) == [ip_address("8.8.8.8")]
    assert await vet(parse_url("http://[2a00::1]/"), []) == [ip_address("2a00::1")]
    for url in ("http://127.0.0.1/", "http://[::1]/", "http://①②⑦.0.0.1/", "http://[::ffff:8.8.8.8]/"):
        with pytest.raises(Refused, match=r"^(?!.*is at)"):
            await vet(parse_url(url), [])
    assert names.asked == []


async def test_an_allowed_range_opens_names_too_but_never_to_credentials(names: Any) -> None:
    names.are("inside.example", ["10.0.0.7"])
    names.are("cloud.example", ["10.0.0.7", "169.254.169.254"])
    everything = [ip_network("0.0.0.0/0"), ip_network("::/0")]

    assert await vet(parse_url("http://inside.example/"), everything) == [ip_address("10.0.0.7")]
    with pytest.raises(Refused, match="credentials"):
        await vet(parse_url("http://cloud.example/"), everything)


async def test_a_name_without_an_address_is_a_network_error(names: Any) -> None:
    with pytest.raises(NetworkError, match=r"nowhere\.example could not be resolved"):
        await vet(parse_url("http://nowhere.example/"), [])


async def test_a_name_is_checked_when_it_is_entered(names: Any, running: Any) -> None:
    names.are("good.example", ["8.8.8.8"])
    names.are("evil.example", ["8.8.8.8", "10.0.0.1"])

    await running.sender.check_destination("https://good.example/")
    await running.sender.check_destination("https://not-yet.example/")
    with pytest.raises(InvalidInput, match=r"evil.example is at 10\.0\.0\.1") as caught:
        await running.sender.check_destination("https://evil.example/", "[2].url")
    assert caught.value.field == "[2].url"


async def test_a_name_that_moves_inside_is_refused_at_the_next_attempt(names: Any, new_running: Any, peer: Any) -> None:
    running = new_running(allow_networks=[ip_network("127.0.0.1/32")], retry_seconds=(0.01, 0.01))
    canary_port = peer.port
    names.are("shop.example", ["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1", "127.0.0.2"])
    peer.answers(500)
    await running.add(f"http://shop.example:{canary_port}/hooks")
    await running.sender.publish([Event("order.new", "1")])
    running.start()

    [delivery] = await running.settled()

    assert delivery["state"] == 2
    assert names.asked == ["shop.example"] * 3
    reasons = [row["reason"] for row in running.rows("select reason from attempt order by id")]
    assert "Answered 500" in reasons[0]
    assert "shop.example is at 127.0.0.2" in reasons[1]
    assert "shop.example is at 127.0.0.2" in reasons[2]
    assert peer.connections == 1


async def test_no_turn_of_a_rebinding_name_reaches_the_inside(names: Any, deliverer: Any, new_peer: Any) -> None:
    allowed = await new_peer(host="127.0.0.1")
    canary = await new_peer(host="127.0.0.2")
    one = deliverer(allowed=[ip_network("127.0.0.1/32")])
    turns = [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"]] * 25
    refused = 0
    names.are("shop.example", *turns)
    for port in (canary.port, allowed.port):
        for _ in range(50):
            try:
                await one.send(f"http://shop.example:{port}/")
            except (Refused, NetworkError) as error:
                refused += isinstance(error, Refused)

    # Each look-up is both judged and connected to: never one answer for the guard and a second one for the socket.
    assert len(names.asked) == 100
    assert refused == 75
    assert canary.connections == 0
    assert allowed.connections > 0


async def test_an_address_put_into_the_table_by_hand_is_refused_all_the_same(
    running: Any, peer: Any, database: Any
) -> None:
    endpoint = await running.add("https://example.com/")
    strict = type(running.sender.deliverer)([], 20)
    running.sender.deliverer = strict
    await running.sender.publish([Event("order.new", "1")])

    def smuggle() -> Any:
        from ombud.db.operation import Statement

        text = "update endpoint set url = :url where id = :id"
        yield Statement(text, text), {"url": peer.url, "id": endpoint.id}

    database.write(smuggle)
    running.start()

    [delivery] = await running.settled()

    assert delivery["state"] == 2
    assert "127.0.0.1 is a private" in delivery["reason"]
    assert peer.connections == 0


async def test_name_servers_that_hang_delay_no_other_name(names: Any) -> None:
    freed = threading.Event()

    def hang() -> list[str]:
        freed.wait(20)
        return ["8.8.8.8"]

    names.are("good.example", ["8.8.8.8"])
    names.are("slow.example", hang)
    slow = [asyncio.ensure_future(vet(parse_url("http://slow.example/"), [])) for _ in range(100)]
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            assert await vet(parse_url("http://good.example/"), [])
        assert not any(task.done() for task in slow)
    finally:
        freed.set()
        await asyncio.gather(*slow)


def test_a_name_server_that_hangs_does_not_hold_the_exit() -> None:
    program = """
import asyncio, socket, threading
from ombud.sender.guard import vet
from ombud.sender.url import parse_url

asked = threading.Event()

def hang(*_, **__):
    asked.set()
    threading.Event().wait()

socket.getaddrinfo = hang

async def main():
    look_up = asyncio.ensure_future(vet(parse_url("http://slow.example/"), []))
    await asyncio.to_thread(asked.wait)
    look_up.cancel()

asyncio.run(main())
"""
    # The time is that of a busy machine: a process that is held never ends.
    done = subprocess.run([sys.executable, "-c", program], timeout=20, check=False, capture_output=True)

    assert (done.returncode, done.stderr) == (0, b"")
