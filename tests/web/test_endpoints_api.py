"""Endpoints over the API: made, read, changed, deleted, and refused with the field that is wrong."""

import json
from datetime import datetime
from typing import Any

import httpx2
import pytest

from ombud.sender.sender import Sender
from ombud.settings import ENDPOINTS_PER_SHOP
from ombud.signing import new_secret, read_secret
from ombud.wire import EVENT_TYPES

URL = "https://8.8.8.8/hooks?token=tok_4711"
CHOICES: dict[str, Any] = {
    "headers": {"X-Key": "k 1", "X-Tenant": "7"}, "strict": True, "only_200": True, "authority": None,
    "latest_only": True, "rate_per_minute": 600, "retry": "svix",
}  # fmt: skip
NEW = {
    "url": URL,
    "event_types": ["product.add", "order.new"],
    "description": "ERP å",
    "enabled": False,
    "shop_id": 7,
} | CHOICES
KNOWN = {"id", "created_at", "updated_at", "signed", "previous_secret_until", "state", "closed_since", "next_try_at"}
KNOWN |= {"disabled_at", "disabled_reason", "sending_since"}
FIELDS = NEW.keys() | KNOWN


async def add(client: httpx2.AsyncClient, **choices: Any) -> Any:
    answer = await client.post("/v1/endpoints", json={"url": URL} | choices)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    read_secret(made.pop("secret"))
    return made


async def test_an_endpoint_is_made_and_read(client: httpx2.AsyncClient) -> None:
    made = await add(client, **NEW)

    assert made.keys() == FIELDS
    assert made["id"].startswith("ep_")
    assert {name: made[name] for name in NEW} == NEW | {"event_types": ["order.new", "product.add"]}
    assert (await client.get(f"/v1/endpoints/{made['id']}")).json() == made
    assert (await client.get("/v1/endpoints")).json() == {"data": [made], "next_cursor": None}
    for name in ("created_at", "updated_at"):
        assert made[name].endswith("Z")
        assert datetime.fromisoformat(made[name]).utcoffset() is not None


async def test_only_the_url_is_needed(client: httpx2.AsyncClient) -> None:
    made = await add(client)

    assert (made["shop_id"], made["event_types"], made["description"], made["enabled"]) == (
        1,
        list(EVENT_TYPES),
        "",
        True,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"url": "https://1.1.1.1/"},
        {"event_types": ["order.done"]},
        {"description": ""},
        {"description": "x"},
        {"enabled": True},
        {"enabled": False},
        {"headers": {}},
        {"headers": {"X-Other": "1"}},
        {"strict": False},
        {"only_200": False},
        {"rate_per_minute": None},
        {"latest_only": False, "retry": ""},
        {"url": "https://1.1.1.1/", "event_types": ["order.done"], "description": "x", "enabled": True},
    ],
)
async def test_a_change_leaves_out_what_it_leaves_out(client: httpx2.AsyncClient, changes: dict[str, Any]) -> None:
    made = await add(client, **NEW)

    answer = await client.patch(f"/v1/endpoints/{made['id']}", json=changes)

    assert answer.status_code == 200
    follows = {name: answer.json()[name] for name in ("updated_at", "state", "signed", "disabled_at")}
    assert answer.json() == made | changes | follows
    assert answer.json()["updated_at"] >= made["updated_at"]
    assert (await client.get(f"/v1/endpoints/{made['id']}")).json() == answer.json()


