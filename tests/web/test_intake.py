"""POST /v1/events: one event or many, all or nothing."""

from typing import Any

import httpx2
import pytest

from ombud.web.intake import EVENTS_PER_REQUEST

ENDPOINT = {"url": "https://8.8.8.8/hooks?token=tok_4711"}
ORDER = {"event_type": "order.new", "order_id": "90017"}


async def post(client: httpx2.AsyncClient, body: Any) -> httpx2.Response:
    return await client.post("/v1/events", json=body)


async def test_one_event(client: httpx2.AsyncClient, rows: Any) -> None:
    await client.post("/v1/endpoints", json=ENDPOINT)

    answer = await post(client, ORDER)

    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/json"
    document = answer.json()
    assert document["id"].startswith("evt_")
    assert {name: document[name] for name in ("event_type", "subject", "deliveries")} == {
        "event_type": "order.new",
        "subject": "order/90017",
        "deliveries": 1,
    }
    assert len(rows("select * from delivery where state = 0")) == 1
    assert (await client.get(f"/v1/events/{document['id']}")).json()["id"] == document["id"]


async def test_many_events_keep_their_order(client: httpx2.AsyncClient) -> None:
    bodies = [{"event_type": "product.update", "product_id": number} for number in range(50)]

    answer = await post(client, bodies)

    assert answer.status_code == 201
    documents = answer.json()["events"]
    assert [document["subject"] for document in documents] == [f"product/{number}" for number in range(50)]
    assert sorted({document["id"] for document in documents}) == [document["id"] for document in documents]


async def test_an_array_of_one_answers_as_an_array(client: httpx2.AsyncClient) -> None:
    assert len((await post(client, [ORDER])).json()["events"]) == 1
    assert (await post(client, [])).json() == {"events": []}


@pytest.mark.parametrize("place", [0, 7, 99])
async def test_an_array_is_all_or_nothing(client: httpx2.AsyncClient, is_problem: Any, rows: Any, place: int) -> None:
    bodies: list[Any] = [ORDER | {"order_id": number} for number in range(100)]
    bodies[place] = {"event_type": "order.new", "order_id": "no spaces"}

    is_problem(await post(client, bodies), 422, f"[{place}].order_id", "characters")

    assert rows("select * from event") == []


@pytest.mark.parametrize(
    ("given", "subject"),
    [
        ("90017", "90017"),
        (90017, "90017"),
        (0, "0"),
        (-1, "-1"),
        (2**63, str(2**63)),
        (10**63, str(10**63)),
        ("a:b-c_d.E", "a:b-c_d.E"),
        (7.0, "7"),
    ],
)
async def test_ids_are_strings_or_numbers(client: httpx2.AsyncClient, given: Any, subject: str) -> None:
    assert (await post(client, {"event_type": "order.new", "order_id": given})).json()["subject"] == f"order/{subject}"


WRONG: list[tuple[str, Any, str]] = [
    ("event_type", {}, "missing required"),
    ("event_type", {"order_id": "1"}, "missing required"),
    ("event_type", {"event_type": None, "order_id": "1"}, "Expected `str`"),
    ("event_type", {"event_type": 1, "order_id": "1"}, "Expected `str`"),
    ("event_type", {"event_type": ["order.new"], "order_id": "1"}, "Expected `str`"),
    ("event_type", {"event_type": "order.paid", "order_id": "1"}, "is not one of: order.new"),
    ("event_type", {"event_type": "", "order_id": "1"}, "is not one of"),
    ("order_id", {"event_type": "order.new"}, "order.new needs order_id"),
    ("order_id", {"event_type": "order.new", "order_id": None}, "needs order_id"),
    ("order_id", {"event_type": "order.new", "product_id": "1"}, "needs order_id"),
    ("product_id", {"event_type": "product.add", "order_id": "1"}, "needs product_id"),
    ("product_id", {"event_type": "order.new", "order_id": "1", "product_id": "1"}, "has no product_id"),
    ("order_id", {"event_type": "product.add", "order_id": "1", "product_id": "1"}, "has no order_id"),
    ("order_id", {"event_type": "order.new", "order_id": ""}, "characters"),
    ("order_id", {"event_type": "order.new", "order_id": "a" * 65}, "characters"),
    ("order_id", {"event_type": "order.new", "order_id": 10**64}, "characters"),
    ("order_id", {"event_type": "order.new", "order_id": "1&event_type=x"}, "characters"),
    ("order_id", {"event_type": "order.new", "order_id": "1\r\nHost: x"}, "characters"),
    ("order_id", {"event_type": "order.new", "order_id": 1.5}, "whole number"),
    # 9007199254740993.0 would be read as this one.
    ("order_id", {"event_type": "order.new", "order_id": 9007199254740992.0}, "without a point"),
    ("order_id", {"event_type": "order.new", "order_id": True}, "Expected"),
    ("order_id", {"event_type": "order.new", "order_id": ["1"]}, "Expected"),
    ("order_id", {"event_type": "order.new", "order_id": {}}, "Expected"),
    ("shop_id", ORDER | {"shop_id": 0}, "whole number from 1"),
    ("shop_id", ORDER | {"shop_id": -1}, "whole number from 1"),
    ("shop_id", ORDER | {"shop_id": 2**63}, "whole number from 1"),
    ("shop_id", ORDER | {"shop_id": 10**100}, "whole number from 1"),
    ("shop_id", ORDER | {"shop_id": 1.5}, "whole number"),
    ("shop_id", ORDER | {"shop_id": "1"}, "Expected `int`"),
    ("shop_id", ORDER | {"shop_id": None}, "Expected `int`"),
    ("event_key", ORDER | {"event_key": ""}, "1 to 255 characters"),
    ("event_key", ORDER | {"event_key": "k" * 256}, "1 to 255 characters"),
    ("event_key", ORDER | {"event_key": 1}, "Expected"),
    ("orderid", ORDER | {"orderid": "1"}, "unknown field"),
    ("id", ORDER | {"id": "evt_0000000000000"}, "unknown field"),
]


