"""The bytes of a request: the exact header set, in every mode, and what a merchant's own headers may be."""

import re
import string
from typing import Any

import pytest

from ombud.errors import InvalidInput
from ombud.mailbox.ids import format_id
from ombud.mailbox.model import Delivery, Done
from ombud.sender.headers import (
    LONGEST_NAME,
    LONGEST_TOGETHER,
    LONGEST_VALUE,
    MOST_HEADERS,
    check_headers,
)
from ombud.signing import Signer, new_secret, read_secret, verify

DELIVERY = Delivery(1, 1, 1 << 50, 1, "order.new", "order/90017", None, 0, 0, 0, 0, 0, None)
TARGET = "/hooks?token=tok_4711&event_type=order.new&order_id=90017"


async def request_of(deliverer: Any, peer: Any, delivery: Delivery = DELIVERY, **facts: Any) -> list[str]:
    """Perform a delivery and return the lines that came."""
    outcome = await deliverer().perform(delivery, {"url": f"{peer.url}?token=tok_4711"} | facts)
    assert outcome == Done(status=200)
    text: str = peer.requests[-1].decode("ascii")
    assert text.endswith("\r\n\r\n")
    return text.removesuffix("\r\n\r\n").split("\r\n")


def vendors(peer: Any) -> list[str]:
    return [
        f"GET {TARGET} HTTP/1.1",
        f"Host: 127.0.0.1:{peer.port}",
        "User-Agent: Quickbutik-Webhooks/1.0",
        "Cache-Control: no-cache",
    ]


async def test_without_a_secret_the_headers_are_the_vendors(deliverer: Any, peer: Any) -> None:
    assert await request_of(deliverer, peer) == vendors(peer)
    assert await request_of(deliverer, peer, secrets=(), headers=None, strict=None, authority=None) == vendors(peer)


async def test_in_strict_mode_the_headers_are_the_vendors_whatever_else_is_chosen(deliverer: Any, peer: Any) -> None:
    lines = await request_of(deliverer, peer, strict=True, secrets=(new_secret(),), headers=(("X-Key", "1"),))

    assert lines == vendors(peer)


async def test_with_secrets_there_are_three_headers_more(deliverer: Any, peer: Any) -> None:
    secrets = (new_secret(), new_secret())

    lines = await request_of(deliverer, peer, secrets=secrets)

    assert lines[:4] == vendors(peer)
    message_id, timestamp, signature = (line.partition(": ")[2] for line in lines[4:])
    keys = [read_secret(secret) for secret in secrets]
    assert lines[4:] == [
        f"webhook-id: {format_id('evt', DELIVERY.event_id)}",
        f"webhook-timestamp: {int(timestamp)}",
        f"webhook-signature: {Signer(keys).sign(message_id, int(timestamp), TARGET)}",
    ]
    assert re.fullmatch(r"v1,[A-Za-z0-9+/]{43}= v1,[A-Za-z0-9+/]{43}=", signature)
    # As a receiver does it, with what it has: the headers and the raw target.
    headers = dict(line.split(": ", 1) for line in lines[1:])
    target = lines[0].split(" ")[1]
    for key in keys:
        assert verify([key], headers, target, float(timestamp)) == message_id


async def test_a_retry_has_the_same_id_and_its_own_time(
    deliverer: Any, peer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    for now in (1_800_000_000.9, 1_800_000_030.1):
        monkeypatch.setattr("ombud.sender.deliver.time.time", lambda now=now: now)
        seen.append(await request_of(deliverer, peer, secrets=(new_secret(),)))

    assert seen[0][4] == seen[1][4]
    assert [lines[5] for lines in seen] == ["webhook-timestamp: 1800000000", "webhook-timestamp: 1800000030"]


async def test_the_merchants_own_headers_come_as_they_are_written(deliverer: Any, peer: Any) -> None:
    own = (("X-Api-Key", "k e y"), ("authorization", "Bearer tok_4711"), ("x_tenant", "7"))

    lines = await request_of(deliverer, peer, headers=own)

    assert lines == [*vendors(peer), "X-Api-Key: k e y", "authorization: Bearer tok_4711", "x_tenant: 7"]


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "X Key", "X-Key:", "X-Key\r", "X-Key\n", "X-Key\r\nX-Evil", "X-Key\0", "X\tKey", "X-Kéy", "X(Key)"),
        *(
            "X-Key: 1\r\nX-Evil",
            "\r\nX-Evil",
            "X,Key",
            'X"Key',
            "X/Key",
            "X@Key",
            "X[Key]",
            "X{Key}",
            "\u212a",
            "X=Key",
        ),
        "X" * (LONGEST_NAME + 1),
    ],
)
def test_a_name_that_is_no_token(name: str) -> None:
    with pytest.raises(InvalidInput, match="A header's name is") as caught:
        check_headers([("X-Fine", "1"), (name, "1")], "headers[1]")
    assert caught.value.field == "headers[1]"


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "HOST", "User-Agent", "Cache-Control", "Content-Length", "Transfer-Encoding", "Connection", "TE"),
        *("Upgrade", "Expect", "Trailer", "Keep-Alive", "Proxy-Authorization", "proxy-connection", "Cookie", "Via"),
        *("webhook-id", "Webhook-Signature", "X-Forwarded-For", "X-Real-IP", "Forwarded", "Accept-Encoding", "Range"),
        *("If-None-Match", "Sec-Fetch-Mode", "X-HTTP-Method-Override", "Referer", "Origin", "HTTP2-Settings"),
    ],
)
def test_a_name_that_is_ours_or_means_something_on_the_way(name: str) -> None:
    with pytest.raises(InvalidInput, match="is set by the sender, or means something on the way"):
        check_headers([(name, "1")])


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", " a", "a ", "\t", "a\t", "a\r", "a\n", "a\r\nX-Evil: 1", "a\0b", "a\x7f", "a\x1f", "å", "a\u2028b"),
        *("\ud800", "a\r\n b", "a\n b", "\r\n\r\nGET / HTTP/1.1"),
        "a" * (LONGEST_VALUE + 1),
    ],
)
def test_a_value_that_cannot_stand_in_a_header(value: str) -> None:
    with pytest.raises(InvalidInput, match="The value of X-Key is"):
        check_headers([("X-Key", value)])


def test_so_many_headers_and_no_more() -> None:
    most = [(f"X-{number}", "1") for number in range(MOST_HEADERS)]
    assert check_headers(most) == tuple(most)
    with pytest.raises(InvalidInput, match=f"{MOST_HEADERS} is the most"):
        check_headers([*most, ("X-More", "1")])
    with pytest.raises(InvalidInput, match=f"{LONGEST_TOGETHER} is the most"):
        check_headers([(f"X-{number}", "a" * LONGEST_VALUE) for number in range(5)])
    with pytest.raises(InvalidInput, match="there twice"):
        check_headers([("X-Key", "1"), ("x-KEY", "2")])


def test_every_character_of_a_token_and_of_a_value_is_taken() -> None:
    token = string.ascii_letters[:20] + string.digits + "!#$%&'*+-.^_`|~"
    value = "".join(map(chr, range(0x21, 0x7F))) + " \t."

    assert check_headers([(token, value)]) == ((token, value),)
