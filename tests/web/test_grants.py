"""Keys and people by the REST API: a key gives nobody more than it has, and takes nothing from who has more."""

import json
from typing import Any

import httpx2
import pytest

from ombud.admin.access import EVERY_SHOP, Role, Scope
from ombud.admin.keys import add_key, new_key
from ombud.db.operation import Statement
from ombud.mailbox.ids import format_id
from ombud.web.app import SenderApp
from tests.support.people import log_in, somebody

ROLES = {role: {"role": role.value} for role in Role}


def client_of(app: SenderApp, *scopes: Scope, shop_id: int = EVERY_SHOP) -> httpx2.AsyncClient:
    """Return a client with a key of its own."""
    key = new_key()
    app.people.database.write(lambda: add_key(key[-8:], key, 1, scopes, shop_id))
    headers = {"Authorization": f"Bearer {key}"}
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ombud.example", headers=headers)


def path_of(app: SenderApp, role: Role) -> str:
    return f"/v1/people/{format_id('prs', somebody(app.people, role).id)}"


async def test_a_key_makes_and_revokes_keys_that_may_no_more_than_it_may(app: SenderApp, is_problem: Any) -> None:
    async with client_of(app, Scope.PEOPLE, Scope.READ) as client, client_of(app, *Scope) as more:
        made = await client.post("/v1/keys", json={"name": "a/b ö", "scopes": ["read"]})
        assert (made.status_code, made.json()["scopes"], made.json()["shop_id"]) == (201, ["read"], 0)
        async with httpx2.AsyncClient(transport=client._transport, base_url="http://ombud.example") as own:
            own.headers["Authorization"] = f"Bearer {made.json()['key']}"
            assert (await own.get("/v1/events")).status_code == 200
            is_problem(await own.get("/v1/keys"), 403, words="lacks the scope people:write")
        shown = (await client.get("/v1/keys/a%2Fb%20%C3%B6")).json()
        assert shown == {name: value for name, value in made.json().items() if name != "key"} | {
            "last_used_at": shown["last_used_at"]
        }
        for scopes in (["read", "events:write"], ["endpoints:write"], [scope.value for scope in Scope]):
            is_problem(
                await client.post("/v1/keys", json={"name": "x", "scopes": scopes}), 403, words="can neither give"
            )
        rich = (await more.post("/v1/keys", json={"name": "rich", "scopes": ["events:write"]})).json()
        is_problem(await client.delete("/v1/keys/rich"), 403, words="nor take it")
        assert rich["name"] in {one["name"] for one in (await client.get("/v1/keys")).json()["data"]}
        assert (await client.delete("/v1/keys/a%2Fb%20%C3%B6")).status_code == 204
        is_problem(await client.get("/v1/keys/a%2Fb%20%C3%B6"), 404)
        is_problem(await more.post("/v1/keys", json={"name": "rich", "scopes": ["read"]}), 409)
        asking = more.headers["Authorization"][-8:]
        is_problem(await more.delete(f"/v1/keys/{asking}"), 409, words="the key that asks")
        of_one = {"name": "y", "scopes": ["people:write"], "shop_id": 7}
        is_problem(await more.post("/v1/keys", json=of_one), 422, "scopes")


@pytest.mark.parametrize(
    ("scopes", "highest"),
    [
        ((Scope.PEOPLE, Scope.READ), Role.READER),
        ((Scope.PEOPLE, Scope.READ, Scope.EVENTS), Role.READER),
        ((Scope.PEOPLE, Scope.READ, Scope.EVENTS, Scope.ENDPOINTS), Role.OWNER),
        ((Scope.PEOPLE,), None),
    ],
)
async def test_a_key_manages_people_who_may_no_more_than_it_may(
    app: SenderApp, scopes: tuple[Scope, ...], highest: Role | None
) -> None:
    somebody(app.people, Role.OWNER)
    async with client_of(app, *scopes) as client:
        for role in Role:
            allowed = highest is not None and highest.includes(role)
            path = path_of(app, role)
            assert (await client.post("/v1/invitations", json=ROLES[role])).status_code == (201 if allowed else 403)
            added = await client.post("/v1/people", json=ROLES[role] | {"address": f"{role}@example.test"})
            assert added.status_code == (201 if allowed else 403)
            assert (await client.post(f"{path}/reset")).status_code == (201 if allowed else 403)
            assert (await client.post(f"{path}/end-sessions")).status_code == (200 if allowed else 403)
            # What is beyond the key is told so, whatever the version.
            match = {} if allowed else {"If-Match": '"another"'}
            raised = await client.patch(path_of(app, Role.READER), json=ROLES[role], headers=match)
            assert raised.status_code == (200 if allowed else 403)
            await client.patch(path_of(app, Role.READER), json=ROLES[Role.READER])
        if highest is not Role.OWNER:
            owner = path_of(app, Role.OWNER)
            assert (await client.patch(owner, json=ROLES[Role.READER])).status_code == 403
            assert (await client.delete(owner)).status_code == 403


