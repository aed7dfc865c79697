"""Ways to pay and to send, and the limit that the API may be told to mind."""

import pytest

from ombud.shop import Limit, create_app
from tests.shop.world import KEY, World, client


@pytest.mark.parametrize(
    ("path", "key"), [("/v1/paymentmethods", "method_id"), ("/v1/shippingmethods/", "shipping_id")]
)
async def test_they_are_listed_and_found_by_id(world: World, path: str, key: str) -> None:
    methods = (await world.get(path))["results"]

    assert [method[key] for method in methods] == ["1", "2"]
    assert all(method["name"] for method in methods)
    assert (await world.get(path, **{key: "2"}))["results"] == [methods[1]]
    assert (await world.api.get(path, params={key: "9"})).status_code == 404


def test_a_limit_lets_a_burst_pass_and_then_its_rate() -> None:
    now = [0.0]
    limit = Limit(2.0, clock=lambda: now[0])

    assert [limit.wait_seconds() for _ in range(6)] == [0, 0, 0, 0, 0, 1]
    now[0] = 0.5
    assert [limit.wait_seconds() for _ in range(2)] == [0, 1]
    now[0] = 100.0
    assert [limit.wait_seconds() for _ in range(6)] == [0, 0, 0, 0, 0, 1]


async def test_past_the_limit_it_is_429_and_says_when_to_come_back(world: World) -> None:
    async with client(create_app(world.shop, limit=Limit(0.1, clock=lambda: 0.0)), key=KEY) as api:
        answers = [await api.get("/v1/products/count") for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[-1].json()["code"] == 429
    assert answers[-1].headers["Retry-After"] == "10"


async def test_a_stranger_uses_nothing_up(world: World) -> None:
    app = create_app(world.shop, limit=Limit(0.1, clock=lambda: 0.0))
    async with client(app) as stranger:
        assert {(await stranger.get("/v1/orders")).status_code for _ in range(9)} == {401}
    async with client(app, key=KEY) as api:
        assert (await api.get("/v1/orders")).status_code == 200
