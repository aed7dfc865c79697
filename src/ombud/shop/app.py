"""The shop as one ASGI app: the API under /v1, the pages at the root."""

from starlette.applications import Starlette
from starlette.routing import Mount

from ombud.shop.limit import Limit
from ombud.shop.pages import create_pages
from ombud.shop.rest import create_api
from ombud.shop.shop import Shop


def create_app(shop: Shop, *, products_as_array: bool = False, limit: Limit | None = None) -> Starlette:
    """Return an ASGI app that serves this shop; it has no lifespan of its own.

    `products_as_array`: the API answers products as a bare array always, as some of the vendor's clients expect them.
    Requests past the `limit` are answered 429; without one, none is.
    """
    return Starlette(
        routes=[
            Mount("/v1", create_api(shop, products_as_array=products_as_array, limit=limit)),
            Mount("/", create_pages(shop)),
        ]
    )
