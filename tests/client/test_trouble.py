"""What goes wrong, and that the key never shows when it does."""

import base64
import gzip
import json
import logging
import socket
import subprocess
import sys
import traceback
from email.utils import format_datetime
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ombud.client import ApiError, RateLimited, ShopClient, Unauthorized, UnexpectedAnswer, WriteRejected
from ombud.client import answer as answers
from ombud.client.answer import Incoming
from ombud.errors import ConfigurationError, NetworkError, OmbudError

KEY = "k(3y)!#[å]:/+%&\"'<x> sk_live_0042"


def everything_said(error: BaseException) -> str:
    """All that a log, a traceback with locals or an error tracker would show, and the chain that hangs on it."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    said = ["".join(told.format()), repr(error), str(error), repr(vars(error)), repr(error.args)]
    for linked in (error.__cause__, error.__context__):
        if linked is not None:
            said.append(everything_said(linked))
    return "\n".join(said)


def assert_hidden(key: str, said: str) -> None:
    token = base64.b64encode(f"{key}:{key}".encode()).decode()
    for form in (key, token, quote(key), quote(key, safe=""), json.dumps(key)[1:-1], repr(key)[1:-1]):
        assert form not in said


async def test_401_says_what_to_do(shop, vendor):
    vendor.says({"code": 401, "error": f"Unknown key {KEY}"}, 401)

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
async def test_429_says_how_long_to_wait(shop, vendor, headers, seconds):
    vendor.says({"code": 429, "error": "Slow down"}, 429, headers)

    with pytest.raises(RateLimited) as caught:
        await shop.ask("product_count")

    assert (caught.value.retry_after_seconds, caught.value.text) == (seconds, "Slow down")
    assert len(vendor.seen) == 1


@pytest.mark.parametrize(("ahead", "seconds"), [(90, 90), (-90, 0)])
def test_a_date_to_wait_for_is_measured_by_the_servers_clock(ahead, seconds):
    now = datetime(2031, 1, 1, tzinfo=UTC)
    until = format_datetime(now + timedelta(seconds=ahead), usegmt=True)

    headers = {"date": format_datetime(now, usegmt=True), "retry-after": until}

    assert answers.retry_after_seconds(headers) == seconds


async def test_a_date_long_gone_waits_for_nothing(shop, vendor):
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
async def test_other_errors_keep_status_and_words(shop, vendor, status, body, text):
    vendor.says(body, status, {"Location": "/elsewhere", "Retry-After": "3"})

    for name, args in (("orders", ()), ("update_order", ("1", {"status": "paid"})), ("delete_product", ("1",))):
        with pytest.raises(ApiError) as caught:
            await shop.ask(name, *args)

        assert (caught.value.status, caught.value.text, caught.value.retry_after_seconds) == (status, text, 3)
    assert len(vendor.seen) == 3


async def test_404_to_a_write_is_an_error(shop, vendor):
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
async def test_what_is_no_known_shape_is_an_error_and_never_empty(shop, vendor, body):
    vendor.says(body)

    for name, args in (("order", ("1",)), ("orders", ()), ("product", ("1",)), ("products", ()), ("product_count", ())):
        with pytest.raises(UnexpectedAnswer):
            await shop.ask(name, *args)


async def test_a_mark_before_the_json_and_escaped_letters_are_fine(shop, vendor):
    vendor.says(b'\xef\xbb\xbf[{"order_id": "1", "notes": "\\ud83d\\ude00"}]')

    assert (await shop.ask("order", "1")).notes == "\U0001f600"


async def test_a_packed_answer_is_unpacked(shop, vendor):
    vendor.says(gzip.compress(b'{"count": "3"}'), headers={"Content-Encoding": "gzip"})

    assert await shop.ask("product_count") == 3


async def test_a_broken_packed_answer_is_an_unexpected_one(shop, vendor):
    vendor.says(b"not gzip", headers={"Content-Encoding": "gzip"})

    with pytest.raises(UnexpectedAnswer):
        await shop.ask("product_count")


async def test_an_endless_answer_is_cut(shop, vendor, monkeypatch):
    monkeypatch.setattr(answers, "MAX_ANSWER_BYTES", 1000)
    vendor.says(b" " * 1001)

    with pytest.raises(UnexpectedAnswer, match="1000 bytes"):
        await shop.ask("product_count")


def test_a_dripping_answer_is_cut():
    seconds = iter([0.0, 1.0, 61.0])
    incoming = Incoming(200, {}, clock=lambda: next(seconds))
    incoming.add(b"[")

    with pytest.raises(NetworkError, match="60 s"):
        incoming.add(b"]")


async def test_an_answer_that_breaks_off_is_a_network_error(shop, vendor):
    vendor.says(b"[", headers={"Content-Length": "10", "Connection": "close"})

    with pytest.raises(NetworkError) as caught:
        await shop.ask("orders")

    assert caught.value.__context__ is None
    assert_hidden(KEY, everything_said(caught.value))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_nobody_there_is_a_network_error():
    with (
        ShopClient(KEY, f"http://127.0.0.1:{free_port()}/v1") as client,
        pytest.raises(NetworkError, match="GET /products/count") as caught,
    ):
        client.product_count()

    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert_hidden(KEY, everything_said(caught.value))


def test_silence_is_a_network_error():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with (
            ShopClient(KEY, url, timeout_seconds=0.05) as client,
            pytest.raises(NetworkError, match="in time") as caught,
        ):
            client.update_order("1", status="paid")

    assert_hidden(KEY, everything_said(caught.value))


@pytest.mark.parametrize("key", ["", "a\nb", "abc\n", "\ud800", "a\x00"])
def test_an_impossible_key_is_refused_at_once(key):
    with pytest.raises(ConfigurationError):
        ShopClient(key)


@pytest.mark.parametrize(
    "url",
    ["", "api.quickbutik.com/v1", "ftp://x/v1", f"https://{quote(KEY, safe='')}:p@x/v1", "https://x/v1?k=1",
     "https://x/v1#a", "http://x:port/v1"],
)  # fmt: skip
def test_an_impossible_url_is_refused_without_repeating_it(url):
    with pytest.raises(ConfigurationError) as caught:
        ShopClient("some key", url)

    assert caught.value.__context__ is None
    assert not url or url not in str(caught.value)


async def test_the_clients_repr_and_log_hide_the_key(shop, vendor, caplog):
    caplog.set_level(logging.DEBUG)
    vendor.says([])

    await shop.ask("orders")

    assert_hidden(KEY, repr(shop.client) + repr(vars(shop.client)) + caplog.text)
    assert vendor.url in repr(shop.client)


KEYS = st.text(
    st.characters(min_codepoint=33, max_codepoint=382, exclude_categories=["C", "Z"]), min_size=8, max_size=40
)
ECHOES = {
    "plain": lambda key: key,
    "pair": lambda key: f"{key}:{key}",
    "token": lambda key: base64.b64encode(f"{key}:{key}".encode()).decode(),
    "quoted": lambda key: quote(key, safe=""),
    "json": lambda key: json.dumps({"key": key}),
    "repr": repr,
    "long": lambda key: "." * 296 + key,
}


@settings(max_examples=60, deadline=None)
@given(key=KEYS, echo=st.sampled_from(sorted(ECHOES)), status=st.sampled_from([200, 302, 400, 401, 404, 429, 500]))
def test_no_error_ever_shows_the_key(server, key, echo, status):
    said = ECHOES[echo](key)
    bodies = [
        {"error": said},
        {"results": {"1": {"success": False, "errors": [said, {"why": said}]}}},
        {"results": {said: {"success": False, "errors": said}}},
        [{"order_id": said}],
        said.encode(),
    ]
    server.vendor.forget()
    with ShopClient(key, server.vendor.url) as client:
        for body in bodies:
            server.vendor.forget()
            server.vendor.says(body, status, {"X-Echo": base64.b64encode(said.encode()).decode()})
            with pytest.raises(OmbudError) as caught:
                client.update_order("1", status="paid")
            assert_hidden(key, everything_said(caught.value))


def test_a_refusal_that_echoes_the_key_is_readable_without_it(server):
    server.vendor.forget()
    server.vendor.says({"results": {"1": {"success": False, "errors": [f"{KEY} may not"]}}})

    with ShopClient(KEY, server.vendor.url) as client, pytest.raises(WriteRejected, match=r"1: \[key\] may not"):
        client.update_order("1", status="paid")


def test_importing_the_client_needs_httpx2_and_nothing_heavier():
    code = (
        "import sys, httpx2; before = set(sys.modules); import ombud.client;"
        "print(*sorted({n.split('.')[0] for n in set(sys.modules) - before}))"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    added = set(told.stdout.split())
    assert "ombud" in added
    assert not added - set(sys.stdlib_module_names) - {"ombud"}
