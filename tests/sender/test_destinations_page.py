"""The page on destinations names exactly what the guard refuses, and the second wall holds at least that."""

import re
from ipaddress import IPv6Network, collapse_addresses, ip_address, ip_network
from pathlib import Path

from ombud.sender import address
from ombud.sender.guard import PORTS
from ombud.sender.resolver import LONGEST_ANSWER_SECONDS

PAGE = (Path(__file__).parents[2] / "docs" / "destinations.md").read_text()


def listed(row: str) -> set[str]:
    [line] = [line for line in PAGE.splitlines() if line.startswith(f"| {row} |")]
    return set(re.findall(r"`([0-9a-f.:/]+)`", line.removeprefix(f"| {row} |")))


def test_the_page_names_what_is_refused() -> None:
    assert listed("IPv4") == {str(network) for network in address._BLOCKED_V4}
    assert listed("IPv6 in `2000::/3`") == {str(network) for network in address._BLOCKED_V6}
    assert {ip_address(text) for text in listed("credentials, never allowed")} == address.METADATA


def test_the_page_names_the_ports_and_the_time() -> None:
    assert f"- **Ports.** {', '.join(map(str, sorted(PORTS)))}." in PAGE
    assert f"for {LONGEST_ANSWER_SECONDS:g} seconds at most" in PAGE


def test_the_second_wall_denies_all_that_the_first_refuses() -> None:
    denied = [ip_network(text) for line in re.findall(r"IPAddressDeny=(.*)", PAGE) for text in line.split()]

    v6 = [network for network in denied if isinstance(network, IPv6Network)]
    # All that is not in 2000::/3, and the ranges in it.
    outside = list(IPv6Network("::/0").address_exclude(address._GLOBAL_V6))
    assert set(collapse_addresses(v6)) == set(collapse_addresses([*outside, *address._BLOCKED_V6]))
    assert {network for network in denied if network.version == 4} == set(address._BLOCKED_V4)
