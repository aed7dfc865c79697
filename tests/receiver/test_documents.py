"""Versions: the same for documents that mean the same, another for every difference."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ombud.receiver.documents import changed_fields, lasting, pack, unpack, version_of

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))
DOCUMENTS = st.dictionaries(st.text().filter(lambda name: name != "date_modified"), JSON, max_size=6)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9)


@given(DOCUMENTS)
def test_a_document_survives_being_stored(document: dict[str, Any]) -> None:
    assert unpack(pack(document)) == document


@given(DOCUMENTS)
def test_a_version_does_not_depend_on_the_order_of_keys_or_a_way_through_json(document: dict[str, Any]) -> None:
    turned = json.loads(json.dumps(dict(reversed(document.items()))))
    assert version_of(turned) == version_of(document) == version_of(unpack(pack(document)))


@given(DECIMALS)
def test_a_number_is_one_however_it_is_written(number: Decimal) -> None:
    ways: list[Any] = [str(number), f"{number}0", float(number)]
    if number == number.to_integral_value():
        ways.append(int(number))
    assert len({version_of({"price": way}) for way in ways}) == 1


@given(st.integers(10**15, 10**22))
def test_a_large_number_is_one_however_it_is_written(number: int) -> None:
    exact = int(Decimal(repr(float(number))))
    assert version_of({"n": float(exact)}) == version_of({"n": str(exact)}) == version_of({"n": exact})


@given(DECIMALS, DECIMALS)
def test_two_numbers_are_two(first: Decimal, second: Decimal) -> None:
    same = version_of({"price": str(first)}) == version_of({"price": float(second)})
    assert same == (first == second)


@given(DOCUMENTS, st.text(), st.text(min_size=1))
def test_another_value_is_another_version(document: dict[str, Any], name: str, value: str) -> None:
    changed = {**document, f"x{name}": f"y{value}"}
    assert version_of(changed) != version_of(document) or changed == document


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("007", "7"),
        ("1e5", "100000"),
        ("+1", "1"),
        (".5", "0.5"),
        ("1.", "1"),
        ("", None),
        ("true", True),
        (0, False),
        ("\u0661", "1"),
    ],
)
def test_texts_that_only_look_like_numbers_stay_texts(first: object, second: object) -> None:
    assert version_of({"a": first}) != version_of({"a": second})


def test_minus_nothing_is_nothing() -> None:
    assert version_of({"a": "-0.00"}) == version_of({"a": 0}) == version_of({"a": -0.0})


def test_when_it_was_saved_is_no_difference_but_what_it_contains_is() -> None:
    document = {"id": "101", "price": "148.95", "date_modified": "2026-11-02 09:14:05"}
    assert version_of(document) == version_of(document | {"date_modified": "2026-11-02 09:14:06", "price": 148.950})
    assert version_of(document) != version_of(document | {"variants": [{"date_modified": "2026-11-02"}]})


def test_the_order_of_parts_that_have_ids_is_no_difference() -> None:
    parts = [{"id": "2", "qty": "4"}, {"id": 1, "qty": "3"}]
    assert version_of({"variants": parts}) == version_of({"variants": parts[::-1]})
    assert version_of({"variants": parts}) != version_of({"variants": [{"id": "2", "qty": "3"}, {"id": 1, "qty": "4"}]})
    for ordered in ([{"category": "A"}, {"category": "B"}], ["A", "B"], [{"id": None}, {"id": "1"}], [{"id": 1}, "B"]):
        assert version_of({"of": ordered}) != version_of({"of": ordered[::-1]})


def test_what_is_named_as_volatile_is_no_difference_and_what_stands_beside_it_is() -> None:
    document = {"views": 7, "images": {"1": {"image": "a?1", "alttext": "A"}}, "variants": [{"id": "1", "seen": 1}]}
    other = {"views": 8, "images": {"1": {"image": "a?2", "alttext": "A"}}, "variants": [{"id": "1", "seen": 2}]}
    volatile = ("views", "images.*.image", "variants.*.seen")
    assert version_of(document, volatile) == version_of(other, volatile)
    for left in range(len(volatile)):
        fewer = [path for place, path in enumerate(volatile) if place != left]
        assert version_of(document, fewer) != version_of(other, fewer)
    assert lasting(document, volatile) == {"images": {"1": {"alttext": "A"}}, "variants": [{"id": "1"}]}
    spoken = document | {"images": {"1": {"image": "a?1", "alttext": "B"}}}
    assert version_of(document, volatile) != version_of(spoken, volatile)


def test_what_is_different_is_named_as_a_setting_would_name_it() -> None:
    document = {
        "views": 7,
        "price": "1.50",
        "images": {"1": {"image": "a?1", "alttext": "A"}},
        "variants": [{"id": "1", "seen": 1}, {"id": 2, "seen": 1}],
        "tags": ["a", "b"],
    }
    other = {
        "price": 1.5,
        "images": {"1": {"image": "a?2", "alttext": "A"}},
        "variants": [{"id": 2, "seen": 1}, {"id": "1", "seen": 2}],
        "tags": ["a", "c"],
        "date_modified": "2026-01-01",
    }
    assert changed_fields(document, other) == {"views", "images.*.image", "variants.*.seen", "tags.*"}
    assert changed_fields(document, other, ("views", "images", "tags")) == {"variants.*.seen"}
    assert changed_fields(document, {**document, "variants": [{"id": "1", "seen": 1}]}) == {"variants.*"}
    assert version_of(document, sorted(changed_fields(document, other))) == version_of(
        other, sorted(changed_fields(document, other))
    )


def test_a_body_that_no_utf8_can_hold_survives() -> None:
    assert unpack(pack({"title": "\ud800"})) == {"title": "\ud800"}
    assert version_of({"title": "\ud800"})
