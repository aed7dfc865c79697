"""The key never shows: not in an error, its attributes or its chain, not in a repr, not in a log."""

import base64
import io
import json
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ombud.client import Budget, ShopClient, WriteRejected
from ombud.client import answer as answers
from ombud.errors import ConfigurationError, NetworkError, OmbudError

PACKAGE = Path(answers.__file__).parent
KEY = "k(3y)!#[å]:/+%&\"'<x> sk_live_0042"


def everything_said(error: BaseException) -> str:
    """All that a log or an error's attributes would show, and the chain behind it."""
    said = [*traceback.format_exception(error), repr(error), repr(vars(error)), repr(error.args)]
    said += [everything_said(linked) for linked in (error.__cause__, error.__context__) if linked is not None]
    return "\n".join(said)


def locals_of_the_client(error: BaseException) -> str:
    """What an error tracker that records local variables would see of the client."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "\n".join(str(frame.locals) for frame in told.stack if Path(frame.filename).is_relative_to(PACKAGE))


def assert_hidden(key: str, said: str) -> None:
    token = base64.b64encode(f"{key}:{key}".encode()).decode()
    for form in (key, token, quote(key), quote(key, safe=""), json.dumps(key)[1:-1], repr(key)[1:-1]):
        assert form not in said


async def test_an_answer_that_breaks_off_is_a_network_error(shop: Any, vendor: Any) -> None:
    vendor.says(b"[", headers={"Content-Length": "10", "Connection": "close"})

    with pytest.raises(NetworkError) as caught:
        await shop.ask("orders")

    assert caught.value.__context__ is None
    assert_hidden(shop.key, everything_said(caught.value) + locals_of_the_client(caught.value))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_nobody_there_is_a_network_error() -> None:
    with (
        ShopClient(KEY, f"http://127.0.0.1:{free_port()}/v1") as client,
        pytest.raises(NetworkError, match="GET /products/count") as caught,
    ):
        client.product_count()

    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert_hidden(KEY, everything_said(caught.value) + locals_of_the_client(caught.value))


def test_silence_is_a_network_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with (
            ShopClient(KEY, url, timeout_seconds=0.05) as client,
            pytest.raises(NetworkError, match="in time") as caught,
        ):
            client.update_order("1", status="paid")

    assert_hidden(KEY, everything_said(caught.value) + locals_of_the_client(caught.value))


@pytest.mark.parametrize("key", ["", "a\nb", "abc\n", "\ud800", "a\x00"])
def test_an_impossible_key_is_refused_at_once(key: Any) -> None:
    with pytest.raises(ConfigurationError):
        ShopClient(key)


@pytest.mark.parametrize(
    "url",
    ["", "api.quickbutik.com/v1", "ftp://x/v1", f"https://{quote(KEY, safe='')}:p@x/v1", "https://x/v1?k=1",
     "https://x/v1#a", "http://x:port/v1"],
)  # fmt: skip
def test_an_impossible_url_is_refused_without_repeating_it(url: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ShopClient("some key", url)

    assert caught.value.__context__ is None
    assert quote(KEY, safe="") not in str(caught.value)


async def test_the_clients_repr_and_log_hide_the_key(shop: Any, vendor: Any, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.says([])

    await shop.ask("orders")

    assert_hidden(shop.key, repr(shop.client) + repr(vars(shop.client)) + caplog.text)
    assert vendor.url in repr(shop.client)


KEYS = st.text(
    st.characters(min_codepoint=33, max_codepoint=382, exclude_categories=["C", "Z"]), min_size=8, max_size=40
)
ECHOES: dict[str, Callable[[str], str]] = {
    "plain": lambda key: key,
    "pair": lambda key: f"{key}:{key}",
    "token": lambda key: base64.b64encode(f"{key}:{key}".encode()).decode(),
    "quoted": lambda key: quote(key, safe=""),
    "json": lambda key: json.dumps({"k": key}),
    "repr": repr,
    "long": lambda key: "." * 296 + key,
}


@settings(max_examples=60, deadline=None)
@given(key=KEYS, echo=st.sampled_from(sorted(ECHOES)), status=st.sampled_from([200, 302, 400, 401, 404, 429, 500]))
def test_no_error_and_no_log_ever_shows_the_key(server: Any, key: Any, echo: Any, status: Any) -> None:
    said = ECHOES[echo](key)
    bodies = [
        {"error": said},
        {"results": {"1": {"success": False, "errors": [said, {"why": said}]}}},
        {"results": {said: {"success": False, "errors": said}}},
        [{"order_id": said}],
        {said: [said], "product": said, "count": said, "category_id": said},
        said.encode(),
    ]
    with everything_logged() as logged, ShopClient(key, server.vendor.url, budget=Budget(1e6)) as client:
        calls: list[Callable[[], object]] = [
            lambda: client.update_order("1", status="paid"),
            lambda: client.set_stock("1", 4, key="k1"),
            lambda: list(client.orders()),
            client.shipping_methods,
        ]
        client.terms = replace(client.terms, patience_seconds=0.0)
        for number, body in enumerate(bodies):
            server.vendor.forget()
            server.vendor.says(body, status, {"X-Echo": base64.b64encode(said.encode()).decode()})
            # A success that echoes the key may be a thing by that name; everything else is an error.
            with suppress(OmbudError) if status == 200 and number else pytest.raises(OmbudError) as caught:
                calls[number % len(calls)]()
            if caught is not None:
                assert_hidden(key, everything_said(caught.value))
        # What the API itself echoes in a header, the HTTP library shows among its innermost debug lines.
        lines = [line for line in logged.getvalue().splitlines() if "X-Echo" not in line]
        assert_hidden(key, "\n".join(lines) + repr(client) + repr(client.terms))


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """All that any library logs, at every level."""
    text = io.StringIO()
    handler, root, before = logging.StreamHandler(text), logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def test_a_refusal_that_echoes_the_key_is_readable_without_it(server: Any) -> None:
    server.vendor.forget()
    server.vendor.says({"results": {"1": {"success": False, "errors": [f"{KEY} may not"]}}})

    with ShopClient(KEY, server.vendor.url) as client, pytest.raises(WriteRejected, match=r"1: \[key\] may not"):
        client.update_order("1", status="paid")
