"""Who may use the API: bearer keys."""

from typing import Any

import httpx2
import pytest

from ombud.admin.keys import add_key, new_key
from ombud.sender.sender import Sender
from ombud.web.auth import REMEMBER_SECONDS, BearerKeys
from tests.support.virtual import set_monotonic

ROUTES = [
    ("GET", "/v1/events"),
    ("POST", "/v1/events"),
    ("GET", "/v1/events/evt_0000000000000"),
    ("GET", "/v1/endpoints"),
    ("POST", "/v1/endpoints"),
    ("GET", "/v1/endpoints/ep_0000000000000"),
    ("PATCH", "/v1/endpoints/ep_0000000000000"),
    ("DELETE", "/v1/endpoints/ep_0000000000000"),
]
BODY = {"event_type": "order.new", "order_id": "1"}


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_every_route_wants_a_key(
    anybody: httpx2.AsyncClient, key: str, is_problem: Any, rows: Any, method: str, path: str
) -> None:
    wrong = [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {new_key()}"},
        {"Authorization": f"Bearer {key}x"},
        {"Authorization": f"Bearer {key[:-1]}"},
        {"Authorization": f"Bearer {key.swapcase()}"},
        {"Authorization": f"Basic {key}"},
        {"Authorization": key},
        {"Authorization": f"Bearer{key}"},
        {"Authorization": "Bearer " + "a" * 10_000},
        {"Authorization": b"Bearer \xff\xfe"},
        {"X-Api-Key": key},
        {"Cookie": f"Authorization=Bearer {key}"},
    ]
    for headers in wrong:
        answer = await anybody.request(method, path, headers=headers, json=BODY)  # type: ignore[arg-type]
        is_problem(answer, 401, words="Authorization: Bearer")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert key not in answer.text
    assert rows("select * from event") == []


@pytest.mark.parametrize("spelling", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "Bearer {} "])
@pytest.mark.parametrize(("method", "path"), ROUTES[:2])
async def test_a_good_key_opens(anybody: httpx2.AsyncClient, key: str, spelling: str, method: str, path: str) -> None:
    answer = await anybody.request(method, path, headers={"Authorization": spelling.format(key)}, json=BODY)

    assert answer.is_success


@pytest.mark.parametrize("body", [b"not json", b"\xff", b"", b"[" * 100_000])
async def test_without_a_key_nobody_is_told_what_is_wrong_with_the_body(
    anybody: httpx2.AsyncClient, is_problem: Any, body: bytes
) -> None:
    for path in ("/v1/events", "/v1/endpoints"):
        answer = await anybody.post(path, content=body, headers={"Content-Type": "application/json"})
        is_problem(answer, 401, words="Authorization: Bearer")


@pytest.fixture
def keys(sender: Sender) -> BearerKeys:
    """Whoever checks keys."""
    return BearerKeys(sender.writer)


async def is_good(keys: BearerKeys, key: str) -> bool:
    return await keys.caller(f"Bearer {key}") is not None


async def test_a_key_is_remembered_for_a_second_and_no_longer(
    database: Any, keys: BearerKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    set_monotonic(monkeypatch, "ombud.web.auth", lambda: now)
    key = new_key()
    database.write(lambda: add_key("one", key, 0))
    assert REMEMBER_SECONDS <= 1.0
    assert await is_good(keys, key)

    revoke(database)

    now += REMEMBER_SECONDS - 0.001
    assert await is_good(keys, key)
    now += 0.002
    assert not await is_good(keys, key)


async def test_a_bad_key_is_not_remembered(database: Any, keys: BearerKeys) -> None:
    key = new_key()
    assert not await is_good(keys, key)

    database.write(lambda: add_key("one", key, 0))

    assert await is_good(keys, key)


async def test_good_keys_do_not_pile_up(database: Any, keys: BearerKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ombud.web.auth.REMEMBER_KEYS", 3)
    for number in range(10):
        key = new_key()
        database.write(lambda number=number, key=key: add_key(f"key {number}", key, 0))
        assert await is_good(keys, key)

    assert len(keys._good) <= 3


def revoke(database: Any) -> None:
    from ombud.db.operation import Statement

    def delete() -> Any:
        yield Statement("revoke", "delete from api_key"), {}

    database.write(delete)


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/x", "/v1/event", "/v1/events/a/b", "/v1//events"])
async def test_what_is_not_there_is_not_there(client: httpx2.AsyncClient, is_problem: Any, path: str) -> None:
    is_problem(await client.get(path), 404)
    is_problem(await client.post(path, json=BODY), 404)
