"""Replays by the REST API: counted, started, followed, cancelled."""

from functools import partial
from typing import Any

import httpx2

from ombud.admin.access import Scope
from ombud.admin.keys import add_key, new_key
from ombud.admin.resender import resend_some
from ombud.clock import now_microseconds
from ombud.mailbox.model import Dead
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from tests.admin.post import Post


async def test_a_life_of_a_replay(client: httpx2.AsyncClient, sender: Sender, is_problem: Any) -> None:
    await client.post("/v1/endpoints", json={"url": "https://8.8.8.8/"})
    await sender.publish([Event("order.new", str(number)) for number in range(5)])
    post = Post(sender.database, sender.outbox.mailbox)
    post.perform(lambda _: Dead("answered 503", status=503))

    dead = {"state": "dead", "status": "5xx"}
    assert (await client.post("/v1/replays/dry-run", json=dead)).json() == {"count": 5, "count_is_exact": True}
    assert (await client.get("/v1/replays")).json() == {"data": [], "next_cursor": None}
    made = (await client.post("/v1/replays", json=dead | {"per_second": 2})).json()
    assert (made["state"], made["count"], made["sent"], made["per_second"]) == ("running", 5, 0, 2)
    assert made["filter"].keys() == {"state", "status", "until"}
    assert await resend_some(sender.writer, sender.outbox.mailbox)
    # Two a second: the rest has to wait.
    assert not await resend_some(sender.writer, sender.outbox.mailbox)
    path = f"/v1/replays/{made['id']}"
    moved = (await client.get(path)).json()
    assert (moved["sent"], moved["state"], moved["stands_still"]) == (2, "running", False)
    assert moved["reached"] > moved["created_at"][:10]
    ended = (await client.post(f"{path}/cancel")).json()
    assert (ended["sent"], ended["state"]) == (2, "cancelled")
    assert (await client.get("/v1/replays")).json()["data"] == [ended]
    assert sorted(one["replays"] for one in (await client.get("/v1/deliveries")).json()["data"]) == [0, 0, 0, 1, 1]

    is_problem(await client.post("/v1/replays", json={"state": "pending"}), 422, "state", "done anyway")
    is_problem(await client.post("/v1/replays", json=dead | {"per_second": 0}), 422, "per_second", "from 1")
    is_problem(await client.post("/v1/replays", json=dead | {"states": "x"}), 422, "states")
    is_problem(await client.get("/v1/replays/rpl_0000000000000"), 404)
    is_problem(await client.get("/v1/replays/evt_0000000000000"), 422, "replay_id")


async def test_a_key_of_a_shop_replays_its_own(client: httpx2.AsyncClient, sender: Sender) -> None:
    made = (await client.post("/v1/replays", json={"state": "dead"})).json()
    for name, scopes, status in (("reads", (Scope.READ,), 403), ("sends", (Scope.READ, Scope.EVENTS), 201)):
        secret = new_key()
        sender.database.write(partial(add_key, name, secret, now_microseconds(), scopes, 7))
        client.headers["Authorization"] = f"Bearer {secret}"
        assert (await client.get(f"/v1/replays/{made['id']}")).status_code == 404
        answer = await client.post("/v1/replays", json={"state": "dead"})
        assert answer.status_code == status
    assert answer.json()["shop_id"] == 7