WRONG: list[tuple[str, Any]] = [
    ("url", None), ("url", 1), ("url", ["https://8.8.8.8/"]), ("url", ""), ("url", "8.8.8.8"), ("url", "ftp://8.8.8.8/"),
    ("url", "https://8.8.8.8/#a"), ("url", "https://a:b@8.8.8.8/"), ("url", "https://8.8.8.8/ "), ("url", "https://8.8.8.8/\t"),
    ("url", "https://8.8.8.8/\r\nX: y"), ("url", "https://8.8.8.8\\@10.0.0.1/"), ("url", "https://8.8.8.8/?order_id=1"),
    ("url", "https://8.8.8.8/?%6frder_id=1"), ("url", "https://8.8.8.8/?a;event_type"), ("url", "https://8.8.8.8/?[order_id]=1"),
    ("url", "https://8.8.8.8/" + "a" * 2048), ("url", "http\u017f://8.8.8.8/"), ("url", "https://\ud800/"), ("url", "https://8.8.8.8:0/"),
    ("url", "http://10.0.0.1/"), ("url", "http://[::1]/"), ("url", "http://169.254.169.254/latest/"), ("url", "http://0x7f.1/"),
    ("url", "http://[::ffff:127.0.0.1]/"), ("url", "http://[64:ff9b::a9fe:a9fe]/"),
    ("event_types", None), ("event_types", "order.new"), ("event_types", {}), ("event_types", []),
    ("event_types[0]", [1]), ("event_types[0]", [None]), ("event_types[1]", ["order.new", "order.paid"]),
    ("description", None), ("description", 1), ("description", "a" * 501), ("description", "\ud800"),
    ("enabled", None), ("enabled", 1), ("enabled", "true"), ("enabled", []),
    ("headers", None), ("headers", []), ("headers.X-Key", {"X-Key": 1}), ("headers.X-Key", {"X-Key": None}),
    ("headers", {"": "1"}), ("headers", {"X-Key": ""}), ("headers", {"X-Key": "a\r\nX-Evil: 1"}),
    ("headers", {"X-Key": "a\n b"}), ("headers", {"X-Key": "a\0"}), ("headers", {"X-Key": " a"}),
    ("headers", {"X-Key": "å"}),
    ("headers", {"X Key": "1"}), ("headers", {"X-Key:": "1"}), ("headers", {"X-Key\r\n": "1"}),
    ("headers", {"Host": "a"}),
    ("headers", {"content-length": "1"}), ("headers", {"Transfer-Encoding": "chunked"}),
    ("headers", {"webhook-id": "a"}),
    ("headers", {"X-Forwarded-For": "a"}), ("headers", {"Cookie": "a"}), ("headers", {"X-a": "1", "x-A": "1"}),
    ("headers", {"X-Key": "a" * 1025}), ("headers", {f"X-{n}": "1" for n in range(21)}),
    ("headers", {f"X-{n}": "a" * 1000 for n in range(5)}), ("strict", None), ("strict", 1), ("only_200", "yes"),
    ("authority", ""), ("authority", "PEM"), ("authority", 1),
    ("latest_only", None), ("rate_per_minute", 0), ("rate_per_minute", -1), ("rate_per_minute", 60_001),
    ("rate_per_minute", 1.5), ("rate_per_minute", "1"), ("rate_per_minute", True), ("retry", "often"), ("retry", None),
    ("authority", "a" * 16_385),
    ("signed", True), ("state", "open"), ("id", "ep_0000000000000"), ("created_at", "2026-01-01T00:00:00Z"), ("Url", "https://8.8.8.8/"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), WRONG)
async def test_a_wrong_field_is_named_and_nothing_is_changed(
    client: httpx2.AsyncClient, is_problem: Any, field: str, value: Any
) -> None:
    made = await add(client)
    name = field.partition("[")[0]

    new, changes = (json.dumps(body | {name: value}) for body in ({"url": URL}, {"enabled": False}))
    headers = {"Content-Type": "application/json"}
    is_problem(await client.post("/v1/endpoints", content=new, headers=headers), 422, field)
    is_problem(await client.patch(f"/v1/endpoints/{made['id']}", content=changes, headers=headers), 422, field)

    assert (await client.get("/v1/endpoints")).json()["data"] == [made]


@pytest.mark.parametrize("value", [None, -1, 2**63, 10**100, "1", 1.5, True, [1]])
async def test_a_wrong_shop_is_named(client: httpx2.AsyncClient, is_problem: Any, value: Any) -> None:
    is_problem(await client.post("/v1/endpoints", json={"url": URL, "shop_id": value}), 422, "shop_id")


async def test_the_shop_of_an_endpoint_stays(client: httpx2.AsyncClient, is_problem: Any) -> None:
    made = await add(client)

    is_problem(await client.patch(f"/v1/endpoints/{made['id']}", json={"shop_id": 2}), 422, "shop_id")


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'"x"', b"1", b"[" * 200_000, b"{", b"\xff", b"{'url': 1}", b"\x00"]
)
@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_what_is_no_endpoint_at_all(client: httpx2.AsyncClient, is_problem: Any, body: bytes, kind: str) -> None:
    made = await add(client)
    headers = {"Content-Type": kind}

    for answer in (
        await client.post("/v1/endpoints", content=body, headers=headers),
        await client.patch(f"/v1/endpoints/{made['id']}", content=body, headers=headers),
    ):
        if body and kind != "application/json":
            is_problem(answer, 415, words="Content-Type: application/json")
        else:
            is_problem(answer, 422, "body")
    assert (await client.get("/v1/endpoints")).json()["data"] == [made]


