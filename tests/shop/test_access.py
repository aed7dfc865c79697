"""Who gets into the API, and what everybody else is told."""

import base64
from typing import Any

import pytest

from ombud.errors import InvalidInput, StorageUnavailable
from ombud.shop import create_app
from ombud.shop.keys import LONGEST_KEY
from tests.shop.world import KEY, World, ask, client

PATHS = [
    "/v1/orders",
    "/v1/products/",
    "/v1/products/count",
    "/v1/categories",
    "/v1/paymentmethods",
    "/v1/shippingmethods",
    "/v1/metadata/order/90001",
]


def basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


KEY_BYTES = KEY.encode()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic " + "å" * 8,
        "Bearer " + base64.b64encode(KEY_BYTES + b":" + KEY_BYTES).decode(),
        basic(KEY_BYTES),
        basic(KEY_BYTES + b":"),
        basic(b":" + KEY_BYTES),
        basic(b"k:k"),
        basic(KEY_BYTES + b":" + KEY_BYTES + b"\n"),
        basic(b"user:" + KEY_BYTES),
        basic(b"\xff\xfe:\xff\xfe"),
    ],
)
async def test_without_the_key_it_is_401(world: World, path: str, authorization: str | None) -> None:
    async with client(create_app(world.shop)) as stranger:
        headers = {} if authorization is None else {b"Authorization": authorization.encode()}
        answer = await stranger.get(path, headers=headers)

    assert answer.status_code == 401
    assert answer.json()["code"] == 401
    assert answer.json().keys() == {"code", "error"}
    assert KEY not in answer.text


async def test_a_key_is_replaced_and_kept_as_a_hash(world: World) -> None:
    await world.shop.set_key("another-key")

    assert (await world.api.get("/v1/orders")).status_code == 401
    async with client(create_app(world.shop), key="another-key") as friend:
        assert (await friend.get("/v1/orders")).status_code == 200
    rows = world.database.read(lambda: ask("select * from shop_account"))
    assert "another-key" not in str(rows)


async def test_without_a_key_nobody_gets_in(empty: World) -> None:
    empty.database.write(lambda: ask("delete from shop_account"))

    assert (await empty.api.get("/v1/orders")).status_code == 401


@pytest.mark.parametrize("key", ["", " k", "k\n", "a\tb", "k" * (LONGEST_KEY + 1)])
async def test_a_key_that_no_request_could_carry_is_refused(empty: World, key: str) -> None:
    with pytest.raises(InvalidInput):
        await empty.shop.set_key(key)


async def test_a_browser_on_another_site_changes_nothing(world: World) -> None:
    change: Any = [{"order_id": "90001", "status": "paid"}]

    answer = await world.api.put("/v1/orders", json=change, headers={"Sec-Fetch-Site": "cross-site"})

    assert (answer.status_code, answer.json()["code"]) == (403, 403)
    assert (await world.order("90001"))["status"] == "-1"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_busy_database_is_503_and_says_when_to_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def refuse(_: Any) -> Any:
        raise StorageUnavailable

    monkeypatch.setattr(world.shop.orders, "page", refuse)
    monkeypatch.setattr(world.writer, "write", refuse)
    answer = await world.api.request(method, "/v1/orders", json=[{"products": [{"product_id": 101}]}])

    assert (answer.status_code, answer.json()["code"]) == (503, 503)
    assert int(answer.headers["Retry-After"]) > 0
