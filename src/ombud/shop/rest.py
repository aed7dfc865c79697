"""The vendor's REST API v1, in its shapes, its errors and its authentication.

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
from ombud.shop.api import Api, Rest
from ombud.shop.batch import words
from ombud.shop.bodies import BodyTooLarge
from ombud.shop.keys import opens
from ombud.shop.limit import Limit
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


def create_api(shop: Shop, *, products_as_array: bool = False, limit: Limit | None = None) -> Starlette:
    """Return the API as an ASGI app, to be mounted at /v1.

    `products_as_array`: products come as a bare array always, as some of the vendor's clients expect them. Requests
    past the `limit` are answered 429.
    """
    routes = [
        Route(path + slash, _endpoint(shop, verbs, limit), methods=list(verbs))
        for path, verbs in _resources(Api(shop, products_as_array=products_as_array), Rest(shop)).items()
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


def _resources(api: Api, rest: Rest) -> Mapping[str, Mapping[str, Verb]]:
    return {
        "/orders": {"GET": api.get_orders, "POST": api.post_orders, "PUT": api.put_orders},
        "/products": {
            "GET": api.get_products,
            "POST": api.post_products,
            "PUT": api.put_products,
            "DELETE": api.delete_products,
        },
        "/products/count": {"GET": api.count_products},
        "/categories": {"GET": rest.get_categories, "POST": rest.post_categories},
        "/paymentmethods": {"GET": rest.get_payment_methods},
        "/shippingmethods": {"GET": rest.get_shipping_methods},
        "/metadata/{kind:str}/{owner_id:str}": {
            "GET": rest.get_metadata,
            "POST": rest.post_metadata,
            "PUT": rest.put_metadata,
        },
    }


def _endpoint(shop: Shop, verbs: Mapping[str, Verb], limit: Limit | None) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if not opens(request.headers, await shop.key_hash()):
            raise Unauthorized
        wait_seconds = 0 if limit is None else limit.wait_seconds()
        if wait_seconds:
            return _error(429, "Too many requests.", {"Retry-After": str(wait_seconds)})
        # A browser sends credentials that it once learned with requests of any page.
        if request.method not in ("GET", "HEAD") and comes_from_another_site(request.headers):
            raise Refused("This request comes from a page of another site.")
        # GET brings HEAD with it.
        return _json(200, await verbs["GET" if request.method == "HEAD" else request.method](request))

    return answer


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