async def test_an_endpoint_is_deleted_once(client: httpx2.AsyncClient, is_problem: Any, rows: Any) -> None:
    made, kept = await add(client), await add(client)
    path = f"/v1/endpoints/{made['id']}"

    answer = await client.delete(path)

    assert (answer.status_code, answer.content) == (204, b"")
    for method in ("GET", "PATCH", "DELETE"):
        answer = await client.request(method, path, json={} if method == "PATCH" else None)
        is_problem(answer, 404, words=f"There is no endpoint {made['id']}")
    assert (await client.get("/v1/endpoints")).json()["data"] == [kept]
    assert len(rows("select * from endpoint")) == 2


async def test_an_endpoint_too_many(client: httpx2.AsyncClient, is_problem: Any) -> None:
    for _ in range(ENDPOINTS_PER_SHOP):
        await add(client)

    is_problem(await client.post("/v1/endpoints", json={"url": URL}), 409, words="Delete one first")


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "ep_",
        "ep_0",
        "evt_0000000000000",
        "ep_000000000000o",
        "EP_0000000000000",
        "ep_zzzzzzzzzzzzz",
        "%00",
        "%ff",
        "ep_0000000000000%20",
    ],
)
async def test_what_is_no_id(client: httpx2.AsyncClient, is_problem: Any, text: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        answer = await client.request(method, f"/v1/endpoints/{text}", json={} if method == "PATCH" else None)
        is_problem(answer, 422, "endpoint_id", "is not an id of this kind")
    is_problem(await client.get(f"/v1/events/{text.replace('evt', 'ep')}"), 422, "event_id")


async def test_unknown_ids(client: httpx2.AsyncClient, is_problem: Any) -> None:
    is_problem(await client.get("/v1/events/evt_0000000000000"), 404, words="There is no event evt_0000000000000")
    is_problem(await client.get("/v1/endpoints/ep_7zzzzzzzzzzzz"), 404, words="There is no endpoint ep_7zzzzzzzzzzzz")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/events", {"GET", "POST"}),
        ("/v1/events/evt_0000000000000", {"GET"}),
        ("/v1/endpoints", {"GET", "POST"}),
        ("/v1/endpoints/ep_0000000000000", {"GET", "PATCH", "DELETE"}),
        ("/v1/endpoints/ep_0000000000000/pause", {"POST"}),
        ("/v1/endpoints/ep_0000000000000/secret", {"POST"}),
        ("/v1/endpoints/ep_0000000000000/test", {"POST"}),
    ],
)
async def test_other_methods_are_not_allowed(
    client: httpx2.AsyncClient, is_problem: Any, path: str, allowed: set[str]
) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"} - allowed:
        answer = await client.request(method, path)
        is_problem(answer, 405)
        assert {name.strip() for name in answer.headers["Allow"].split(",")} == allowed


@pytest.mark.parametrize("path", ["/v1/events/", "/v1/endpoints/"])
async def test_a_slash_too_many_is_not_there(client: httpx2.AsyncClient, is_problem: Any, path: str) -> None:
    is_problem(await client.get(path), 404)
    is_problem(await client.post(path, json={"event_type": "order.new", "order_id": 1}), 404)


async def test_a_secret_is_shown_once(client: httpx2.AsyncClient, rows: Any, sender: Sender) -> None:
    made = (await client.post("/v1/endpoints", json={"url": URL})).json()
    path = f"/v1/endpoints/{made['id']}"

    assert made["signed"] is True
    secrets = [made["secret"]]
    for body in ({}, {"overlap_seconds": 0}, {"secret": new_secret(), "overlap_seconds": 60}):
        answer = await client.post(f"{path}/secret", json=body)
        assert answer.status_code == 200, answer.text
        secrets.append(answer.json()["secret"])
        assert (answer.json()["previous_secret_until"] is None) == (body.get("overlap_seconds") == 0)

    assert len(set(secrets)) == 4
    shown = [
        await client.get(path),
        await client.get("/v1/endpoints"),
        await client.patch(path, json={"description": "x"}),
    ]
    for answer in shown:
        assert "whsec_" not in answer.text
    [row] = rows("select id, secret, previous_secret from endpoint")
    stored = f"{row['secret']} {row['previous_secret']}"
    assert sender.vault.secrets(row["id"], stored) == (secrets[3], secrets[2])


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("secret", {"secret": "whsec_short"}),
        ("secret", {"secret": ""}),
        ("secret", {"secret": 1}),
        ("overlap_seconds", {"overlap_seconds": -1}),
        ("overlap_seconds", {"overlap_seconds": 604_801}),
        ("overlap", {"overlap": 1}),
    ],
)
async def test_a_secret_that_cannot_be(client: httpx2.AsyncClient, is_problem: Any, field: str, body: Any) -> None:
    made = await add(client)

    is_problem(await client.post(f"/v1/endpoints/{made['id']}/secret", json=body), 422, field)
    if "secret" in body:
        is_problem(await client.post("/v1/endpoints", json={"url": URL} | body), 422, field)


