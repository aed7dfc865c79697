"""The shops of an inbox: their tokens, what waits, what was lost on its way, and for what their API was asked."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.admin.access import Caller, Role
from ombud.admin.inbox_shops import ShopEdits, get_tagged_shop, list_inbox_shops
from ombud.admin.redacted import without_secrets
from ombud.db.operation import Operation
from ombud.mailbox.ids import parse_id
from ombud.mailbox.model import Box
from ombud.receiver.receiver import Receiver
from ombud.receiver.shops import new_token
from ombud.web.forms import read_form
from ombud.web.house import House, action_route, page_route
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS
from ombud.web.performing import work_of

PATH = "/shops"

Edit = Callable[[Caller, int], Operation[None]]


class ShopPages:
    """The list of shops, and one of them."""

    def __init__(self, house: House, receiver: Receiver) -> None:
        self._house = house
        self._receiver = receiver
        self._edits = ShopEdits(receiver)

    def routes(self) -> list[Route]:
        """Return their routes."""
        one = PATH + "/{shop_id}"
        return [
            page_route(PATH, self.index),
            page_route(one, self.show),
            action_route(f"{one}/pause", self._act(self._edits.pause)),
            action_route(f"{one}/resume", self._act(self._edits.resume)),
            action_route(f"{one}/end-token", self.end_previous, Role.OWNER),
            action_route(f"{one}/token", self.rotate, Role.OWNER),
        ]

    async def index(self, request: Request) -> Response:
        caller, after = self._house.caller(request), request.query_params.get("after", "")
        database, settings = self._receiver.database, self._receiver.settings
        shops = await look(database, lambda: list_inbox_shops(caller, after, PAGE_ROWS))
        more = shops[-1]["name"] if len(shops) == PAGE_ROWS else None
        work = [await work_of(database, box) for box in (Box.INBOX, Box.CHANGES)]
        shown: dict[str, Any] = {"shops": [_shown(shop) for shop in shops], "more": more, "work": work}
        shown |= {"confirms": settings.confirm == "api", "first": not after}
        return self._house.page(request, "shops.html", **shown)

    async def show(self, request: Request) -> Response:
        return await self._show(request)

    async def rotate(self, request: Request) -> Response:
        caller, number, token = self._house.caller(request), _number(request), new_token()
        seen = (await read_form(request)).get("etag")
        await self._receiver.writer.write(lambda: self._edits.rotate(caller, number, token, seen))
        # Shown in the answer to the form and nowhere else.
        return await self._show(request, token=token)

    async def end_previous(self, request: Request) -> Response:
        caller, number = self._house.caller(request), _number(request)
        seen = (await read_form(request)).get("etag")
        await self._receiver.writer.write(lambda: self._edits.end_previous(caller, number, seen))
        return RedirectResponse(_path(request), 303)

    async def _show(self, request: Request, token: str = "") -> Response:
        caller, number = self._house.caller(request), _number(request)
        database, settings = self._receiver.database, self._receiver.settings
        shop, etag = await look(database, lambda: get_tagged_shop(caller, number, database.clock()))
        shown: dict[str, Any] = {"shop": _shown(shop), "etag": etag, "token": token, "rate": settings.reads_per_second}
        shown |= {"compares": bool(settings.reconcile_seconds) and settings.confirm == "api"}
        restless = [field for field in shop["restless_fields"]["day"] if field not in settings.volatile_fields]
        shown |= {"restless": restless, "volatile": ",".join([*settings.volatile_fields, *restless])}
        return self._house.page(request, "shop.html", **shown)

    def _act(self, edit: Edit) -> Callable[[Request], Any]:
        async def do(request: Request) -> Response:
            caller, number = self._house.caller(request), _number(request)
            await self._receiver.writer.write(lambda: edit(caller, number))
            return RedirectResponse(_path(request), 303)

        return do


def _number(request: Request) -> int:
    return parse_id("shop", request.path_params["shop_id"], "shop_id")


def _path(request: Request) -> str:
    return f"{PATH}/{request.path_params['shop_id']}"


def _shown(shop: dict[str, Any]) -> dict[str, Any]:
    return shop | {"shown_name": without_secrets(shop["name"])}
