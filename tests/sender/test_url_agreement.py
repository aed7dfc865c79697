# ruff: noqa: RUF001 - letters that look like others are the point
"""No two parsers may read an accepted URL differently: that is how a guard is talked past."""

import string
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx2
import idna
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.exceptions import LocationParseError

from ombud.errors import InvalidInput
from ombud.sender.request import request_bytes
from ombud.sender.url import DEFAULT_PORTS, EndpointUrl, check_endpoint_url, parse_url, redacted

# Pieces of which confusing URLs are made, and whatever else there is.
PIECES = st.sampled_from(
    [
        *("http", "https", "HTTP", "://", ":", "//", "/", "?", "#", "@", "&", ";", "=", "%", "%40", "%2f", "%00", "\\"),
        *(
            "example.com",
            "127.0.0.1",
            "[::1]",
            "[",
            "]",
            "::1",
            "0x7f.1",
            "2130706433",
            "localhost",
            "a",
            ".",
            "..",
            "-",
        ),
        *(
            "80",
            ":80",
            ":0",
            ":65536",
            "\t",
            "\r\n",
            "\n",
            " ",
            "\x00",
            "\x85",
            "å",
            "ß",
            "ſ",
            "①",
            "。",
            "．",
            "／",
            "＠",
        ),
        *("xn--4cab6c", "xn--", "user:word@", "%25eth0", "\u00ad", "\u200d", "\u2028", "\ufeff", "\ud800", "𝟙", "٣"),
    ]
)
WILD = st.lists(PIECES | st.characters() | st.text(string.ascii_letters, max_size=3), max_size=12).map("".join)
TARGETS = st.text(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/?[]", max_size=12)
URLS = st.one_of(
    st.tuples(st.sampled_from(["example.com", "192.0.2.1:81", "[::1]", "å.example."]), st.sampled_from("/?"), TARGETS)
    .map("".join)
    .map("https://{}".format),
    WILD,
    WILD.map("http://{}".format),
    WILD.map("https://example.com{}".format),
    WILD.map("http://{}/hooks".format),
    st.tuples(WILD, WILD).map(lambda parts: f"http://{parts[0]}@{parts[1]}"),
)
LABELS = st.text(string.ascii_letters + string.digits + "-_åß①ｅ", min_size=1, max_size=6)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
NUMBERS = st.integers(0, 300).map(str) | st.integers(0, 2**33).flatmap(
    lambda number: st.sampled_from([str(number), hex(number), f"0{number:o}", f"{number:#X}"])
)
DOTTED = st.lists(NUMBERS, min_size=1, max_size=5).map(".".join)
HOSTS = st.one_of(NAMES, DOTTED, st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map("[{}]".format))


def as_ascii(host: str | None) -> str:
    """Another parser's host in the spelling that DNS sees."""
    assert host
    if ":" in host:
        return str(ip_address(host))
    name = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    return name.removesuffix(".")


def assert_urllib3_agrees(url: str, ours: EndpointUrl) -> None:
    try:
        other = urllib3.util.parse_url(url)
    except LocationParseError:
        return
    assert not other.auth
    assert as_ascii((other.host or "").strip("[]")) == ours.host
    assert (other.port or DEFAULT_PORTS[ours.scheme]) == ours.port
    assert other.scheme == ours.scheme


def agree(url: str) -> None:
    """Check that everybody reads this URL as we do, or not at all."""
    try:
        ours = parse_url(url)
    except InvalidInput:
        return
    standard = urlsplit(url)
    assert standard.username is standard.password is None
    assert as_ascii(standard.hostname) == ours.host
    assert (standard.port or DEFAULT_PORTS[ours.scheme]) == ours.port
    assert standard.scheme == ours.scheme
    assert_urllib3_agrees(url, ours)
    try:
        other = httpx2.URL(url)
    except httpx2.InvalidURL:
        return
    assert not other.userinfo
    assert as_ascii(other.raw_host.decode("ascii")) == ours.host
    assert (other.port or DEFAULT_PORTS[ours.scheme]) == ours.port
    assert other.scheme == ours.scheme


@settings(max_examples=600, deadline=None)
@given(URLS)
def test_everybody_reads_a_confusing_url_as_we_do(url: str) -> None:
    agree(url)


@settings(max_examples=600, deadline=None)
@given(
    HOSTS, st.sampled_from(["", ":80", ":443", ":65535", ":00080", ":"]), st.sampled_from(["", "/", "?a", "/a@b:c?d/e"])
)
def test_everybody_reads_a_host_as_we_do(host: str, port: str, rest: str) -> None:
    agree(f"http://{host}{port}{rest}")


@settings(max_examples=300, deadline=None)
@given(HOSTS)
def test_an_accepted_host_comes_out_the_same_a_second_time(host: str) -> None:
    try:
        first = parse_url(f"https://{host}/a")
    except InvalidInput:
        return
    assert first.host.isascii()
    assert parse_url(f"https://{first.authority}/a") == first


@settings(max_examples=300, deadline=None)
@given(URLS)
def test_an_accepted_url_becomes_one_request_of_four_lines(url: str) -> None:
    try:
        parts = check_endpoint_url(url)
    except InvalidInput:
        return
    request = request_bytes(parts)

    lines = request.split(b"\r\n")
    assert [line.partition(b" ")[0] for line in lines] == [
        b"GET",
        b"Host:",
        b"User-Agent:",
        b"Cache-Control:",
        b"",
        b"",
    ]
    assert request.count(b"\n") == request.count(b"\r") == 5
    assert lines[0].count(b" ") == 2
    assert url.endswith(parts.target.removeprefix("/"))


@settings(max_examples=300, deadline=None)
@given(URLS, st.sampled_from(["https://example.com/{}", "https://example.com?a={}", "https://{}@example.com/", "{}"]))
def test_no_secret_part_of_any_url_is_shown(url: str, shape: str) -> None:
    secret = "tok0f1e2d3c"
    for text in (url + shape.format(secret), shape.format(secret) + url):
        shown = redacted(text)
        if secret in shown:
            # Only as a part of the host, which is no secret.
            assert secret in parse_url(text).host
