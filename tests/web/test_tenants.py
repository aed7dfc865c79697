"""What a key may do, and that a key of one shop sees nothing of another: on every route there is."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ombud.admin.access import EVERY_SHOP, Scope
from ombud.admin.walk import STEP_EVENTS
from ombud.db.operation import Operation, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.web.openapi import operations
from ombud.web.rate import BURST
from tests.support.databases import Home
from tests.support.two_shops import MINE, THEIRS, Side, lend_receiver, lend_sender, shop_ids, word

PEOPLE_PATHS = ("/v1/people", "/v1/invitations", "/v1/keys", "/v1/audit")
EVENT_PATHS = ("/v1/events", "/v1/deliveries", "/v1/replays")


@pytest.fixture
async def sending(tmp_path: Path) -> AsyncIterator[Side]:
    async with lend_sender(Home(f"sqlite:///{tmp_path}/sender.db")) as side:
        yield side


def body_of(operation: dict[str, Any]) -> Any:
    """Return the example of a request's body, or nothing."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return content.get("example") or next(iter(content.get("examples", {}).values()), {"value": None})["value"]


async def ids_of(client: httpx2.AsyncClient, side: Side) -> dict[str, str]:
    """Return an id for each kind of parameter, as this client sees them in lists."""
    found = {"person_id": "prs_0000000000000", "name": "a key"}
    for method, path, _ in operations(side.document):
        if method == "GET" and "{" not in path and not path.startswith(PEOPLE_PATHS):
            rows = (await client.get(path)).json().get("data")
            if path == "/v1/overview":
                continue  # no list
            kind = path.rpartition("/")[2].rpartition("-")[2].replace("ries", "rys").removesuffix("s") + "_id"
            assert rows, path
            found["inbox_shop_id" if kind == "shop_id" else kind] = rows[0]["id"]
    return found


async def check_every_route(side: Side, mine: int, theirs: int, foreign: str) -> int:
    """Ask every route for what is another shop's; returns how many were asked."""
    asked = 0
    async with side.client(mine) as me, side.client(theirs) as them:
        their_ids = await ids_of(them, side)
        before = rows_of(side, mine)
        for method, path, operation in operations(side.document):
            filled = re.sub(r"\{([a-z_]+)\}", lambda match: their_ids[match[1]], path)
            body = body_of(operation)
            answer = await me.request(method, filled, json=body)
            assert foreign not in answer.text, (method, path)
            if path.startswith(PEOPLE_PATHS):
                # People and keys belong to the installation.
                assert answer.status_code == 403, (method, path, answer.text)
            elif "{" in path:
                assert answer.status_code == 404, (method, path, answer.text)
            if body and "{" not in path and not path.startswith(PEOPLE_PATHS):
                other = {"shop_id": theirs}
                named = [one | other for one in body] if isinstance(body, list) else body | other
                # A replay takes no shop at all.
                refused = 422 if path.startswith("/v1/replays") else 403
                assert (await me.request(method, filled, json=named)).status_code == refused, (method, path)
            asked += 1
        after = rows_of(side, mine)
        assert {table: rows for table, rows in after.items() if rows != before[table]} == {}
    return asked


# Tables that name a shop, on each kind of database.
TABLES = {
    True: "select table_name as name from information_schema.columns"
    " where table_schema = current_schema() and column_name = 'shop_id'",
    False: "select m.name from sqlite_master m, pragma_table_info(m.name) c"
    " where m.type = 'table' and c.name = 'shop_id'",
}


def rows_of(side: Side, mine: int) -> dict[str, list[str]]:
    """Return what belongs to others than me: every row of every table that names a shop."""

    def read() -> Operation[dict[str, list[str]]]:
        text = TABLES[not isinstance(side.database, SqliteDatabase)]
        found = {}
        for row in (yield Statement("tables", text), {}):
            if row["name"] != "api_key":
                text = f"select * from {row['name']} where shop_id not in ({mine}, 0)"
                found[row["name"]] = sorted(str(dict(one)) for one in (yield Statement(text, text), {}))
        return found

    return side.database.read(read)


async def test_a_key_of_one_shop_sees_and_changes_nothing_of_another_at_the_sender(home: Home) -> None:
    async with lend_sender(home) as sending:
        assert await check_every_route(sending, MINE, THEIRS, word(THEIRS)) >= 12
        await check_own_rows(sending)


async def check_own_rows(sending: Side) -> None:
    async with sending.client(MINE) as me:
        for path in ("/v1/events", "/v1/endpoints"):
            text = (await me.get(path)).text
            assert word(MINE) in text
            assert word(EVERY_SHOP) not in text
        *_, event = (await me.get("/v1/events")).json()["data"]
        assert event["fan_out"] == event["deliveries"]["pending"] == 1
        one = (await me.get(f"/v1/events/{event['id']}")).json()
        assert [delivery["url"] for delivery in one["deliveries"]] == ["https://8.8.8.7/…"]
        assert one["fan_out"] == 1
        # The shop of a key need not be named.
        made = (await me.post("/v1/endpoints", json={"url": "https://8.8.4.4/"})).json()
        assert made["shop_id"] == MINE
        published = await me.post("/v1/events", json={"event_type": "order.new", "order_id": "1"})
        assert published.status_code == 201


async def test_a_key_of_one_shop_sees_nothing_of_another_at_the_receiver(home: Home) -> None:
    async with lend_receiver(home) as receiving:
        shops = shop_ids(receiving)
        assert await check_every_route(receiving, shops["mine"], shops["theirs"], "of-theirs") >= 15
        await check_own_arrivals(receiving, shops["mine"])


