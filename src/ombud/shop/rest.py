"""The vendor's REST API v1: orders and products, in its shapes, its errors and its authentication.

None found is 404, not an empty list. Every error is `{"code": status, "error": text}`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ombud.errors import InvalidInput, NotFound, OmbudError, Refused, StorageUnavailable
from ombud.shop.batch import words
from ombud.shop.bodies import BodyTooLarge, read_body
from ombud.shop.catalogue import Product, Target
from ombud.shop.documents import order_full, order_short, product_full, product_short
from ombud.shop.filters import read_order_query, read_product_query
from ombud.shop.keys import opens
from ombud.shop.order_input import read_order_change, read_order_draft
from ombud.shop.product_input import read_new_product, read_product_edit
from ombud.shop.reading import Fields, parse_json, read_items
from ombud.shop.shop import Shop
from ombud.web.local import comes_from_another_site

# Seconds after which a caller may try again when the database is busy; its own patience is 5.
RETRY_AFTER_SECONDS = 5

Verb = Callable[[Request], Awaitable[Any]]

_STATUS: Mapping[type[OmbudError], int] = {
    InvalidInput: 400,
    Refused: 403,
    NotFound: 404,
    BodyTooLarge: 413,
    StorageUnavailable: 503,
}


class Unauthorized(OmbudError):
    """Authentication is missing or wrong: HTTP Basic, with the shop's API key as user name and as password."""


def create_api(shop: Shop, *, products_as_array: bool = False) -> Starlette:
    """Return the API as an ASGI app, to be mounted at /v1.

    `products_as_array`: products come as a bare array always, as some of the vendor's clients expect them.
    """
    api = _Api(shop, products_as_array=products_as_array)
    resources: dict[str, dict[str, Verb]] = {
        "/orders": {"GET": api.get_orders, "POST": api.post_orders, "PUT": api.put_orders},
        "/products": {
            "GET": api.get_products,
            "POST": api.post_products,
            "PUT": api.put_products,
            "DELETE": api.delete_products,
        },
        "/products/count": {"GET": api.count_products},
    }
    routes = [
        Route(path + slash, _endpoint(shop, verbs), methods=list(verbs))
        for path, verbs in resources.items()
        for slash in ("", "/")
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            OmbudError: _refuse,
            HTTPException: _refuse_request,
            ClientDisconnect: _nobody_waits,
        },
    )
    app.router.redirect_slashes = False
    return app


class _Api:
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
        items = await _items(request)
        drafts = [read_order_draft(item) for item in items]
        results = await self._shop.create_orders(drafts, [item.where for item in items])
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
        changes = [read_order_change(item) for item in await _items(request)]
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
        items = await _items(request)
        product_ids = [str(one) for one in await self._shop.add_products([read_new_product(item) for item in items])]
        return {"success": True, "product_id": product_ids[0], "product_ids": product_ids, "errors": []}

    async def put_products(self, request: Request) -> Any:
        results = await self._shop.change_products([read_product_edit(item) for item in await _items(request)])
        return {
            "success": sum(result.error is None for result in results),
            "errors": [error for result in results for error in result.errors],
            "variants": [{"variant_id": variant_id} for result in results for variant_id in result.value or []],
        }

    async def delete_products(self, request: Request) -> Any:
        given = request.query_params.get("product_id")
        items = await _items(request) if given is None else [Fields({"product_id": given})]
        await self._shop.delete_products([_deleted(item) for item in items])
        return {"success": True, "errors": []}

    async def count_products(self, request: Request) -> Any:  # noqa: ARG002 - every verb takes the request
        return {"count": str(await self._shop.count_products())}


def _endpoint(shop: Shop, verbs: Mapping[str, Verb]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if not opens(request.headers, await shop.key_hash()):
            raise Unauthorized
        # A browser sends credentials that it once learned with requests of any page.
        if request.method not in ("GET", "HEAD") and comes_from_another_site(request.headers):
            raise Refused("This request comes from a page of another site.")
        # GET brings HEAD with it.
        return _json(200, await verbs["GET" if request.method == "HEAD" else request.method](request))

    return answer


async def _items(request: Request) -> list[Fields]:
    return read_items(parse_json(await read_body(request)))


def _deleted(item: Fields) -> Target:
    product_id = item.id("product_id")
    if product_id is None:
        raise InvalidInput(item.name("product_id"), "Name the product to delete, in the query or in the body.")
    return Target(item.where, product_id)


async def _refuse(_: Request, error: Exception) -> Response:
    if isinstance(error, Unauthorized):
        return _error(401, words(error), {"WWW-Authenticate": 'Basic realm="shop"'})
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 409)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if isinstance(error, StorageUnavailable) else None
    return _error(status, words(error), headers)


async def _refuse_request(_: Request, error: Exception) -> Response:
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (400, None)
    text = {404: "There is no such resource.", 405: "This resource has no such method."}
    return _error(status, text.get(status, "The request cannot be served."), headers)


async def _nobody_waits(_: Request, __: Exception) -> Response:
    return _error(400, "The request ended before its body did.")


def _error(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return _json(status, {"code": status, "error": text}, headers)


def _json(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(content, status, {**(headers or {}), "Cache-Control": "no-store"})
