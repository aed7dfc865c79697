"""The pages as a person uses them: forms, answers, and what is shown again after a mistake."""

import html
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from ombud.errors import StorageUnavailable
from ombud.shop import create_app
from tests.shop.world import BASE, KEY, World, client


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser has no key; its forms carry their origin."""
    async with client(create_app(world.shop)) as opened:
        opened.headers["Origin"] = BASE
        yield opened


async def text(browser: httpx2.AsyncClient, path: str) -> str:
    answer = await browser.get(path)
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert " style=" not in answer.text
    return answer.text


def buttons(page: str) -> list[str]:
    return re.findall(r"<button[^>]*>([^<]+)</button>", page.partition("<footer>")[0])


async def test_the_overview_shows_orders_and_products(browser: httpx2.AsyncClient) -> None:
    page = await text(browser, "/")

    for words in ("90001", "Anna Test", "548.00", "unpaid", "Mug", "TOWEL-1", "499.00"):
        assert words in page


async def test_an_empty_shop_has_an_overview(empty: World) -> None:
    async with client(create_app(empty.shop)) as browser:
        page = await text(browser, "/")
        assert "There are no orders yet." in page
        assert "Place and pay an order" not in buttons(page)
        assert "nothing to order yet" in await text(browser, "/orders/new")


async def test_one_button_places_and_pays(world: World, browser: httpx2.AsyncClient) -> None:
    known = len(world.events())

    answer = await browser.post("/orders/quick", data={"product": "101"})

    assert (answer.status_code, answer.headers["Location"]) == (303, "/?placed=90002")
    assert world.new_events(known) == [("order.new", "order/90002")]
    assert (await world.order("90002"))["status"] == "1"
    assert "is placed and paid" in await text(browser, "/?placed=90002")
    assert "is placed and paid" not in await text(browser, "/?placed=<b>")


async def test_the_curl_example_is_for_this_address_and_has_no_key(browser: httpx2.AsyncClient) -> None:
    page = html.unescape(await text(browser, "/"))

    assert f"{BASE}/v1/orders" in page
    assert "YOUR_SHOP_KEY" in page
    assert KEY not in page


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("unpaid", ["Pay", "Ship", "Cancel"]),
        ("paid", ["Ship", "Cancel", "Mark unpaid"]),
        ("done", ["Cancel", "Mark unpaid"]),
        ("cancelled", ["Pay", "Mark unpaid"]),
    ],
)
async def test_the_buttons_follow_the_status(
    world: World, browser: httpx2.AsyncClient, before: str, expected: list[str]
) -> None:
    await world.change("90001", status=before)

    assert buttons(await text(browser, "/orders/90001")) == expected


@pytest.mark.parametrize(
    ("back", "location"), [("overview", "/"), ("", "/orders/90001"), ("//evil.test", "/orders/90001")]
)
async def test_a_button_changes_the_status(world: World, browser: httpx2.AsyncClient, back: str, location: str) -> None:
    known = len(world.events())

    answer = await browser.post("/orders/90001/status", data={"status": "cancelled", "back": back})

    assert (answer.status_code, answer.headers["Location"]) == (303, location)
    assert world.new_events(known) == [("order.cancelled", "order/90001")]


async def test_placing_an_order(world: World, browser: httpx2.AsyncClient) -> None:
    assert "Oak tray" in await text(browser, "/orders/new")
    form = {"product": "103", "qty": "2", "name": "Bo Prov", "email": "bo@example.test"}

    answer = await browser.post("/orders", data=form)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/orders/90002")
    order = await world.order("90002")
    assert (order["total_amount"], order["customer"]["full_name"]) == ("998.00", "Bo Prov")
    page = await text(browser, "/orders/90002")
    assert "bo@example.test" in page
    assert "Oak tray" in page


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("product", "999"),
        ("product", ""),
        ("product", "x"),
        ("qty", ""),
        ("qty", "0"),
        ("qty", "two"),
        ("name", ""),
        ("email", "bo"),
        ("email", "x" * 1001 + "@"),
    ],
)
async def test_a_mistake_in_an_order_is_said_beside_its_field(
    world: World, browser: httpx2.AsyncClient, field: str, typed: str
) -> None:
    form = {"product": "102", "qty": "3", "name": "<Bo>", "email": "bo@example.test"} | {field: typed}

    answer = await browser.post("/orders", data=form)

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert answer.text.count('class="error"') == 1
    kept = {"qty": "3", "name": "&lt;Bo&gt;", "email": "bo@example.test"} | {field: typed}
    for name in ("qty", "name", "email"):
        assert f'name="{name}" type="{"email" if name == "email" else "text"}" value="{kept[name]}"' in answer.text
    assert field == "product" or '<option value="102" selected>' in answer.text
    assert len(await world.get("/v1/orders")) == 1


async def test_adding_a_product(world: World, browser: httpx2.AsyncClient) -> None:
    assert "Add the product" in buttons(await text(browser, "/products/new"))
    known = len(world.events())
    form = {"title": "Bowl", "sku": "B-1", "price": "99,50", "stock": "", "description": "Round", "visible": "1"}

    answer = await browser.post("/products", data=form)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/products/104")
    assert world.new_events(known) == [("product.add", "product/104")]
    product = await world.product("104")
    assert (product["price"], product["qty"], product["visible"]) == ("99.50", None, "1")


@pytest.mark.parametrize("path", ["/products", "/products/101"])
@pytest.mark.parametrize(
    ("field", "typed"), [("title", " "), ("price", ""), ("price", "free"), ("stock", "many"), ("sku", "x" * 1001)]
)
async def test_a_mistake_in_a_product_is_said_beside_its_field(
    world: World, browser: httpx2.AsyncClient, path: str, field: str, typed: str
) -> None:
    known = len(world.events())
    form = {"title": "Bowl", "sku": "B-1", "price": "99", "stock": "7", "description": "Round"} | {field: typed}

    answer = await browser.post(path, data=form)

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    for name in ("title", "sku", "price", "stock"):
        assert f'name="{name}" type="text" value="{form[name]}"' in answer.text
    assert "Round</textarea>" in answer.text
    assert " checked" not in answer.text
    assert world.new_events(known) == []


async def test_editing_a_product(world: World, browser: httpx2.AsyncClient) -> None:
    known = len(world.events())
    form = {"title": "Mug", "sku": "MUG-1", "price": "249.50", "stock": "40", "description": "", "visible": "1"}

    assert (await browser.post("/products/101", data=form)).status_code == 303
    assert world.new_events(known) == []

    del form["visible"]
    assert (await browser.post("/products/101", data=form | {"stock": "39"})).status_code == 303
    assert world.new_events(known) == [("product.update", "product/101")]
    assert "hidden" in await text(browser, "/")
    assert 'value="39"' in await text(browser, "/products/101")


async def test_deleting_a_product(world: World, browser: httpx2.AsyncClient) -> None:
    assert "Delete for ever" in buttons(await text(browser, "/products/101"))
    known = len(world.events())

    assert (await browser.post("/products/101/delete")).headers["Location"] == "/"
    assert world.new_events(known) == [("product.delete", "product/101")]
    assert (await browser.post("/products/101/delete")).status_code == 404
    assert (await browser.get("/products/101")).status_code == 404


async def test_variants_can_be_ordered(world: World, browser: httpx2.AsyncClient) -> None:
    option = {"variant_option1_name": "Size", "variant_option1_value": "L"}
    await world.edit_product({"product_id": 101, "variants": {"add": [{"qty": 4, **option}]}})
    assert '<option value="101:501">' in await text(browser, "/orders/new")
    assert "Size: L" in await text(browser, "/products/101")

    await browser.post("/orders", data={"product": "101:501", "qty": "1", "name": "Bo", "email": "bo@example.test"})

    assert (await world.order("90002"))["products"][0]["variant"] == "Size: L"
    assert "Mug, Size: L" in await text(browser, "/orders/90002")


async def test_what_people_write_is_never_markup(world: World, browser: httpx2.AsyncClient) -> None:
    nasty = '"><img src=x onerror=alert(1)>'
    await world.add_product(title=nasty, sku=nasty, description=f"</textarea>{nasty}")
    order_id = await world.place(
        products=[{"product_id": 104}], customer={"email": nasty, "billing_details": {"firstname": nasty}}
    )

    for path in ("/", "/products/104", "/orders/new", f"/orders/{order_id}"):
        assert "<img" not in await text(browser, path)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/orders/1", 404),
        ("GET", "/orders/x", 404),
        ("GET", "/orders/99999999999999999999", 404),
        ("GET", "/products/999", 404),
        ("POST", "/orders/1/status", 404),
        ("POST", "/products/999", 404),
        ("POST", "/", 405),
        ("GET", "/orders/quick/status", 405),
    ],
)
async def test_what_is_not_there_is_said_on_a_page(
    browser: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await browser.request(method, path, data={"status": "paid", "price": "1"} if method == "POST" else None)

    assert answer.status_code == status
    assert "That did not work" in answer.text


@pytest.mark.parametrize(
    ("content", "status"), [(b"\xff=1", 422), (b"a=1&" * 100, 422), (b"status=posted", 422), (b"x" * (1 << 21), 413)]
)
async def test_what_is_no_form_of_ours_is_refused(browser: httpx2.AsyncClient, content: bytes, status: int) -> None:
    answer = await browser.post("/orders/90001/status", content=content)

    assert answer.status_code == status
    assert "That did not work" in answer.text


async def test_a_busy_database_is_said_on_a_page(
    world: World, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> Any:
        raise StorageUnavailable

    monkeypatch.setattr(world.writer, "write", refuse)
    answer = await browser.post("/orders/quick", data={"product": "101"})

    assert answer.status_code == 503
    assert "Try again" in answer.text


async def test_every_field_has_a_label(browser: httpx2.AsyncClient) -> None:
    for path in ("/orders/new", "/products/new", "/products/101"):
        page = await text(browser, path)
        ids = re.findall(r'<(?:input|select|textarea) id="([^"]+)"', page)
        assert ids
        assert [name for name in ids if f'<label for="{name}">' not in page] == []


async def test_the_stylesheet_is_served(browser: httpx2.AsyncClient) -> None:
    answer = await browser.get("/static/style.css")

    assert answer.headers["Content-Type"].startswith("text/css")
    assert "light-dark(" in answer.text
