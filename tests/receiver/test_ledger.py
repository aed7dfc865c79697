"""Every real transition is told exactly once, whatever the sequence of looks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ombud.client import OrderStatus
from ombud.receiver.ledger import ORDER_EVENTS, OrderSeen, Seen, Told, holds, order_telling, product_telling

PRODUCT_EVENTS = ("product.add", "product.update", "product.delete")
STATUSES = st.lists(st.sampled_from(list(OrderStatus)), max_size=30)
# None: gone.
VERSIONS = st.none() | st.sampled_from("abc")
LOOKS = st.lists(st.tuples(VERSIONS, st.sampled_from(PRODUCT_EVENTS)), max_size=30)


@given(STATUSES)
def test_an_order_event_fires_once_for_each_entry_into_its_states(statuses: list[OrderStatus]) -> None:
    for event_type, states in ORDER_EVENTS.items():
        told, epochs = Told(), []
        for status in statuses:
            telling = order_telling(event_type, OrderSeen(status, "v"), told)
            if telling is not None:
                told = telling.told
                epochs += [told.epoch] if telling.fire else []
        inside = [False, *(status in states for status in statuses)]
        entries = sum(not before and after for before, after in pairwise(inside))
        assert epochs == list(range(1, entries + 1))


@dataclass
class Handler:
    """What a handler that wants these events is told of one product."""

    wanted: Sequence[str]
    told: dict[str, Told] = field(default_factory=dict)
    fired: list[tuple[str, int]] = field(default_factory=list)

    def look(self, seen: Seen) -> None:
        for event_type in self.wanted:
            telling = product_telling(event_type, self.wanted, seen, self.told.get(event_type, Told()))
            if telling is not None:
                self.told[event_type] = telling.told
                if telling.fire:
                    self.fired.append((event_type, telling.told.epoch))

    def all(self, event_type: str) -> list[int]:
        return [epoch for fired, epoch in self.fired if fired == event_type]


def watch(handler: Handler, looks: Sequence[tuple[str | None, str]], known: str | None = None) -> None:
    """Have the handler told of a sequence of looks, each of which finds what the last one has left behind."""
    for version, hint in looks:
        handler.look(Seen(version, known, hint))
        known = version


def steps(looks: Sequence[tuple[str | None, str]]) -> list[tuple[str | None, str | None, str]]:
    versions = [None, *(version for version, _ in looks)]
    hints = [hint for _, hint in looks]
    return [(before, after, hint) for (before, after), hint in zip(pairwise(versions), hints, strict=True)]


@given(LOOKS)
def test_who_wants_everything_hears_of_every_transition_once(looks: list[tuple[str | None, str]]) -> None:
    handler = Handler(PRODUCT_EVENTS)
    watch(handler, looks)
    moves = steps(looks)
    expected = {
        "product.add": sum(before is None and after is not None for before, after, _ in moves),
        "product.update": sum(None not in (before, after) and before != after for before, after, _ in moves),
        "product.delete": sum(before is not None and after is None for before, after, _ in moves),
    }
    for event_type, count in expected.items():
        assert handler.all(event_type) == list(range(1, count + 1)), event_type


@given(LOOKS, st.sampled_from(PRODUCT_EVENTS))
def test_who_wants_one_event_hears_of_no_other(looks: list[tuple[str | None, str]], event_type: str) -> None:
    handler, everything = Handler([event_type]), Handler(PRODUCT_EVENTS)
    watch(handler, looks)
    watch(everything, looks)
    heard = len(handler.all(event_type))
    if event_type == "product.update":
        # A product that is new, and that the shop calls changed, is told to those who asked for changes alone.
        born = sum(before is None and after is not None and hint == event_type for before, after, hint in steps(looks))
        assert heard == len(everything.all(event_type)) + born
    else:
        assert heard == len(everything.all(event_type))


@given(st.lists(st.sampled_from("abc"), max_size=20))
def test_what_comes_again_fires_again(versions: list[str]) -> None:
    handler = Handler(["product.update"])
    watch(handler, [(version, "product.update") for version in versions], known="a")
    changes = sum(before != after for before, after in pairwise(["a", *versions]))
    assert len(handler.fired) == changes


def test_a_known_product_is_changed_and_not_new() -> None:
    handler = Handler(PRODUCT_EVENTS)
    handler.look(Seen("b", "a", "product.update", baseline=True))
    assert handler.fired == [("product.update", 1)]


def test_a_product_that_the_first_look_found_may_still_be_announced_as_new() -> None:
    handler = Handler(PRODUCT_EVENTS)
    handler.look(Seen("a", "a", "product.add", baseline=True))
    handler.look(Seen("a", "a", "product.add"))
    assert handler.fired == [("product.add", 1)]


@pytest.mark.parametrize(("before", "fired"), [(True, [("product.update", 1)]), (False, [])])
def test_a_change_that_the_first_look_has_swallowed_is_told(before: bool, fired: list[tuple[str, int]]) -> None:
    handler = Handler(PRODUCT_EVENTS)
    handler.look(Seen("a", "a", "product.update", baseline=True, before_baseline=before))
    handler.look(Seen("a", "a", "product.update"))
    assert handler.fired == fired


@pytest.mark.parametrize(
    ("event_type", "status", "still"),
    [
        ("order.new", "paid", True),
        ("order.new", "done", True),
        ("order.new", "unpaid", False),
        ("order.new", "cancelled", False),
        ("order.done", "done", True),
        ("order.done", "paid", False),
        ("order.cancelled", "cancelled", True),
        ("order.cancelled", "paid", False),
    ],
)
def test_what_an_order_event_says_may_be_over(event_type: str, status: str, still: bool) -> None:
    assert holds(event_type, {"order_id": "1", "status": status}) is still
    assert not holds(event_type, None)


def test_what_a_product_event_says_may_be_over() -> None:
    assert [holds(event_type, {"id": "1"}) for event_type in PRODUCT_EVENTS] == [True, True, False]
    assert [holds(event_type, None) for event_type in PRODUCT_EVENTS] == [False, False, True]