async def check_own_arrivals(receiving: Side, mine: int) -> None:
    async with receiving.client(mine) as me:
        [arrival] = (await me.get("/v1/arrivals")).json()["data"]
        assert arrival["subject"] == "order/of-mine"
        assert (await me.get("/v1/shops", params={"cursor": "\x00"})).status_code == 422
        assert (await me.get("/v1/arrivals/")).status_code == 404
        for subject, count in (("order/of-mine", 1), ("order/of-theirs", 0)):
            assert len((await me.get("/v1/arrivals", params={"subject": subject})).json()["data"]) == count


async def test_a_route_without_its_shop_would_be_noticed(sending: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ombud.admin.access.Caller.sees", lambda *_: True)
    with pytest.raises(AssertionError):
        await check_every_route(sending, MINE, THEIRS, word(THEIRS))


@pytest.mark.parametrize("scope", Scope)
async def test_a_key_does_what_its_scopes_say(sending: Side, scope: Scope) -> None:
    async with sending.client(scopes=(scope,)) as client:
        for method, path, operation in operations(sending.document):
            writes = Scope.EVENTS if path.startswith(EVENT_PATHS) else Scope.ENDPOINTS
            needed = Scope.READ if method == "GET" else writes
            if path.startswith(PEOPLE_PATHS):
                needed = Scope.PEOPLE
            filled = re.sub(r"\{([a-z]+)[a-z_]*\}", "evt_0000000000000", path)
            answer = await client.request(method, filled, json=body_of(operation))
            told = answer.status_code == 403 and f"lacks the scope {needed}" in answer.json()["detail"]
            assert told == (scope != needed), (method, path)


async def test_pages_of_one_shop_reach_the_end_though_others_are_many(sending: Side) -> None:
    async with sending.client() as publisher:
        await publish(publisher, MINE, "order.new", [f"mine-{number}" for number in range(3)])
        for _ in range(5):
            await publish(publisher, 9, "order.done", [str(number) for number in range(STEP_EVENTS // 2)])
        await publish(publisher, MINE, "order.new", ["mine-3"])
    found: list[str] = []
    cursor: str | None = ""
    pages = 0
    async with sending.client(MINE) as me:
        while cursor is not None:
            page = (await me.get("/v1/events", params={"limit": 2, "cursor": cursor})).json()
            found += [event["subject"] for event in page["data"]]
            cursor, pages = page["next_cursor"], pages + 1
    assert found == [f"order/{subject}" for subject in ("mine-3", "mine-2", "mine-1", "mine-0", word(MINE))]
    assert pages == 3


async def publish(client: httpx2.AsyncClient, shop_id: int, event_type: str, orders: list[str]) -> None:
    events = [{"event_type": event_type, "order_id": order, "shop_id": shop_id} for order in orders]
    assert (await client.post("/v1/events", json=events)).status_code == 201


async def test_an_edit_of_another_version_is_refused(sending: Side) -> None:
    async with sending.client() as client:
        made = await client.post("/v1/endpoints", json={"url": "https://8.8.4.4/"})
        path, first = f"/v1/endpoints/{made.json()['id']}", made.headers["ETag"]
        assert (await client.get(path)).headers["ETag"] == first
        changed = await client.patch(path, json={"enabled": False}, headers={"If-Match": first})
        assert changed.status_code == 200
        second = changed.headers["ETag"]
        assert second != first
        for method, headers in (("PATCH", {"If-Match": first}), ("DELETE", {"If-Match": f'{first}, "x"'})):
            answer = await client.request(method, path, json={"enabled": True}, headers=headers)
            assert answer.status_code == 412
            assert "changed meanwhile" in answer.json()["detail"]
        assert (await client.get(path)).json()["enabled"] is False
        assert (await client.patch(path, json={"enabled": True}, headers={"If-Match": "*"})).status_code == 200
        assert (await client.delete(path)).status_code == 204


async def test_what_a_key_changed_is_on_record(sending: Side) -> None:
    async with sending.client(MINE) as client:
        made = (await client.post("/v1/endpoints", json={"url": "https://8.8.4.4/secret?token=secret"})).json()
        path = f"/v1/endpoints/{made['id']}"
        await client.patch(path, json={"url": "https://8.8.8.8/secret", "description": "secret"})
        for verb in ("pause", "resume", "secret"):
            assert (await client.post(f"{path}/{verb}", json={})).status_code == 200
        await client.delete(path)
        await client.post(f"{path}/restore")

    def read() -> Operation[list[Any]]:
        return (yield Statement("log", "select * from audit_entry where target = :id order by id"), {"id": made["id"]})

    log = sending.database.read(read)
    verbs = ["add", "change", "pause", "resume", "secret", "delete", "restore"]
    assert [row["action"] for row in log] == [f"endpoint.{verb}" for verb in verbs]
    assert {row["shop_id"] for row in log} == {MINE}
    assert log[1]["detail"] == "url (8.8.8.8), description"
    assert "secret" not in json.dumps([row["detail"] for row in log])


async def test_a_key_that_asks_too_often_is_told_so(sending: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    async with sending.client() as client, sending.client() as other:
        answer = await client.get("/v1/events")
        assert answer.headers["RateLimit-Policy"] == '"key";q=2000;w=10'
        assert answer.headers["RateLimit"] == f'"key";r={BURST - 1};t=1'
        monkeypatch.setattr("ombud.web.brakes.Brake.wait", lambda _, key: 1.5 if key == name_of(client) else 0.0)
        refused = await client.get("/v1/events")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "2")
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert (await other.get("/v1/events")).status_code == 200
        # There the queue of writes is the limit.
        assert (await client.post("/v1/events", json={"event_type": "order.new", "order_id": "1"})).status_code == 201


def name_of(client: httpx2.AsyncClient) -> str:
    return client.headers["Authorization"][-8:]
