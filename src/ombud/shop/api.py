"""The verbs of the REST API v1: what each request asks of the shop, and the shape of the answer."""

from typing import Any

from starlette.requests import Request

from ombud.errors import InvalidInput, NotFound
from ombud.shop.bodies import read_body
from ombud.shop.catalogue import Product, Target
from ombud.shop.categories import category_document, new_category_document, read_category_draft
from ombud.shop.documents import order_full, order_short, product_full, product_short
from ombud.shop.filters import read_order_query, read_product_query
from ombud.shop.metadata import read_text
from ombud.shop.methods import PAYMENT_METHODS, SHIPPING_METHODS
from ombud.shop.order_input import read_order_change, read_order_draft
from ombud.shop.product_input import read_new_product, read_product_edit
from ombud.shop.reading import Fields, parse_json, read_id, read_items
from ombud.shop.shop import Shop


class Api:
    """Orders and products: a method for each verb of each resource."""

    def __init__(self, shop: Shop, *, products_as_array: bool) -> None:
        self._shop = shop
        self._products_as_array = products_as_array

    async def get_orders(self, request: Request) -> Any:
        query = read_order_query(request.query_params)
        orders = await self._shop.list_orders(query.wanted)
        if not orders:
            raise NotFound("No orders were found.")
        return [(order_full if query.details else order_short)(order) for order in orders]

    async def post_orders(self, request: Request) -> Any:
        results = await self._shop.create_orders([read_order_draft(item) for item in await items_of(request)])
        return {
            "results": {
                f"create_{place}": {
                    "success": result.error is None,
                    **({} if result.value is None else {"order_id": str(result.value)}),
                    "errors": result.errors,
                }
                for place, result in enumerate(results, start=1)
            }
        }

    async def put_orders(self, request: Request) -> Any:
        changes = [read_order_change(item) for item in await items_of(request)]
        results = await self._shop.change_orders(changes)
        answers: dict[str, dict[str, Any]] = {}
        for change, result in zip(changes, results, strict=True):
            # The reply has one place for an order, however often the request names it.
            answer = answers.setdefault(str(change.order_id), {"success": True, "errors": []})
            answer["errors"] += result.errors
            answer["success"] = not answer["errors"]
        return {"results": answers}

    async def get_products(self, request: Request) -> Any:
        query = read_product_query(request.query_params)
        if query.product_id is not None:
            return self._one(await self._shop.get_product(query.product_id))
        if query.sku:
            return self._one(await self._shop.product_with_sku(query.sku))
        products = await self._shop.list_products(query.wanted)
        if not products:
            raise NotFound("No products were found.")
        shown = [(product_full if query.details else product_short)(product) for product in products]
        return shown if query.wanted.search or self._products_as_array else {"product": shown}

    def _one(self, product: Product) -> Any:
        return [product_full(product)] if self._products_as_array else {"product": product_full(product)}

    async def post_products(self, request: Request) -> Any:
        new = [read_new_product(item) for item in await items_of(request)]
        product_ids = [str(one) for one in await self._shop.add_products(new)]
        return {"success": True, "product_id": product_ids[0], "product_ids": product_ids, "errors": []}

    async def put_products(self, request: Request) -> Any:
        results = await self._shop.change_products([read_product_edit(item) for item in await items_of(request)])
        return {
            "success": sum(result.error is None for result in results),
            "errors": [error for result in results for error in result.errors],
            "variants": [{"variant_id": variant_id} for result in results for variant_id in result.value or []],
        }

    async def delete_products(self, request: Request) -> Any:
        given = request.query_params.get("product_id")
        named = await items_of(request) if given is None else [Fields({"product_id": given})]
        await self._shop.delete_products([_deleted(item) for item in named])
        return {"success": True, "errors": []}

    async def count_products(self, request: Request) -> Any:  # noqa: ARG002 - every verb takes the request
        return {"count": str(await self._shop.count_products())}


class Rest:
    """Categories, ways to pay and to send, metadata."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    async def get_categories(self, request: Request) -> Any:
        wanted = request.query_params.get("category_id")
        shown = [category_document(category) for category in await self._shop.list_categories()]
        if wanted is None:
            return {"results": _found(shown, "categories")}
        return {"results": _found([one for one in shown if str(one["category_id"]) == wanted], "categories")[0]}

    async def post_categories(self, request: Request) -> Any:
        added = await self._shop.add_categories([read_category_draft(item) for item in await items_of(request)])
        shown = [new_category_document(category) for category in added]
        return shown[0] if len(shown) == 1 else shown

    async def get_payment_methods(self, request: Request) -> Any:
        return _methods(request, "method_id", PAYMENT_METHODS)

    async def get_shipping_methods(self, request: Request) -> Any:
        return _methods(request, "shipping_id", SHIPPING_METHODS)

    async def get_metadata(self, request: Request) -> Any:
        return await self._shop.read_metadata(*_owner(request))

    async def post_metadata(self, request: Request) -> Any:
        return await self._write(request, new=True)

    async def put_metadata(self, request: Request) -> Any:
        return await self._write(request, new=False)

    async def _write(self, request: Request, *, new: bool) -> Any:
        texts = [read_text(item) for item in await items_of(request)]
        await self._shop.write_metadata(*_owner(request), texts, new=new)
        return {"success": True, "errors": []}


async def items_of(request: Request) -> list[Fields]:
    """Return the objects in a request's body."""
    return read_items(parse_json(await read_body(request)))


def _deleted(item: Fields) -> Target:
    product_id = item.id("product_id")
    if product_id is None:
        raise InvalidInput(item.name("product_id"), "Name the product to delete, in the query or in the body.")
    return Target(item.where, product_id)


def _owner(request: Request) -> tuple[str, int]:
    kind, owner_id = request.path_params["kind"], read_id(request.path_params["owner_id"])
    if owner_id is None:
        raise NotFound(f"There is no such {kind}.")
    return kind, owner_id


def _methods(request: Request, key: str, methods: tuple[dict[str, Any], ...]) -> Any:
    wanted = request.query_params.get(key)
    return {"results": _found([one for one in methods if wanted in (None, one[key])], "methods")}


def _found(things: list[dict[str, Any]], words: str) -> list[dict[str, Any]]:
    if not things:
        raise NotFound(f"No {words} were found.")
    return things
