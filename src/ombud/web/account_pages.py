"""A person's own account: another password, and where they are logged in."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.admin.access import Role
from ombud.admin.people import change_password, get_person
from ombud.admin.sessions import end_others, list_sessions
from ombud.errors import InvalidInput
from ombud.web.brakes import LoginBrakes
from ombud.web.forms import read_form
from ombud.web.house import House, action_route, page_route
from ombud.web.looking import look
from ombud.web.passwords import Passwords, check_password
from ombud.web.words import mark

PATH = "/account"

_TOO_MANY = mark("Too many tries. Wait a minute.")
_ANOTHER = mark("The old password is another one.")


class AccountPages:
    """What everybody may do with their own account."""

    def __init__(self, house: House, passwords: Passwords) -> None:
        self._house = house
        self._passwords = passwords
        # Somebody at an unlocked screen is to guess no more often than anybody else.
        self._brakes = LoginBrakes()
        self._database = house.people.database

    def routes(self) -> list[Route]:
        """Return their routes."""
        return [
            page_route(PATH, self.show),
            action_route(f"{PATH}/password", self.password, Role.READER),
            action_route(f"{PATH}/end-others", self.end_others, Role.READER),
        ]

    async def show(self, request: Request) -> Response:
        return await self._show(request, done=request.query_params.get("done", ""))

    async def password(self, request: Request) -> Response:
        form, session, now = await read_form(request), self._house.session(request), self._database.clock()
        person = await look(self._database, lambda: get_person(session.person_id))
        if self._brakes.take(person.name, "", session.hash):
            return await self._show(request, 429, wrong=self._house.wrong(request, _TOO_MANY))
        if not await self._passwords.matches(person.password, form.get("old")):
            return await self._show(request, 422, wrong=self._house.wrong(request, _ANOTHER))
        try:
            check_password(form.get("password"), person.name)
        except InvalidInput as error:
            return await self._show(request, 422, wrong=self._house.wrong(request, error))
        hashed = await self._passwords.hash(form.get("password"))
        await self._house.people.write(lambda: change_password(person, hashed, session.hash, now))
        return RedirectResponse(f"{PATH}?done=password", 303)

    async def end_others(self, request: Request) -> Response:
        session, now = self._house.session(request), self._database.clock()
        await self._house.people.write(lambda: end_others(session, now))
        return RedirectResponse(f"{PATH}?done=others", 303)

    async def _show(self, request: Request, status: int = 200, **values: Any) -> Response:
        session, now = self._house.session(request), self._database.clock()
        sessions = await look(self._database, lambda: list_sessions(session, now))
        shown = {"sessions": sessions, "done": "", "wrong": None} | values
        return self._house.page(request, "account.html", status, **shown)
