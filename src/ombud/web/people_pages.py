"""For owners: who may log in, and who changed what."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.admin import links
from ombud.admin.access import EVERY_SHOP, Role
from ombud.admin.audit_log import list_entries
from ombud.admin.links import add_link, add_reset, new_token
from ombud.admin.oidc_people import add_address
from ombud.admin.people import change_role, get_person, list_people, remove_person
from ombud.db.database import Database
from ombud.mailbox.ids import ID_LIMIT
from ombud.web.forms import number_of, read_form, shop_of, whole_number
from ombud.web.house import House, action_route, page_route
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS

PATH = "/people"
AUDIT = "/audit"


class PeoplePages:
    """The pages of people and of the audit log."""

    def __init__(self, house: House, others: Sequence[Database] = (), *, oidc: bool = False) -> None:
        """`others`: databases that are changed from this panel and have an audit log of their own.

        `oidc`: people may be invited by their address.
        """
        self._oidc = oidc
        self._house = house
        self._database = house.people.database
        self._logs = [self._database, *(one for one in others if one.name != self._database.name)]

    def routes(self) -> list[Route]:
        """Return their routes."""
        return [
            page_route(PATH, self.show, Role.OWNER),
            action_route(f"{PATH}/invite", self.invite, Role.OWNER),
            action_route(f"{PATH}/address", self.address, Role.OWNER),
            action_route(f"{PATH}/reset", self.reset, Role.OWNER),
            action_route(f"{PATH}/role", self.role, Role.OWNER),
            action_route(f"{PATH}/remove", self.remove, Role.OWNER),
            page_route(AUDIT, self.audit, Role.OWNER),
        ]

    async def show(self, request: Request) -> Response:
        return await self._show(request)

    async def invite(self, request: Request) -> Response:
        form, caller, token = await read_form(request), self._house.operator(request), new_token()
        role, shop_id, now = Role.read(form.get("role")), shop_of(form) or EVERY_SHOP, self._database.clock()
        await self._house.people.write(lambda: add_link(caller, token, now, role, shop_id))
        # Shown in the answer to the form and nowhere else: a redirect would write it into histories.
        return await self._show(request, link=self._link(request, token), link_role=role)

    async def address(self, request: Request) -> Response:
        form, caller, now = await read_form(request), self._house.operator(request), self._database.clock()
        role, shop_id, address = Role.read(form.get("role")), shop_of(form) or EVERY_SHOP, form.get("address").strip()
        await self._house.people.write(lambda: add_address(caller, address, role, shop_id, now))
        return RedirectResponse(PATH, 303)

    async def reset(self, request: Request) -> Response:
        form, caller, token = await read_form(request), self._house.operator(request), new_token()
        number, now = whole_number(form, "person"), self._database.clock()
        person = await look(self._database, lambda: get_person(number))
        await self._house.people.write(lambda: add_reset(caller, token, person, now))
        return await self._show(request, link=self._link(request, token), link_for=person.name)

    async def role(self, request: Request) -> Response:
        form, caller = await read_form(request), self._house.operator(request)
        number, role, shop_id, now = (
            whole_number(form, "person"),
            Role.read(form.get("role")),
            shop_of(form) or EVERY_SHOP,
            self._database.clock(),
        )
        await self._house.people.write(lambda: change_role(caller, number, role, shop_id, now))
        return RedirectResponse(PATH, 303)

    async def remove(self, request: Request) -> Response:
        form, caller = await read_form(request), self._house.operator(request)
        number, now = whole_number(form, "person"), self._database.clock()
        await self._house.people.write(lambda: remove_person(caller, number, now))
        return RedirectResponse(PATH, 303)

    async def audit(self, request: Request) -> Response:
        self._house.operator(request)
        text = request.query_params.get("before", "")
        before = number_of(text, "before") if text else ID_LIMIT - 1
        found = [await look(log, lambda: list_entries(before, PAGE_ROWS)) for log in self._logs]
        entries = sorted(chain(*found), key=lambda entry: int(entry["number"]), reverse=True)[:PAGE_ROWS]
        more = entries[-1]["number"] if len(entries) == PAGE_ROWS else None
        return self._house.page(request, "audit.html", entries=entries, more=more)

    async def _show(self, request: Request, **values: Any) -> Response:
        self._house.operator(request)
        people = await look(self._database, list_people)
        shown: dict[str, Any] = {"people": people, "roles": list(Role), "link": None, "link_role": None}
        shown |= {"link_for": None, "oidc": self._oidc} | values
        return self._house.page(request, "people.html", **shown)

    def _link(self, request: Request, token: str) -> str:
        return self._house.place.base(request) + links.PATH + token
