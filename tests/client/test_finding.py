"""Many products by id, in few requests, and an answer for every one."""

from dataclasses import dataclass
from typing import Any

import pytest

NONE = {"code": 404, "error": "Not found"}


@dataclass
class Catalogue:
    """Products 1 to `amount`, newest first; what is in `hidden` is on no page, though it can be asked for."""

    amount: int
    most: int = 1000
    hidden: frozenset[int] = frozenset()

    def __call__(self, seen: Any) -> tuple[int, Any]:
        if seen.path.endswith("/count"):
            return 200, {"count": str(self.amount)}
        if "product_id" in seen.query:
            wanted = int(seen.query["product_id"])
            return (200, {"product": {"id": wanted}}) if 1 <= wanted <= self.amount else (404, NONE)
        offset, limit = int(seen.query["offset"]), min(int(seen.query["limit"]), self.most)
        there = [n for n in range(self.amount, 0, -1) if n not in self.hidden][offset : offset + limit]
        return (200, {"product": [{"id": n} for n in there]}) if there else (404, NONE)


@pytest.mark.parametrize(
    ("amount", "most", "wanted", "requests"),
    [
        (10, 1000, [], 0),
        (10, 1000, [3], 1),
        (10, 1000, [3, 4], 2),
        (10, 1000, [3, 4, 5, 6], 2),
        (500, 1000, [*range(1, 101)], 4),
        (100_000, 1000, [3, 4, 5], 4),
        (100_000, 50, [*range(1, 11)], 11),
        (400, 50, [*range(1, 401)], 10),
    ],
)
async def test_they_are_found_in_few_requests(
    shop: Any, vendor: Any, amount: Any, most: Any, wanted: Any, requests: Any
) -> None:
    vendor.serves(Catalogue(amount, most))

    found = await shop.ask("find_products", wanted)

    assert {int(one): product.id for one, product in found.items()} == {n: str(n) for n in wanted}
    assert len(vendor.seen) == requests


async def test_what_is_on_no_page_is_asked_for_by_itself(shop: Any, vendor: Any) -> None:
    vendor.serves(Catalogue(20, hidden=frozenset({7})))

    found = await shop.ask("find_products", [5, "6", 7, 99, "1000"])

    assert {one: product is not None for one, product in found.items()} == {
        "5": True,
        "6": True,
        "7": True,
        "99": False,
        "1000": False,
    }
    assert [seen.query["product_id"] for seen in vendor.seen if "product_id" in seen.query] == ["7", "99", "1000"]


async def test_one_that_is_wanted_twice_is_answered_once(shop: Any, vendor: Any) -> None:
    vendor.serves(Catalogue(20))

    assert list(await shop.ask("find_products", [5, "5"])) == ["5"]
    assert len(vendor.seen) == 1