@pytest.mark.parametrize(("field", "body", "words"), WRONG)
async def test_a_wrong_field_is_named(
    client: httpx2.AsyncClient, is_problem: Any, rows: Any, field: str, body: Any, words: str
) -> None:
    is_problem(await post(client, body), 422, field, words)
    is_problem(await post(client, [ORDER, ORDER, ORDER, body]), 422, f"[3].{field}", words)
    assert rows("select * from event") == []


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("body", "order.new"),
        ("body", 1),
        ("body", True),
        ("[0]", [[]]),
        ("[1]", [ORDER, None]),
        ("[0]", [[ORDER]]),
    ],
)
async def test_what_is_no_event_at_all(client: httpx2.AsyncClient, is_problem: Any, field: str, body: Any) -> None:
    is_problem(await client.post("/v1/events", json=body), 422, field, "Expected")


RAW = {
    "nothing": b"",
    "null": b"null",
    "spaces": b"  \n",
    "half an object": b'{"event_type": "order.new", ',
    "half an array": b'[{"event_type": "order.new", "order_id": "1"}, ',
    "more behind it": b'{"event_type": "order.new", "order_id": "1"} x',
    "two lines of it": b'{"event_type": "order.new", "order_id": "1"}\n{"event_type": "order.new", "order_id": "2"}',
    "a form": b"event_type=order.new&order_id=1",
    "XML": b"<event/>",
    "single quotes": b"{'event_type': 'order.new', 'order_id': '1'}",
    "a comment": b'{"event_type": "order.new", "order_id": "1"} // paid',
    "a trailing comma": b'{"event_type": "order.new", "order_id": "1",}',
    "NaN": b'{"event_type": "order.new", "order_id": NaN}',
    "Infinity": b'{"event_type": "order.new", "order_id": "1", "shop_id": Infinity}',
    "Latin-1": '{"event_type": "order.new", "order_id": "1", "event_key": "å"}'.encode("latin-1"),
    "bytes that are no text": b'{"event_type": "order.new", "order_id": "1", "event_key": "\xff"}',
    "UTF-16": '{"event_type": "order.new", "order_id": "1"}'.encode("utf-16"),
    "half a character": b'{"event_type": "order.new", "order_id": "1", "event_key": "\\ud800"}',
    "half a character in a name": b'{"event_type": "order.new", "order_id": "1", "\\ud800": "1"}',
    "a control character": b'{"event_type": "order.new", "order_id": "1", "event_key": "a\x01"}',
    "a byte order mark": b'\xef\xbb\xbf{"event_type": "order.new", "order_id": "1"}',
    "a deep array": b"[" * 200_000,
    "a deep value": b'{"event_type": ' + b"[" * 200_000,
    "deep objects": b'{"event_type": "order.new", "order_id": ' + b'{"a":' * 100_000,
    "a number of 5,000 digits": b'{"event_type": "order.new", "order_id": ' + b"9" * 5_000 + b"}",
    "a number beyond floats": b'{"event_type": "order.new", "order_id": "1", "shop_id": 1e999}',
    "NUL": b"\x00" * 100,
}


@pytest.mark.parametrize("name", RAW)
async def test_what_is_not_json_stores_nothing(
    client: httpx2.AsyncClient, is_problem: Any, rows: Any, name: str
) -> None:
    answer = await client.post("/v1/events", content=RAW[name])

    is_problem(answer, 422, answer.json().get("field"))
    assert answer.json()["field"]
    assert rows("select * from event") == []


async def test_of_a_field_written_twice_the_last_counts(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/events", content=b'{"event_type":"order.new","order_id":"1","order_id":"2"}')

    assert answer.json()["subject"] == "order/2"


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", "", "x"])
async def test_the_content_type_does_not_matter(client: httpx2.AsyncClient, kind: str) -> None:
    headers = {"Content-Type": kind}

    answer = await client.post("/v1/events", content=b' {"event_type":"order.new","order_id":1} ', headers=headers)

    assert answer.status_code == 201


async def test_so_many_events_and_no_more(client: httpx2.AsyncClient, is_problem: Any, rows: Any) -> None:
    is_problem(await post(client, [ORDER] * (EVENTS_PER_REQUEST + 1)), 422, "body", f"{EVENTS_PER_REQUEST} is the most")
    assert rows("select * from event") == []

    assert len((await post(client, [ORDER] * EVENTS_PER_REQUEST)).json()["events"]) == EVENTS_PER_REQUEST
    assert len(rows("select * from event")) == EVENTS_PER_REQUEST


async def test_a_key_makes_publishing_idempotent(client: httpx2.AsyncClient, is_problem: Any, rows: Any) -> None:
    first = await post(client, ORDER | {"event_key": "paid-90017"})
    again = await post(client, ORDER | {"event_key": "paid-90017"})

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    is_problem(
        await post(client, ORDER | {"order_id": "2", "event_key": "paid-90017"}), 409, words="'paid-90017' already"
    )
    is_problem(await post(client, [ORDER, ORDER | {"order_id": "2", "event_key": "paid-90017"}]), 409, words="already")
    assert len(rows("select * from event")) == 1
