"""What a webhook's query says, whatever bytes it has."""

from urllib.parse import quote_from_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ombud.receiver.arrival import MALFORMED, UNKNOWN, Arrival, raw_query, read_in_full, read_query
from ombud.wire import EVENT_TYPES, PARAMETER_OF, event_url

IDS = st.from_regex(r"\A[0-9A-Za-z_.:-]{1,64}\Z")
TEXTS = st.text(st.characters(codec="utf-8"))
OTHER_NAMES = TEXTS.filter(lambda name: name not in {"event_type", "order_id", "product_id"})


@given(st.sampled_from(sorted(EVENT_TYPES)), IDS)
def test_what_a_sender_sends_is_understood(event_type: str, object_id: str) -> None:
    subject = f"{EVENT_TYPES[event_type]}/{object_id}"
    query = event_url("http://shop.example/hook", event_type, subject).partition("?")[2]
    assert read_query(query.encode()) == Arrival(event_type, subject)


@given(st.data(), st.sampled_from(sorted(EVENT_TYPES)), IDS, st.dictionaries(OTHER_NAMES, TEXTS, max_size=5))
def test_a_merchants_own_parameters_change_nothing(
    data: st.DataObject, event_type: str, object_id: str, others: dict[str, str]
) -> None:
    pairs = [*others.items(), ("event_type", event_type), (PARAMETER_OF[event_type], object_id)]
    query = urlencode(data.draw(st.permutations(pairs)))
    assert read_query(query.encode()) == Arrival(event_type, f"{EVENT_TYPES[event_type]}/{object_id}")


@given(st.binary(max_size=300))
def test_any_bytes_are_judged_and_can_be_shown(query: bytes) -> None:
    arrival = read_query(query)
    if arrival.note is None:
        assert arrival.event_type in EVENT_TYPES
        assert arrival.subject.startswith(("order/", "product/"))
    else:
        assert arrival.event_type in {UNKNOWN, MALFORMED}
        assert arrival.subject == ""
        assert arrival.note.isascii()
        assert arrival.note.isprintable()
        assert raw_query(arrival.note) == query


@given(st.sampled_from(sorted(EVENT_TYPES)), st.binary(min_size=1, max_size=80))
def test_an_id_is_what_the_wire_allows_or_nothing(event_type: str, object_id: bytes) -> None:
    parameter = PARAMETER_OF[event_type]
    arrival = read_query(f"event_type={event_type}&{parameter}={quote_from_bytes(object_id)}".encode())
    allowed = len(object_id) <= 64 and all(
        chr(byte) in "_.:-" or chr(byte).isalnum() for byte in object_id if byte < 128
    )
    if allowed and object_id.isascii():
        assert arrival.subject == f"{EVENT_TYPES[event_type]}/{object_id.decode()}"
    else:
        assert arrival.event_type == MALFORMED


NEARLY = st.from_regex(rb"\A[a-z_]{5,10}=(order|product)\.(new|add)(;|&&?)(order|product)_id=[0-9%a.&=]{0,5}\Z")
WRONG = st.from_regex(rb"\Aevent_type=(order\.new|product\.add)&(order|product)_id=[!-~]{1,8}\n?\Z")


@given(NEARLY | WRONG)
def test_the_short_way_and_the_long_one_mean_the_same(query: bytes) -> None:
    assert read_query(query) == read_in_full(query)


@pytest.mark.parametrize(
    ("query", "event_type", "problem"),
    [
        ("", MALFORMED, "no event_type"),
        ("event_type=", MALFORMED, "no event_type"),
        ("order_id=1", MALFORMED, "no event_type"),
        ("event_type=order.new", MALFORMED, "no usable order_id"),
        ("event_type=order.new&order_id=", MALFORMED, "no usable order_id"),
        ("event_type=order.new&product_id=1", MALFORMED, "no usable order_id"),
        ("event_type=product.add&order_id=1", MALFORMED, "no usable product_id"),
        ("event_type=order.new&order_id=1&order_id=2", MALFORMED, "a parameter stands there twice"),
        ("event_type=order.new&order_id=1&order_id=1", MALFORMED, "a parameter stands there twice"),
        ("event_type=order.new&event_type=order.done&order_id=1", MALFORMED, "a parameter stands there twice"),
        ("event_type=order.new&order_id=1&%6frder_id=2", MALFORMED, "a parameter stands there twice"),
        ("event_type=order.new&order_id=%ff", MALFORMED, "not decodable"),
        ("event_type=order.new&order_id=%c0%80", MALFORMED, "not decodable"),
        ("event_type=order.new&order_id=%ed%a0%80", MALFORMED, "not decodable"),
        (f"event_type=order.new&order_id={'1' * 65}", MALFORMED, "no usable order_id"),
        ("event_type=order.new&order_id=1&order_id=2=3", MALFORMED, "a parameter stands there twice"),
        ("event_type=order.new&order_id=1%00", MALFORMED, "no usable order_id"),
        ("event_type=order.new&order_id=1%0a", MALFORMED, "no usable order_id"),
        ("event_type=order.new&order_id=1/2", MALFORMED, "no usable order_id"),
        ("event_type=order.new&order_id=%zz", MALFORMED, "no usable order_id"),
        ("event_type=order.new&%6frder_id=1&order_id=2", MALFORMED, "a parameter stands there twice"),
        ("event_type=order.new&order_id[]=1", MALFORMED, "no usable order_id"),
        ("event_type=order.new&Order_Id=1", MALFORMED, "no usable order_id"),
        ("event_type=order.new&order_id=%", MALFORMED, "no usable order_id"),
        ("event_type=order.new;order_id=1", UNKNOWN, "an event type that is not known here"),
        ("event_type=order.paid&order_id=1", UNKNOWN, "an event type that is not known here"),
        ("event_type=ORDER.NEW&order_id=1", UNKNOWN, "an event type that is not known here"),
        ("event_type=order.new%00&order_id=1", UNKNOWN, "an event type that is not known here"),
        ("&".join(["a=1"] * 101), MALFORMED, "not decodable"),
    ],
)
def test_what_cannot_be_used_is_kept_with_its_problem(query: str, event_type: str, problem: str) -> None:
    arrival = read_query(query.encode())
    assert (arrival.event_type, arrival.note) == (event_type, f"{problem}: {query}")


@pytest.mark.parametrize("other", ["order_id[]=2", "Order_Id=2", "ORDER_ID=2", "order_id%5B%5D=2", "order_id%00=2"])
def test_what_only_resembles_our_parameter_is_a_merchants_own(other: str) -> None:
    for query in (f"event_type=order.new&order_id=1&{other}", f"{other}&event_type=order.new&order_id=1"):
        assert read_query(query.encode()) == Arrival("order.new", "order/1")


def test_bytes_that_a_query_should_not_have_are_shown_as_such() -> None:
    assert read_query(b"event_type=\x00\x1b[2J\xff\n").note == "not decodable: event_type=\\x00\\x1b[2J\\xff\\x0a"
