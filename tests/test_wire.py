"""The URL of a delivery, byte for byte, and the parameters that an endpoint's URL must leave to us."""

import string
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ombud.errors import InvalidInput
from ombud.sender.url import check_endpoint_url
from ombud.wire import EVENT_TYPES, PARAMETER_OF, PARAMETERS, event_url, reserved_parameter, subject_of

ORDER = "event_type=order.new&order_id=90017"

GOLDEN = {
    "https://shop-sync.example": f"https://shop-sync.example?{ORDER}",
    "https://shop-sync.example/": f"https://shop-sync.example/?{ORDER}",
    "https://shop-sync.example/hooks/qb": f"https://shop-sync.example/hooks/qb?{ORDER}",
    "https://shop-sync.example/hooks/": f"https://shop-sync.example/hooks/?{ORDER}",
    "https://shop-sync.example:8443/hooks": f"https://shop-sync.example:8443/hooks?{ORDER}",
    "http://192.0.2.1:80/hooks": f"http://192.0.2.1:80/hooks?{ORDER}",
    "http://[2001:db8::1]:8080/hooks": f"http://[2001:db8::1]:8080/hooks?{ORDER}",
    "HTTPS://Shop-Sync.Example/Hooks": f"HTTPS://Shop-Sync.Example/Hooks?{ORDER}",
    # Its own query stays, and ours comes behind it.
    "https://shop-sync.example?a=1": f"https://shop-sync.example?a=1&{ORDER}",
    "https://shop-sync.example/hooks?token=tok_4711": f"https://shop-sync.example/hooks?token=tok_4711&{ORDER}",
    "https://shop-sync.example/h?a=1&b=2": f"https://shop-sync.example/h?a=1&b=2&{ORDER}",
    "https://shop-sync.example/h?a": f"https://shop-sync.example/h?a&{ORDER}",
    "https://shop-sync.example/h?=": f"https://shop-sync.example/h?=&{ORDER}",
    "https://shop-sync.example/h?a=1;b=2": f"https://shop-sync.example/h?a=1;b=2&{ORDER}",
    "https://shop-sync.example/h?next=/a?b=c": f"https://shop-sync.example/h?next=/a?b=c&{ORDER}",
    "https://shop-sync.example/h?next=https://b.example/": f"https://shop-sync.example/h?next=https://b.example/&{ORDER}",
    "https://shop-sync.example/h?a=1&&b=2": f"https://shop-sync.example/h?a=1&&b=2&{ORDER}",
    # A trailing ? or & that joins is used, not doubled; one that is part of a value is not.
    "https://shop-sync.example?": f"https://shop-sync.example?{ORDER}",
    "https://shop-sync.example/h?": f"https://shop-sync.example/h?{ORDER}",
    "https://shop-sync.example/h?a=1&": f"https://shop-sync.example/h?a=1&{ORDER}",
    "https://shop-sync.example/h?&": f"https://shop-sync.example/h?&{ORDER}",
    "https://shop-sync.example/h?a=1&&": f"https://shop-sync.example/h?a=1&&{ORDER}",
    "https://shop-sync.example/h?q=really?": f"https://shop-sync.example/h?q=really?&{ORDER}",
    "https://shop-sync.example/h??": f"https://shop-sync.example/h??&{ORDER}",
    "https://shop-sync.example/h&": f"https://shop-sync.example/h&?{ORDER}",
    # Encodings stay as they were typed: no case is changed, nothing is decoded, added or taken away.
    "https://shop-sync.example/%7Ea/%7ea": f"https://shop-sync.example/%7Ea/%7ea?{ORDER}",
    "https://shop-sync.example/a%2Fb/../c/./d": f"https://shop-sync.example/a%2Fb/../c/./d?{ORDER}",
    "https://shop-sync.example//a//b": f"https://shop-sync.example//a//b?{ORDER}",
    "https://shop-sync.example/h?a=%20+%2B%26%3D": f"https://shop-sync.example/h?a=%20+%2B%26%3D&{ORDER}",
    "https://shop-sync.example/h?a=%c3%A5%FF%00": f"https://shop-sync.example/h?a=%c3%A5%FF%00&{ORDER}",
    "https://shop-sync.example/h?a[]=1&a[]=2": f"https://shop-sync.example/h?a[]=1&a[]=2&{ORDER}",
    "https://shop-sync.example/;v=1/h?!$'()*,:@-._~": f"https://shop-sync.example/;v=1/h?!$'()*,:@-._~&{ORDER}",
}


@pytest.mark.parametrize(("url", "expected"), GOLDEN.items(), ids=list(GOLDEN))
def test_the_url_of_a_delivery(url: str, expected: str) -> None:
    check_endpoint_url(url)
    assert event_url(url, "order.new", "order/90017") == expected


@pytest.mark.parametrize(
    ("event_type", "expected"),
    [
        ("order.new", "event_type=order.new&order_id=7"),
        ("order.done", "event_type=order.done&order_id=7"),
        ("order.cancelled", "event_type=order.cancelled&order_id=7"),
        ("product.add", "event_type=product.add&product_id=7"),
        ("product.update", "event_type=product.update&product_id=7"),
        ("product.delete", "event_type=product.delete&product_id=7"),
    ],
)
def test_each_event_type_names_its_id(event_type: str, expected: str) -> None:
    url = event_url("https://shop-sync.example/h", event_type, subject_of(event_type, "7"))

    assert url == f"https://shop-sync.example/h?{expected}"
    assert expected == f"event_type={event_type}&{PARAMETER_OF[event_type]}=7"


