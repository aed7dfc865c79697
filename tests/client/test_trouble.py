"""What goes wrong on the way, and what the caller is told."""

import gzip
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from ombud.client import ApiError, RateLimited, Unauthorized, UnexpectedAnswer
from ombud.client import answer as answers
from ombud.client.answer import Incoming
from ombud.errors import NetworkError


async def test_401_says_what_to_do(shop: Any, vendor: Any) -> None:
    vendor.says({"code": 401, "error": f"Unknown key {shop.key}"}, 401)

    with pytest.raises(Unauthorized, match="Settings, API") as caught:
        await shop.ask("order", "1")

    assert (caught.value.status, caught.value.text) == (401, "Unknown key [key]")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "0"}, 0),
        ({}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({"Retry-After": "Mon, 99 Nov 2026 99:00:00 GMT"}, None),
    ],
)
async def test_429_says_how_long_to_wait(shop: Any, vendor: Any, headers: Any, seconds: Any) -> None:
    vendor.says({"code": 429, "error": "Slow down"}, 429, headers)

    with pytest.raises(RateLimited) as caught:
        await shop.ask("product_count")

    assert (caught.value.retry_after_seconds, caught.value.text) == (seconds, "Slow down")
    assert len(vendor.seen) == 1


@pytest.mark.parametrize(("ahead", "seconds"), [(90, 90), (-90, 0)])
def test_a_date_to_wait_for_is_measured_by_the_servers_clock(ahead: Any, seconds: Any) -> None:
    now = datetime(2031, 1, 1, tzinfo=UTC)
    until = format_datetime(now + timedelta(seconds=ahead), usegmt=True)

    headers = {"date": format_datetime(now, usegmt=True), "retry-after": until}

    assert answers.retry_after_seconds(headers) == seconds


async def test_a_date_long_gone_waits_for_nothing(shop: Any, vendor: Any) -> None:
    vendor.says(b"", 429, {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"})

    with pytest.raises(RateLimited) as caught:
        await shop.ask("product_count")

    assert caught.value.retry_after_seconds == 0


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (400, {"code": 400, "error": "Bad\nrequest"}, "Bad request"),
        (403, [], ""),
        (500, b"<html>oops</html>", ""),
        (302, b"", ""),
        (503, {"error": {"deep": 1}}, ""),
        (500, {"error": "x" * 1000}, "x" * 300 + "…"),
    ],
)
async def test_other_errors_keep_status_and_words(shop: Any, vendor: Any, status: Any, body: Any, text: Any) -> None:
    vendor.says(body, status, {"Location": "/elsewhere", "Retry-After": "3"})

    for name, args in (("orders", ()), ("update_order", ("1", {"status": "paid"})), ("delete_product", ("1",))):
        with pytest.raises(ApiError) as caught:
            await shop.ask(name, *args)

        assert (caught.value.status, caught.value.text, caught.value.retry_after_seconds) == (status, text, 3)
    assert len(vendor.seen) == 3


async def test_404_to_a_write_is_an_error(shop: Any, vendor: Any) -> None:
    vendor.says({"code": 404, "error": "Not found"}, 404)

    with pytest.raises(ApiError, match="404: Not found"):
        await shop.ask("update_order", "1", status="paid")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>maintenance</html>",
        b"[{]",
        b"\xff\xfe",
        b'[{"order_id": "1", "total_amount": NaN}]',
        b'[{"order_id": "1", "total_amount": 1e999}]',
        b'[{"order_id": "1", "notes": "\\ud800"}]',
        b'[{"order_id": ' + b"9" * 5000 + b"}]",
        b"[" * 100_000,
        b'{"code": 404, "error": "Not found"}',
        b"null",
        b"1",
        b"[null]",
        b"[[]]",
        b"{}",
        b'[{"status": "1"}]',
    ],
)
async def test_what_is_no_known_shape_is_an_error_and_never_empty(shop: Any, vendor: Any, body: Any) -> None:
    vendor.says(body)

    for name, args in (("order", ("1",)), ("orders", ()), ("product", ("1",)), ("products", ()), ("product_count", ())):
        with pytest.raises(UnexpectedAnswer):
            await shop.ask(name, *args)


async def test_a_mark_before_the_json_and_escaped_letters_are_fine(shop: Any, vendor: Any) -> None:
    vendor.says(b'\xef\xbb\xbf[{"order_id": "1", "notes": "\\ud83d\\ude00"}]')

    assert (await shop.ask("order", "1")).notes == "\U0001f600"


async def test_a_packed_answer_is_unpacked(shop: Any, vendor: Any) -> None:
    vendor.says(gzip.compress(b'{"count": "3"}'), headers={"Content-Encoding": "gzip"})

    assert await shop.ask("product_count") == 3


async def test_a_broken_packed_answer_is_an_unexpected_one(shop: Any, vendor: Any) -> None:
    vendor.says(b"not gzip", headers={"Content-Encoding": "gzip"})

    with pytest.raises(UnexpectedAnswer):
        await shop.ask("product_count")


async def test_an_endless_answer_is_cut(shop: Any, vendor: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(answers, "MAX_ANSWER_BYTES", 1000)
    vendor.says(b" " * 1001)

    with pytest.raises(UnexpectedAnswer, match="1000 bytes"):
        await shop.ask("product_count")


def test_a_dripping_answer_is_cut() -> None:
    seconds = iter([0.0, 1.0, 61.0])
    incoming = Incoming(200, {}, clock=lambda: next(seconds))
    incoming.add(b"[")

    with pytest.raises(NetworkError, match="60 s"):
        incoming.add(b"]")


def test_importing_the_client_needs_httpx2_and_nothing_heavier() -> None:
    code = (
        "import sys, httpx2; before = set(sys.modules); import ombud.client;"
        "found = [sys.modules[name] for name in set(sys.modules) - before];"
        "print(*{m.__name__.split('.')[0] for m in found if 'site-packages' in (getattr(m, '__file__', None) or '')})"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set(told.stdout.split()) <= {"ombud"}
