"""What a handler says of itself: wildcards, spans, watched fields; what cannot be meant is refused at import."""

from typing import Any

import pytest

from ombud.errors import ConfigurationError
from ombud.mailbox.model import Dead, Done, Fault, Retry
from ombud.receiver.options import HandlerFacts, read_options
from ombud.receiver.retries import rescheduled
from ombud.receiver.watching import watched

ORDERS = ("order.new", "order.done", "order.cancelled")
PRODUCTS = ("product.add", "product.update", "product.delete")


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (["order.*"], ORDERS),
        (["product.*"], PRODUCTS),
        (["*"], (*ORDERS, *PRODUCTS)),
        (["product.delete", "order.*", "order.new"], (*ORDERS, "product.delete")),
    ],
)
def test_wildcards_stand_for_event_types(patterns: list[str], wanted: tuple[str, ...]) -> None:
    assert read_options("h", patterns, {}).event_types == wanted


def test_what_is_not_said_has_a_default() -> None:
    assert read_options("h", ["order.new"], {}) == HandlerFacts("h", ("order.new",))
    quiet = read_options("h", ["product.update"], {"quiet_seconds": 2})
    assert (quiet.quiet_seconds, quiet.at_most_seconds) == (2, 10)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"timeout": 3}, r"'timeout' is not one of: name, timeout_seconds, quiet_seconds"),
        ({"timeout_seconds": "3"}, "timeout_seconds must be above 0"),
        ({"quiet_seconds": -1}, "quiet_seconds is a number from 0"),
        ({"quiet_seconds": float("inf")}, "quiet_seconds is a number from 0"),
        ({"at_most_seconds": 3}, "give both"),
        ({"quiet_seconds": 3, "at_most_seconds": 2}, "not below quiet_seconds"),
        ({"retry_seconds": [1, -1]}, "retry_seconds is a list"),
        ({"retry_seconds": [1] * 366}, "retry_seconds is a list"),
        ({"retry_seconds": 5}, "retry_seconds is a list"),
        ({"watch": 5}, "watch is a list"),
        ({"renamed_from": 5}, "renamed_from is a list"),
        ({"name": 5}, "a name is a text"),
        ({"name": "a\0b"}, "a name is a text"),
        ({"name": "x" * 201}, "a name is a text"),
        ({"concurrency": 0}, "concurrency is a whole number"),
        ({"concurrency": 1.5}, "concurrency is a whole number"),
        ({"memory_megabytes": 63}, "memory_megabytes is a whole number from 64"),
        ({"renamed_from": "h"}, "names the handler itself"),
        ({"renamed_from": "g", "new": True}, "either new=True or renamed_from"),
        ({"watch": "prise"}, r"no product has 'prise'. Product has: id, sku, title, .*price"),
        ({"watch": "variants.*.prise"}, r"Variant has: id, product_id, sku"),
        ({"watch": "price.amount"}, "nothing behind 'price'"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_options("h", ["product.update"], options)


def test_orders_have_no_fields_to_watch() -> None:
    with pytest.raises(ConfigurationError, match=r"watch= is for product\.update, which it does not hear"):
        read_options("h", ["order.*"], {"watch": "status"})
    assert read_options("h", ["*"], {"watch": "price"}).watch == ("price",)


PRODUCT = {
    "id": "101",
    "title": "Mug",
    "price": "249.50",
    "variants": [{"id": "1", "qty": "3", "price": "5"}, {"id": "2", "qty": "4", "price": "5"}],
}


@pytest.mark.parametrize(
    ("change", "paths", "differs"),
    [
        ({"price": 249.5}, ["price"], False),
        ({"price": "250"}, ["price"], True),
        ({"title": "Cup"}, ["price", "variants.*.qty"], False),
        ({"variants": [{"id": "1", "qty": "2"}, {"id": "2", "qty": "4"}]}, ["variants.*.qty"], True),
        ({"variants": [{"id": "1", "qty": "2", "price": "5"}, {"id": "2", "price": "5"}]}, ["variants.*.price"], False),
        ({"variants": list(reversed(PRODUCT["variants"]))}, ["variants.*.qty", "variants.qty"], False),
        ({"variants": PRODUCT["variants"][:1]}, ["variants.*.price"], True),
        ({"variants": PRODUCT["variants"][:1]}, ["variants"], True),
    ],
)
def test_watched_fields_differ_or_not(change: dict[str, Any], paths: list[str], differs: bool) -> None:
    assert (watched(PRODUCT, paths) != watched({**PRODUCT, **change}, paths)) == differs


USUAL = (5.0, 30.0)


def test_without_a_schedule_of_its_own_a_run_follows_the_settings() -> None:
    handler, failed = HandlerFacts("h", ()), Retry("no", fault=Fault.LANE)
    assert rescheduled(Done(), handler, USUAL, 9) == Done()
    assert rescheduled(failed, handler, USUAL, 2) is failed
    assert rescheduled(failed, handler, USUAL, 3) == Dead("no (attempt 3 was the last)", fault=Fault.LANE)


def test_a_schedule_of_its_own_is_kept_to() -> None:
    handler = HandlerFacts("h", (), retry_seconds=(1.0,))
    again = rescheduled(Retry("no", fault=Fault.LANE), handler, USUAL, 1)
    assert isinstance(again, Retry)
    assert again.after is not None
    assert 1.0 <= again.after <= 1.2
    assert again.fault is Fault.DELIVERY
    assert rescheduled(Retry("no", after=7), handler, USUAL, 1) == Retry("no", after=7)
    assert rescheduled(Retry("no", after=7), handler, USUAL, 2) == Dead("no (attempt 2 was the last)")
    none = HandlerFacts("h", (), retry_seconds=())
    assert rescheduled(Retry("no"), none, USUAL, 1) == Dead("no (attempt 1 was the last)")
