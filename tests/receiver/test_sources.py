"""Where webhooks come from: what proxies may say, and what follows from an address that is not the shop's."""

from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ombud.admin.shops import source_documents
from ombud.errors import InvalidInput, NotFound
from ombud.receiver import sources
from ombud.receiver.shops import DEFAULT_NAME
from ombud.receiver.source import MOST_HOPS, source_of
from ombud.receiver.sources import change_sources
from ombud.setting_values import TrustedProxy
from tests.receiver.fronts import Front, Request
from tests.receiver.world import Desk, settings_for

NEW = b"event_type=order.new&order_id=90017"
NOBODY: Sequence[TrustedProxy] = ()
PROXIES: Sequence[TrustedProxy] = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "source"),
    [
        ("192.0.2.7", "", NOBODY, "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", NOBODY, "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", PROXIES, "192.0.2.7"),
        ("10.0.0.1", "", PROXIES, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", PROXIES, "198.51.100.1"),
        ("10.0.0.1", "203.0.113.5, 198.51.100.1", PROXIES, "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1 , 10.0.0.2,10.9.9.9", PROXIES, "198.51.100.1"),
        ("10.0.0.1", "10.0.0.2", PROXIES, "10.0.0.2"),
        ("10.0.0.1", "198.51.100.1, nonsense", PROXIES, "unreadable"),
        ("10.0.0.1", "198.51.100.1,,", PROXIES, "198.51.100.1"),
        ("fd00::1", "[2001:db8::1]:443", PROXIES, "2001:db8::1"),
        ("::ffff:10.0.0.1", "198.51.100.1:8080", PROXIES, "198.51.100.1"),
        ("fe80::1%eth0", "", NOBODY, "fe80::1"),
        ("2001:DB8:0::1", "", NOBODY, "2001:db8::1"),
        ("", "198.51.100.1", NOBODY, "socket"),
        ("", "198.51.100.1", PROXIES, "socket"),
        ("", "198.51.100.1", ("unix",), "198.51.100.1"),
        ("testclient", "", NOBODY, "unreadable"),
    ],
)
def test_the_source_of_a_request(peer: str, forwarded: str, trusted: tuple[TrustedProxy, ...], source: str) -> None:
    assert source_of(peer, forwarded, tuple(trusted)) == source


@given(st.text(max_size=60))
def test_whatever_a_stranger_claims_stays_his_own_address(text: str) -> None:
    """A proxy writes the address of its peer at the right; what the peer itself has sent stands to the left."""
    assert source_of("192.0.2.7", text, tuple(PROXIES)) == "192.0.2.7"
    assert source_of("10.0.0.1", f"{text}, 198.51.100.1", tuple(PROXIES)) == "198.51.100.1"
    assert source_of("10.0.0.1", text, tuple(PROXIES))


def test_only_so_many_proxies_in_a_row_are_looked_at() -> None:
    assert source_of("10.0.0.1", ",".join(["192.0.2.7", *["10.0.0.2"] * MOST_HOPS]), tuple(PROXIES)) == "10.0.0.2"


def desk(folder: Path, **settings: Any) -> Desk:
    return Desk(settings_for(folder, api_key=None, perform="elsewhere", **settings))


async def status(at: Desk, front: Front, peer: str, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return (await front(at.inbox, Request(NEW, peer=peer, headers=named))).status


def recorded(at: Desk) -> dict[str, bool]:
    found = at.receiver.database.read(lambda: source_documents(DEFAULT_NAME))
    return {one["address"]: one["known"] for one in found}


async def test_the_default_learns_and_stores(tmp_path: Path, front: Front, caplog: pytest.LogCaptureFixture) -> None:
    at = desk(tmp_path)
    for _ in range(3):
        for peer in ("192.0.2.7", "192.0.2.8"):
            assert await status(at, front, peer) == 200
    assert recorded(at) == {"192.0.2.7": True, "192.0.2.8": True}
    assert caplog.text == ""
    at.inbox.close()


async def test_warn_stores_and_says_so_once(tmp_path: Path, front: Front, caplog: pytest.LogCaptureFixture) -> None:
    at = desk(tmp_path, sources="warn")
    assert await status(at, front, "192.0.2.7") == 200
    at.clock.ahead_seconds = 31 * 86_400.0
    at.inbox.open_on(at.receiver)
    for peer in ("192.0.2.7", "198.51.100.1", "198.51.100.1"):
        assert await status(at, front, peer) == 200
    assert len(at.arrivals()) == 4
    assert recorded(at) == {"192.0.2.7": True, "198.51.100.1": False}
    [line] = caplog.messages
    assert "stored a webhook for shop 'shop' from 198.51.100.1" in line
    at.inbox.close()


async def test_enforce_refuses_what_is_not_known(tmp_path: Path, front: Front) -> None:
    at = desk(tmp_path, sources="enforce", source_learn_days=0)
    assert await status(at, front, "198.51.100.1") == 403
    assert recorded(at) == {"198.51.100.1": False}
    write = at.receiver.database.write
    write(lambda: change_sources(DEFAULT_NAME, ["198.51.100.1", "2001:db8::/32"], []))
    at.inbox.open_on(at.receiver)
    assert await status(at, front, "198.51.100.1") == 200
    assert await status(at, front, "2001:db8::5") == 200
    assert await status(at, front, "198.51.100.2", x_forwarded_for="198.51.100.1") == 403
    write(lambda: change_sources(DEFAULT_NAME, [], ["198.51.100.1"]))
    at.inbox.open_on(at.receiver)
    assert await status(at, front, "198.51.100.1") == 403
    assert len(at.arrivals()) == 2
    with pytest.raises(NotFound, match=r"192\.0\.2\.9 is not on record"):
        write(lambda: change_sources(DEFAULT_NAME, [], ["192.0.2.9"]))
    with pytest.raises(InvalidInput, match="'everywhere' is neither an address nor a range"):
        write(lambda: change_sources(DEFAULT_NAME, ["everywhere"], []))
    at.inbox.close()


async def test_a_new_shop_learns_first_whatever_is_enforced(tmp_path: Path, front: Front) -> None:
    at = desk(tmp_path, sources="enforce")
    assert await status(at, front, "192.0.2.7") == 200
    at.clock.ahead_seconds = 31 * 86_400.0
    at.inbox.open_on(at.receiver)
    assert [await status(at, front, peer) for peer in ("192.0.2.7", "192.0.2.8")] == [200, 403]
    at.inbox.close()


async def test_a_trusted_proxy_says_where_it_comes_from(
    tmp_path: Path, front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    at = desk(tmp_path, sources="warn", trusted_proxies=tuple(PROXIES))
    assert await status(at, front, "10.0.0.1", x_forwarded_for="203.0.113.9, 192.0.2.7") == 200
    assert recorded(at) == {"192.0.2.7": True}
    at.inbox.close()
    assert caplog.text == ""


async def test_a_proxy_that_nobody_named_is_pointed_out(
    tmp_path: Path, front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    at = desk(tmp_path, sources="warn")
    for _ in range(2):
        assert await status(at, front, "127.0.0.1", x_forwarded_for="192.0.2.7") == 200
    assert ["name it: OMBUD_TRUSTED_PROXIES=127.0.0.1" in line for line in caplog.messages] == [True]
    at.inbox.close()


async def test_addresses_on_record_are_bounded(tmp_path: Path, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_SOURCES", 3)
    at = desk(tmp_path)
    for number in range(6):
        assert await status(at, front, f"192.0.2.{number}") == 200
    assert len(recorded(at)) == 3
    at.inbox.close()