async def test_an_endpoint_is_paused_resumed_deleted_and_restored(client: httpx2.AsyncClient, is_problem: Any) -> None:
    made = await add(client)
    path = f"/v1/endpoints/{made['id']}"

    assert made["state"] == "open"
    assert (await client.post(f"{path}/pause")).json() == made | {"state": "paused"}
    assert (await client.get(path)).json()["state"] == "paused"
    assert (await client.post(f"{path}/resume")).json() == made
    answer = (await client.patch(path, json={"enabled": False})).json()
    stopped = answer["disabled_at"]
    assert (answer["state"], answer["disabled_reason"], stopped) == ("disabled", None, answer["updated_at"])
    is_problem(await client.post(f"{path}/restore"), 409, words="is not deleted")
    await client.delete(path)
    for verb in ("pause", "resume"):
        is_problem(await client.post(f"{path}/{verb}"), 404)
    is_problem(await client.post(f"{path}/secret", json={}), 404)
    restored = (await client.post(f"{path}/restore")).json()
    since = restored["updated_at"]
    assert restored == made | {"state": "disabled", "enabled": False, "updated_at": since, "disabled_at": stopped}


async def test_what_cannot_be_is_told_before_what_was_changed_meanwhile(
    client: httpx2.AsyncClient, is_problem: Any
) -> None:
    path = f"/v1/endpoints/{(await add(client))['id']}"
    old = {"If-Match": '"0"'}
    is_problem(await client.patch(path, json={"headers": {"Host": "x"}}, headers=old), 422, "headers")
    is_problem(await client.post(f"{path}/secret", json={"secret": "short"}, headers=old), 422, "secret")
    is_problem(await client.patch(path, json={"description": "x"}, headers=old), 412)
    for text in ("", " , ", 'W/"0","1" , "2"'):
        is_problem(await client.patch(path, json={}, headers={"If-Match": text}), 412)
    for text in ("0", '"0', "*, *", 'W/"0" "1"'):
        is_problem(await client.patch(path, json={}, headers={"If-Match": text}), 422, "If-Match")


async def test_a_full_shop_cannot_restore(client: httpx2.AsyncClient, is_problem: Any) -> None:
    made = await add(client)
    await client.delete(f"/v1/endpoints/{made['id']}")
    for _ in range(ENDPOINTS_PER_SHOP):
        await add(client)

    is_problem(await client.post(f"/v1/endpoints/{made['id']}/restore"), 409, words="Delete one first")


async def test_a_test_event_is_marked(client: httpx2.AsyncClient, is_problem: Any) -> None:
    made = await add(client, event_types=["product.add"])
    path = f"/v1/endpoints/{made['id']}"

    answer = await client.post(f"{path}/test", json={})

    assert answer.status_code == 201, answer.text
    event = answer.json()
    assert (event["test"], event["event_type"], event["subject"]) == (True, "product.add", "product/0")
    assert [one["endpoint_id"] for one in event["deliveries"]] == [made["id"]]
    other = (await client.post(f"{path}/test", json={"event_type": "order.new", "object_id": "7"})).json()
    assert other["subject"] == "order/7"
    published = (await client.post("/v1/events", json={"event_type": "product.add", "product_id": 1})).json()
    listed = (await client.get("/v1/events")).json()["data"]
    assert {one["id"]: one["test"] for one in listed} == {event["id"]: True, other["id"]: True, published["id"]: False}
    for field, body in (
        ("event_type", {"event_type": "order.paid"}),
        ("order_id", {"event_type": "order.new", "object_id": ""}),
    ):
        is_problem(await client.post(f"{path}/test", json=body), 422, field)
    await client.post(f"{path}/pause")
    is_problem(await client.post(f"{path}/test", json={}), 409, words="paused")
    await client.patch(path, json={"enabled": False})
    is_problem(await client.post(f"{path}/test", json={}), 409, words="disabled")


async def test_a_new_endpoint_may_ask_for_the_past(client: httpx2.AsyncClient, is_problem: Any) -> None:
    answer = await client.post("/v1/endpoints", json={"url": URL, "send_since": "2026-02-03T04:05:06+01:00"})

    assert answer.json()["sending_since"] == "2026-02-03T03:05:06.000000Z"
    for text in ("yesterday", "2026-02-03T04:05:06", "9999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", ""):
        is_problem(await client.post("/v1/endpoints", json={"url": URL, "send_since": text}), 422, "send_since")
    assert len((await client.get("/v1/endpoints")).json()["data"]) == 1
