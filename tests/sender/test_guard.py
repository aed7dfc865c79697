"""Names: every answer is judged, at every attempt, and what was judged is what is connected to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from typing import Any

import pytest

from ombud.errors import InvalidInput
from ombud.sender import resolver
from ombud.sender.guard import PORTS, Guard
from ombud.sender.outbox import Event
from ombud.sender.url import parse_url
from ombud.sender.verdict import DeliveryFailed, DestinationRefused, Failure
from tests.support.name_server import NameServer, Says

EVERYTHING = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@pytest.fixture
async def new_guard(names: NameServer) -> AsyncIterator[Callable[..., Guard]]:
    """Make the rules of an installation."""
    made: list[Guard] = []

    def make(*args: Any) -> Guard:
        made.append(Guard(*args))
        return made[-1]

    yield make
    for guard in made:
        guard.close()


async def test_a_name_gives_each_of_its_addresses_once(names: NameServer, new_guard: Any) -> None:
    names.are("shop.example", ["2a00::1", "8.8.8.8", "2a00::1", "1.1.1.1"])

    vetted = await new_guard().vet(parse_url("https://shop.example/"))

    assert sorted(vetted.addresses) == ["1.1.1.1", "2a00::1", "8.8.8.8"]


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
        ["fe80::1"],
        ["0.0.0.0"],
        ["8.8.8.8"] * 60 + ["192.168.1.1"],
        Says(["10.0.0.1"], aliases=["a.example", "b.example"]),
        Says([f"8.8.{part}.8" for part in range(99)] + ["10.0.0.1"], cut_by_udp=True),
    ],
)
async def test_one_address_that_is_not_public_refuses_the_name(names: NameServer, new_guard: Any, answer: Any) -> None:
    names.are("shop.example", answer)

    with pytest.raises(DestinationRefused, match=r"^shop\.example is at ") as caught:
        await new_guard().vet(parse_url("https://shop.example/"))
    assert caught.value.failure in {Failure.ADDRESS_PRIVATE, Failure.ADDRESS_OF_CREDENTIALS}


async def test_a_literal_is_judged_without_asking_anybody(names: NameServer, new_guard: Any) -> None:
    guard = new_guard()

    assert (await guard.vet(parse_url("http://8.8.8.8/"))).addresses == ("8.8.8.8",)
    assert (await guard.vet(parse_url("http://[2a00::1]/"))).addresses == ("2a00::1",)
    for url in ("http://127.0.0.1/", "http://[::1]/", "http://①②⑦.0.0.1/", "http://[::ffff:8.8.8.8]/"):
        with pytest.raises(DestinationRefused, match=r"^(?!.*is at)"):
            await guard.vet(parse_url(url))
    assert names.asked == []


async def test_an_allowed_range_opens_names_too_but_never_to_credentials(names: NameServer, new_guard: Any) -> None:
    names.are("inside.example", ["10.0.0.7"])
    names.are("cloud.example", ["10.0.0.7", "169.254.169.254"])
    guard = new_guard(EVERYTHING)

    assert (await guard.vet(parse_url("http://inside.example/"))).addresses == ("10.0.0.7",)
    with pytest.raises(DestinationRefused, match="credentials"):
        await guard.vet(parse_url("http://cloud.example/"))


async def test_a_name_without_an_address_is_a_failed_delivery(new_guard: Any) -> None:
    with pytest.raises(DeliveryFailed, match=r"nowhere\.example could not be resolved"):
        await new_guard().vet(parse_url("http://nowhere.example/"))


@pytest.mark.parametrize("port", sorted(PORTS))
async def test_the_ports_of_the_web(names: NameServer, new_guard: Any, port: int) -> None:
    names.are("shop.example", ["8.8.8.8"])
    for host in ("8.8.8.8", "[2a00::1]", "shop.example"):
        guard = new_guard()
        guard.check(f"http://{host}:{port}/")
        assert await guard.vet(parse_url(f"http://{host}:{port}/"))


def port_is_refused(guard: Guard, host: str, port: int) -> bool:
    try:
        guard.check(f"https://{host}:{port}/")
    except InvalidInput as error:
        return f"Port {port} is not one for webhooks" in str(error)
    return False


@pytest.mark.parametrize("host", ["8.8.8.8", "[2a00::1]", "shop.example"])
def test_no_other_port(names: NameServer, host: str) -> None:
    guard = Guard()
    assert {port for port in range(1, 65_536) if not port_is_refused(guard, host, port)} == PORTS


async def test_a_port_of_a_name_is_judged_at_every_attempt(names: NameServer, new_guard: Any) -> None:
    names.are("shop.example", ["8.8.8.8"])
    guard = new_guard([ip_network("10.0.0.0/8")])

    # Where an operator has named a range, a name may lead there: only its addresses can tell.
    guard.check("http://shop.example:6379/")
    with pytest.raises(DestinationRefused, match="Port 6379"):
        await guard.vet(parse_url("http://shop.example:6379/"))


async def test_an_allowed_range_lifts_the_rule_on_ports_for_itself_alone(names: NameServer, new_guard: Any) -> None:
    guard = new_guard([ip_network("10.0.0.0/8")])
    names.are("shop.example", ["10.0.0.7"], ["10.0.0.7", "8.8.8.8"])

    assert guard.check("http://10.0.0.7:6379/")
    assert (await guard.vet(parse_url("http://shop.example:6379/"))).addresses == ("10.0.0.7",)
    with pytest.raises(DestinationRefused, match="Port 6379"):
        await guard.vet(parse_url("http://shop.example:6379/"))


async def test_a_name_is_checked_when_it_is_entered(names: NameServer, running: Any) -> None:
    names.are("good.example", ["8.8.8.8"])
    names.are("evil.example", ["8.8.8.8", "10.0.0.1"])

    await running.sender.check_destination("https://good.example/")
    await running.sender.check_destination("https://not-yet.example/")
    with pytest.raises(InvalidInput, match=r"evil.example is at 10\.0\.0\.1") as caught:
        await running.sender.check_destination("https://evil.example/", "[2].url")
    assert caught.value.field == "[2].url"


async def test_what_is_known_is_known_for_as_long_as_the_name_says(names: NameServer, new_guard: Any) -> None:
    names.are("short.example", Says(["8.8.8.8"], ttl=0))
    names.are("long.example", Says(["8.8.8.8"], ttl=20))
    names.are("longest.example", Says(["8.8.8.8"], ttl=86_400))
    guard, kept = new_guard(), {}
    for host in ("short", "long", "longest"):
        url = parse_url(f"http://{host}.example/")
        await guard.vet(url)
        now = asyncio.get_running_loop().time()
        kept[host] = [seconds for seconds in (0, 15, 25, 40) if guard.known(url, now + seconds)]

    assert kept == {"short": [], "long": [0, 15], "longest": [0, 15, 25]}


async def test_a_name_that_moves_inside_is_refused_at_the_next_attempt(
    names: NameServer, new_running: Any, peer: Any
) -> None:
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


async def test_an_address_put_into_the_table_by_hand_is_refused_all_the_same(
    new_running: Any, peer: Any, database: Any
) -> None:
    running = new_running(allow_networks=())
    endpoint = await running.add("https://example.com/")
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


async def test_a_look_up_takes_no_longer_than_it_may(
    names: NameServer, new_guard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "LOOKUP_SECONDS", 0.2)
    names.are("slow.example", Says(["8.8.8.8"], after_seconds=5.0))

    with pytest.raises(DeliveryFailed, match="its name servers did not answer") as caught:
        async with asyncio.timeout(4):
            await new_guard().vet(parse_url("http://slow.example/"))
    assert caught.value.failure is Failure.NAME_TIMEOUT