def test_there_are_the_six_events_of_the_vendors_page() -> None:
    assert list(EVENT_TYPES) == [
        "order.new",
        "order.done",
        "order.cancelled",
        "product.add",
        "product.update",
        "product.delete",
    ]
    assert set(PARAMETER_OF.values()) | {"event_type"} == PARAMETERS


# Everything that Express (qs), PHP, Rails, ASP.NET, Flask or a servlet would hand to its program as one of ours.
RESERVED = [
    "event_type=x",
    "event_type",
    "event_type=",
    "order_id=1",
    "product_id=1",
    "a=1&order_id=1",
    "order_id=1&a=1",
    "a&&order_id",
    "%6frder_id=1",
    "%6Frder%5Fid=1",
    "%65%76%65%6E%74%5F%74%79%70%65=1",
    "a=1;order_id=1",
    ";order_id",
    "a;b&c;event_type=1",
    "order_id[]=1",
    "order_id%5B%5D=1",
    "order_id[0]=1",
    "order_id[a][b]=1",
    "order_id[=1",
    "[order_id]=1",
    "%5Border_id%5D=1",
    "[event_type][]=1",
    "order.id=1",
    "order%2Eid=1",
    "order+id=1",
    "order%20id=1",
    "order[id=1",
    "order%5Bid=1",
    "event[type=1",
    "event.type=1",
    "+order_id=1",
    "%20order_id=1",
    "++order_id=1",
    "%09order_id=1",
    "order_id%00=1",
    "order_id%00x=1",
    "order_id%20=1",
    "ORDER_ID=1",
    "Event_Type=1",
    "Order.Id=1",
    "oRdEr_Id[]=1",
]


@pytest.mark.parametrize("query", RESERVED)
def test_a_parameter_that_a_receiver_could_take_for_ours_is_named(query: str) -> None:
    assert reserved_parameter(query) is not None
    with pytest.raises(InvalidInput, match="which the sender adds itself") as caught:
        check_endpoint_url(f"https://shop-sync.example/h?{query}", "url")
    assert caught.value.field == "url"


FREE = [
    "",
    "a=1",
    "token=order_id",
    "a=1&token=event_type=x",
    "orderid=1",
    "order-id=1",
    "order_ids=1",
    "my_order_id=1",
    "my[order_id]=1",
    "order[a][id]=1",
    "type=order.new",
    "event=1",
    "id=1",
    "%26order_id%3D1=1",
    "a=b%26order_id=1",
    "order%255Fid=1",
    "a=?order_id=1",
]


@pytest.mark.parametrize("query", FREE)
def test_every_other_parameter_is_the_merchants_own(query: str) -> None:
    assert reserved_parameter(query) is None
    check_endpoint_url(f"https://shop-sync.example/h?{query}")


HOSTS = st.sampled_from(["shop-sync.example", "A.example:8443", "192.0.2.1", "[2001:db8::1]:81", "åäö.example"])
CHARACTERS = string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/?[]"
TAILS = st.lists(
    st.one_of(
        st.sampled_from(CHARACTERS),
        st.sampled_from("?&=;%20"),
        st.binary(min_size=1, max_size=1).map("%{0[0]:02x}".format),
    ),
    max_size=30,
).map("".join)


@settings(deadline=None)
@given(
    scheme=st.sampled_from(["http", "https", "HTTPS"]),
    host=HOSTS,
    slash=st.sampled_from(["/", "?", "/h?"]),
    tail=TAILS,
    event_type=st.sampled_from(sorted(EVENT_TYPES)),
    object_id=st.from_regex(r"[0-9A-Za-z_.:-]{1,64}", fullmatch=True),
)
@example("https", "a.example", "/h?", "q=really?", "order.new", "1")
@example("https", "a.example", "/h?", "?", "order.new", "1")
@example("https", "a.example", "/h?", "a&", "product.delete", "a:b")
def test_whatever_url_is_accepted_survives_with_our_two_parameters_behind_it(
    scheme: str, host: str, slash: str, tail: str, event_type: str, object_id: str
) -> None:
    url = f"{scheme}://{host}{slash}{tail}"
    try:
        check_endpoint_url(url)
    except InvalidInput:
        return

    sent = event_url(url, event_type, subject_of(event_type, object_id))

    assert sent.startswith(url)
    theirs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    ours = [("event_type", event_type), (PARAMETER_OF[event_type], object_id)]
    assert parse_qsl(urlsplit(sent).query, keep_blank_values=True) == theirs + ours
    assert [name for name, _ in theirs + ours if name in PARAMETERS] == [name for name, _ in ours]
    assert urlsplit(sent).path == urlsplit(url).path
    assert urlsplit(sent).netloc == urlsplit(url).netloc


@settings(deadline=None)
@given(TAILS)
def test_no_accepted_query_holds_one_of_our_names_as_this_language_reads_it(query: str) -> None:
    if reserved_parameter(query) is None:
        names = [name for name, _ in parse_qsl(query, keep_blank_values=True, separator="&")]
        names += [name for name, _ in parse_qsl(query, keep_blank_values=True, separator=";")]
        assert not PARAMETERS & {name.strip().lower() for name in names}
