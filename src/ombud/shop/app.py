"""The shop as one ASGI app: the API under /v1, the pages at the root, and an endpoint to try webhooks on."""

from starlette.applications import Starlette
from starlette.routing import Mount, Route

from ombud.shop.limit import Limit
from ombud.shop.pages import create_pages
from ombud.shop.rest import create_api
from ombud.shop.shop import Shop
from ombud.shop.trouble_pages import ENDPOINT_PATH, AddEndpoint
from ombud.shop.troubled import TriedEndpoint, TroubledApi


def create_app(
    shop: Shop,
    *,
    products_as_array: bool = False,
    limit: Limit | None = None,
    add_endpoint: AddEndpoint | None = None,
) -> Starlette:
    """Return an ASGI app that serves this shop; it has no lifespan of its own.

    `products_as_array`: the API answers products as a bare array always, as some of the vendor's clients expect them.
    Requests past the `limit` are answered 429; without one, none is. `add_endpoint` adds a URL to the sender's
    endpoints, for a button of the page that makes trouble.
    """
    api = create_api(shop, products_as_array=products_as_array, limit=limit)
    return Starlette(
        routes=[
            Mount("/v1", TroubledApi(api, shop.trouble)),
            Route(ENDPOINT_PATH, TriedEndpoint(shop.trouble).answer, methods=["GET"]),
            Mount("/", create_pages(shop, add_endpoint)),
        ]
    )
