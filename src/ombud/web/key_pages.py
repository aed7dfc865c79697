"""For owners: bearer keys of the REST API. A new one is shown once."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.admin.access import ALL_SCOPES, EVERY_SHOP, Role, Scope, read_scopes
from ombud.admin.keys import add_key, list_keys, new_key, revoke_key
from ombud.errors import Conflict, InvalidInput
from ombud.web.forms import read_form, shop_of
from ombud.web.house import House, action_route, page_route
from ombud.web.looking import look
from ombud.web.pages import MOST_PAGE_ROWS

PATH = "/keys"


class KeyPages:
    """The page of keys."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._database = house.people.database

    def routes(self) -> list[Route]:
        """Return their routes."""
        return [
            page_route(PATH, self.show, Role.OWNER),
            action_route(f"{PATH}/add", self.add, Role.OWNER),
            action_route(f"{PATH}/revoke", self.revoke, Role.OWNER),
        ]

    async def show(self, request: Request) -> Response:
        return await self._show(request)

    async def add(self, request: Request) -> Response:
        form, caller, key = await read_form(request), self._house.operator(request), new_key()
        name, now = form.get("name").strip(), self._database.clock()
        try:
            scopes, shop_id = read_scopes(" ".join(form.all("scope"))), shop_of(form) or EVERY_SHOP
            await self._house.people.write(lambda: add_key(name, key, now, scopes, shop_id, caller))
        except (InvalidInput, Conflict) as error:
            # As it was filled in: without its shop it would be a key of every one.
            filled = {"name": name, "chosen": form.all("scope"), "shop": form.get("shop")}
            return await self._show(request, 422, wrong=self._house.wrong(request, error), **filled)
        # Shown in the answer to the form and nowhere else.
        return await self._show(request, key=key, key_name=name)

    async def revoke(self, request: Request) -> Response:
        form, caller, now = await read_form(request), self._house.operator(request), self._database.clock()
        await self._house.people.write(lambda: revoke_key(caller, form.get("name"), now))
        return RedirectResponse(PATH, 303)

    async def _show(self, request: Request, status: int = 200, **values: Any) -> Response:
        self._house.operator(request)
        keys = await look(self._database, lambda: list_keys(MOST_PAGE_ROWS))
        shown: dict[str, Any] = {"keys": keys, "scopes": list(Scope), "chosen": ALL_SCOPES}
        shown |= {"key": None, "key_name": "", "wrong": None, "name": "", "shop": ""} | values
        return self._house.page(request, "keys.html", status, **shown)