async def test_people_are_shown_changed_and_removed(app: SenderApp, is_problem: Any, rows: Any) -> None:
    log_in(app.people, Role.EDITOR)
    owner, path = path_of(app, Role.OWNER), path_of(app, Role.EDITOR)
    async with client_of(app, *Scope) as client:
        shown = await client.get(path)
        assert shown.json()["name"] == "editor 0"
        assert [one["role"] for one in (await client.get("/v1/people")).json()["data"]] == ["editor", "owner"]
        old = {"If-Match": shown.headers["ETag"]}
        changed = await client.patch(path, json={"role": "reader", "shop_id": 7}, headers=old)
        assert (changed.json()["role"], changed.json()["shop_id"]) == ("reader", 7)
        assert changed.headers["ETag"] != old["If-Match"]
        for method, body in (("PATCH", ROLES[Role.EDITOR]), ("DELETE", None)):
            is_problem(await client.request(method, path, json=body, headers=old), 412, words="changed meanwhile")
        assert (await client.patch(path, json={"role": "editor"})).json()["shop_id"] == 7
        assert (await client.patch(path, json={"shop_id": 8})).json()["role"] == "editor"
        assert rows("select ended_at from session")[0]["ended_at"] is None
        assert (await client.post(f"{path}/end-sessions")).status_code == 200
        assert rows("select ended_at from session")[0]["ended_at"] is not None
        link = (await client.post("/v1/invitations", json={"role": "reader"})).json()["link"]
        assert link.startswith("http://ombud.example/set-up/")
        assert (await client.delete(path)).status_code == 204
        is_problem(await client.get(path), 404)
        is_problem(await client.delete(owner), 409, words="last owner")
        is_problem(await client.patch(owner, json={"role": "king"}), 422, "role")
        log = (await client.get("/v1/audit", params={"limit": 3})).json()
        assert [one["action"] for one in log["data"]] == ["person.remove", "person.invite", "person.end_sessions"]
        further = (await client.get("/v1/audit", params={"cursor": log["next_cursor"]})).json()["data"]
        assert further[0]["action"] == "person.role"


async def test_a_key_that_changes_no_endpoint_sees_no_token_of_one(app: SenderApp) -> None:
    chosen = {"url": "https://hooks.example/tok_path?t=tok_query", "headers": {"Authorization": "Bearer hdr_token"}}
    async with client_of(app, *Scope) as full, client_of(app, Scope.READ) as reader:
        made = (await full.post("/v1/endpoints", json=chosen)).json()
        event = (await full.post("/v1/events", json={"event_type": "order.new", "order_id": 1})).json()
        paths = ["/v1/endpoints", f"/v1/endpoints/{made['id']}", f"/v1/events/{event['id']}/explain"]
        whole = [(await full.get(path)).text for path in paths]
        shown = [(await reader.get(path)).text for path in paths]
        one = json.loads(shown[1])
        [why] = json.loads(shown[2])["data"]

    for token in ("tok_path", "tok_query", "hdr_token"):
        assert [token in text for text in whole] == [True] * 3, "where it is to be seen"
        assert [token in text for text in shown] == [False] * 3
    assert (one["url"], one["headers"]) == ("https://hooks.example/…", {"Authorization": "…"})
    assert (why["url"], why["curl"]) == ("https://hooks.example/…", None)


async def test_a_key_of_one_shop_manages_nobody(app: SenderApp, is_problem: Any, database: Any) -> None:
    key = new_key()
    database.write(lambda: add_key("made by hand", key, 1))
    database.write(_of_one_shop)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ombud.example") as client:
        for path in ("/v1/keys", "/v1/people", "/v1/audit", "/v1/keys/x", path_of(app, Role.OWNER)):
            is_problem(await client.get(path, headers=headers), 403, words="for keys of every shop")
        for path, body in (("keys", {"name": "x", "scopes": ["read"]}), ("invitations", {"role": "reader"})):
            is_problem(
                await client.post(f"/v1/{path}", json=body, headers=headers), 403, words="for keys of every shop"
            )


def _of_one_shop() -> Any:
    """What no operation does: a key of one shop with the scope of people."""
    yield Statement("hand", "update api_key set scopes = 'read people:write', shop_id = 7"), {}
