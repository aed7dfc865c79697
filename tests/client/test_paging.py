"""Lists: pages, filters, and where they end."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from ombud.client import OrderStatus, UnexpectedAnswer
from ombud.errors import InvalidInput

NONE = {"code": 404, "error": "Not found"}


def pages(things: list[Any], most: int = 1000) -> Any:
    """What a shop with these things answers to any offset and limit."""

    def answer(seen: Any) -> tuple[int, Any]:
        offset, limit = int(seen.query["offset"]), min(int(seen.query["limit"]), most)
        page = things[offset : offset + limit]
        return (200, page) if page else (404, NONE)

    return answer


async def test_orders_are_paged_until_a_short_page(shop: Any, vendor: Any) -> None:
    vendor.serves(pages([{"order_id": n} for n in (4, 3, 2, 1, 0)]))

    orders = await shop.ask("orders", limit=3, include_details=False)

    assert [order.id for order in orders] == ["4", "3", "2", "1", "0"]
    assert [seen.query["offset"] for seen in vendor.seen] == ["0", "2", "4", "0"]
    assert {(seen.query["limit"], seen.query["include_details"]) for seen in vendor.seen} == {("3", "false")}


async def test_orders_are_paged_until_404(shop: Any, vendor: Any) -> None:
    vendor.says([{"order_id": 2}])
    vendor.says(NONE, 404)

    assert len(await shop.ask("orders", limit=1)) == 1


async def test_an_order_that_arrives_meanwhile_gives_none_twice(shop: Any, vendor: Any) -> None:
    vendor.says([{"order_id": 4}, {"order_id": 3}, {"order_id": 2}])
    vendor.says([{"order_id": 3}, {"order_id": 2}, {"order_id": 1}])
    vendor.says([{"order_id": 1}])
    vendor.says([{"order_id": 5}, {"order_id": 4}, {"order_id": 3}])
    vendor.says([{"order_id": 3}, {"order_id": 2}, {"order_id": 1}])

    assert [order.id for order in await shop.ask("orders", limit=3)] == ["4", "3", "2", "1", "5"]


async def test_an_order_that_goes_meanwhile_hides_none(shop: Any, vendor: Any) -> None:
    vendor.says([{"order_id": 4}, {"order_id": 3}])
    vendor.serves(pages([{"order_id": n} for n in (3, 2, 1)]))

    assert [order.id for order in await shop.ask("orders", limit=2)] == ["4", "3", "2", "1"]
    assert [seen.query["offset"] for seen in vendor.seen][:3] == ["0", "1", "0"]


@pytest.mark.parametrize("name", ["orders", "products"])
async def test_an_ignored_offset_ends_in_an_error_and_not_in_a_loop(shop: Any, vendor: Any, name: Any) -> None:
    vendor.says([{"order_id": "1", "id": "1"}, {"order_id": "2", "id": "2"}])

    with pytest.raises(UnexpectedAnswer, match="again and again"):
        await shop.ask(name, limit=2)

    assert len(vendor.seen) <= 7


async def test_a_product_page_that_the_shop_cut_at_50_is_not_the_end(shop: Any, vendor: Any) -> None:
    vendor.serves(pages([{"id": n} for n in range(1, 60)], most=50))

    assert len(await shop.ask("products", limit=1000)) == 59
    assert [seen.query["offset"] for seen in vendor.seen] == ["0", "49", "0"]


async def test_one_page_is_one_request(shop: Any, vendor: Any) -> None:
    vendor.says({"product": [{"id": 1}]})

    assert len(await shop.ask("product_page", 50, limit=10, search="mug")) == 1
    assert vendor.seen[0].query == {
        "search": "mug",
        "include_details": "true",
        "limit": "10",
        "offset": "50",
    }
    vendor.forget()
    vendor.says(NONE, 404)
    assert await shop.ask("order_page") == ()
    assert len(vendor.seen) == 1


async def test_changed_orders_begin_earlier_and_go_by_id(shop: Any, vendor: Any) -> None:
    vendor.says(NONE, 404)
    noon = datetime(2026, 1, 2, 12, 0, 0, tzinfo=timezone(timedelta(hours=1)))

    assert await shop.ask("changed_orders", noon, status="paid") == []
    assert await shop.ask("changed_orders", noon, overlap_seconds=60, limit=1000, include_details=False) == []

    assert vendor.seen[0].query == {
        "order_by": "order_id",
        "sort_order": "asc",
        "status": "paid",
        "from_status_date": str(1767351600 - 900),
        "include_details": "true",
        "limit": "250",
        "offset": "0",
    }
    assert vendor.seen[1].query["from_status_date"] == str(1767351600 - 60)


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf")])
async def test_a_wrong_overlap_is_refused(shop: Any, vendor: Any, wrong: Any) -> None:
    with pytest.raises(InvalidInput, match="overlap"):
        await shop.ask("changed_orders", datetime(2026, 1, 1, tzinfo=UTC), overlap_seconds=wrong)
    assert vendor.seen == []


async def test_pages_are_read_as_they_are_needed(shop: Any, vendor: Any) -> None:
    vendor.says([{"order_id": 1}])
    listing = shop.client.orders(limit=1)

    assert vendor.seen == []
    assert (next(listing) if hasattr(listing, "__next__") else await anext(listing)).id == "1"
    assert len(vendor.seen) == 1
    if hasattr(listing, "aclose"):
        await listing.aclose()


async def test_filters_go_out_as_the_vendor_wants_them(shop: Any, vendor: Any) -> None:
    vendor.says([])
    noon = datetime(2026, 1, 2, 12, 0, 0, 500_000, tzinfo=timezone(timedelta(hours=1)))

    await shop.ask(
        "orders",
        search="Åsa & co",
        status=OrderStatus.PAID,
        from_date_paid=noon,
        to_date_paid=noon,
        from_status_date=None,
        order_by="date",
        sort_order="asc",
        limit=1000,
    )

    assert vendor.seen[0].query == {
        "search": "Åsa & co",
        "status": "paid",
        "from_date_paid": "1767351600",
        "to_date_paid": "1767351601",
        "order_by": "date",
        "sort_order": "asc",
        "include_details": "true",
        "limit": "1000",
        "offset": "0",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": True},
        {"status": "shipped"},
        {"order_by": "name"},
        {"from_date_paid": datetime(2026, 1, 1)},  # noqa: DTZ001  # a date without a zone is the point
        {"to_date_paid": "2026-01-01"},
        {"include_details": "true"},
        {"search": "\ud800"},
        {"color": "red"},
    ],
)
async def test_a_wrong_filter_is_refused_before_anything_is_sent(shop: Any, vendor: Any, wrong: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        await shop.ask("orders", **wrong)

    assert caught.value.field == next(iter(wrong))
    assert vendor.seen == []
