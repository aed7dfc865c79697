"""The page of the dials: a button for each trouble, what to watch, and all well again with one more."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.errors import InvalidInput
from ombud.shop.bodies import read_body
from ombud.shop.forms import read_form
from ombud.shop.orders import OrderFilter
from ombud.shop.shop import Shop
from ombud.shop.status import Status
from ombud.shop.trouble import DIALS

PATH = "/trouble"
ENDPOINT_PATH = "/endpoint"
# An order that no shop has.
NO_ORDER = 999_999
# Orders among which one is looked for that is not paid.
LOOKED_AT = 50

# Adds the endpoint to try, by its URL, to those of the sender.
AddEndpoint = Callable[[str], Awaitable[None]]
# Renders a template of the shop for a request.
Render = Callable[..., Response]


class TroublePages:
    """The dials of a shop."""

    def __init__(self, shop: Shop, render: Render, add_endpoint: AddEndpoint | None) -> None:
        self._shop = shop
        self._render = render
        self._add_endpoint = add_endpoint

    def routes(self) -> list[Route]:
        """Return their routes."""
        return [
            Route(PATH, self.show),
            Route(PATH, self.turn, methods=["POST"]),
            Route(f"{PATH}/forge", self.forge, methods=["POST"]),
            Route(f"{PATH}/endpoint", self.add_endpoint, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        query = request.query_params
        forged = query.get("forged", "")
        shown: dict[str, Any] = {"dials": DIALS.values(), "places": self._shop.trouble.places}
        shown |= {"forged": forged if forged.isdecimal() else "", "added": "added" in query}
        shown |= {"endpoint": _endpoint_url(request), "may_add": self._add_endpoint is not None}
        return self._render(request, "trouble.html", **shown)

    async def turn(self, request: Request) -> Response:
        form = read_form(await read_body(request))
        if not form:
            self._shop.trouble.reset()
        elif not all(self._shop.trouble.turn(dial, choice) for dial, choice in form.items()):
            raise InvalidInput("dial", "Choose one of the buttons of a dial.")
        return RedirectResponse(PATH, 303)

    async def forge(self, _: Request) -> Response:
        orders = await self._shop.list_orders(OrderFilter(limit=LOOKED_AT))
        order_id = next((order.id for order in orders if order.status is Status.UNPAID), NO_ORDER)
        await self._shop.forge(order_id)
        return RedirectResponse(f"{PATH}?forged={order_id}", 303)

    async def add_endpoint(self, request: Request) -> Response:
        if self._add_endpoint is None:
            raise InvalidInput("endpoint", "Add the endpoint in Settings → Webhooks.")
        await self._add_endpoint(_endpoint_url(request))
        return RedirectResponse(f"{PATH}?added=1#endpoint", 303)


def _endpoint_url(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{ENDPOINT_PATH}"
