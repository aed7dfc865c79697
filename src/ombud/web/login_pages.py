"""Getting in and out: log in, the links that open once, log out."""

import math
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.admin import links
from ombud.admin.people import NOT_TOGETHER, check_name, find_person
from ombud.admin.sessions import end_session
from ombud.errors import Conflict, InvalidInput
from ombud.web.brakes import LoginBrakes
from ombud.web.entering import let_in
from ombud.web.forms import read_form
from ombud.web.gate import LOGIN, SESSION
from ombud.web.house import House, action_route, own_path, page_route
from ombud.web.looking import look
from ombud.web.passwords import Passwords, check_password
from ombud.web.words import words_for


class LoginPages:
    """The pages that somebody sees who is not in yet."""

    def __init__(
        self, house: House, passwords: Passwords, brakes: LoginBrakes | None = None, *, oidc: bool = False
    ) -> None:
        """`oidc`: there is another way in."""
        self._house = house
        self._oidc = oidc
        self._passwords = passwords
        self._brakes = brakes or LoginBrakes()
        self._database = house.people.database

    def routes(self) -> list[Route]:
        """Return their routes."""
        return [
            page_route(LOGIN, self.login, None),
            action_route(LOGIN, self.enter, None),
            action_route("/logout", self.leave, None),
            page_route(links.PATH + "{token}", self.set_up, None),
            action_route(links.PATH + "{token}", self.set_up_done, None),
        ]

    async def login(self, request: Request) -> Response:
        if request.scope[SESSION] is not None:
            return RedirectResponse("/", 303)
        return self._login(request, next=own_path(request.query_params.get("next", "")))

    async def enter(self, request: Request) -> Response:
        form = await read_form(request)
        name, where = form.get("name"), own_path(form.get("next"))
        secure = self._secure(request)
        person = await look(self._database, lambda: find_person(name))
        before = await self._house.sessions.find(request.scope, secure=secure)
        known = before.hash if before is not None and person is not None and before.person_id == person.id else None
        tries = (name.casefold(), self._house.address(request), known)
        wait = math.ceil(self._brakes.take(*tries))
        if wait:
            words = words_for(request).count(
                "Too many tries. Wait %(num)d second.", "Too many tries. Wait %(num)d seconds.", wait
            )
            answer = self._login(request, 429, next=where, name=name, wrong=words)
            answer.headers["Retry-After"] = str(wait)
            return answer
        if not await self._passwords.matches(person.password if person else None, form.get("password")):
            return self._login(request, 403, next=where, name=name, wrong=words_for(request).say(NOT_TOGETHER))
        assert person is not None
        self._brakes.succeeded(*tries)
        return await let_in(self._house, request, person, where)

    async def leave(self, request: Request) -> Response:
        session, now = request.scope[SESSION], self._database.clock()
        if session is not None:
            await self._house.people.write(lambda: end_session(session.hash, now))
        return RedirectResponse(LOGIN, 303)

    async def set_up(self, request: Request) -> Response:
        token, now = request.path_params["token"], self._database.clock()
        link = await look(self._database, lambda: links.look_at(token, now))
        return self._house.page(request, "set_up.html", link=link, name="", wrong=None)

    async def set_up_done(self, request: Request) -> Response:
        token, now = request.path_params["token"], self._database.clock()
        form = await read_form(request)
        link = await look(self._database, lambda: links.look_at(token, now))
        name = link.person.name if link.person else form.get("name").strip()
        try:
            password = form.get("password")
            check_password(password, check_name(name))
            hashed = await self._passwords.hash(password)
            person = await self._house.people.write(lambda: links.use(token, name, hashed, now))
        except (InvalidInput, Conflict) as error:
            wrong = self._house.wrong(request, error)
            return self._house.page(request, "set_up.html", 422, link=link, name=name, wrong=wrong)
        return await let_in(self._house, request, person, "/")

    def _login(self, request: Request, status: int = 200, **values: str) -> Response:
        shown: dict[str, Any] = {"name": "", "wrong": None, "oidc": self._oidc} | values
        return self._house.page(request, "login.html", status, **shown)

    def _secure(self, request: Request) -> bool:
        return self._house.place.is_secure(request.scope)
