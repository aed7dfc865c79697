"""What every page of the panel shares: who it is for, its templates, and how an error is said."""

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ombud.admin.access import EVERY_SHOP, Caller, Role
from ombud.admin.events import rfc3339
from ombud.admin.overview import ROWS
from ombud.admin.sessions import Session
from ombud.db.database import Writer
from ombud.errors import Conflict, Forbidden, InvalidInput, NotFound, OmbudError, Refused, StorageUnavailable
from ombud.sender.outbox import DEFAULT_SHOP_ID
from ombud.web.gate import SESSION, Gate, Place, Sessions
from ombud.web.panel_words import ago, due, duration, exact, span

Endpoint = Callable[[Request], Awaitable[Response]]

_STATUS: Mapping[type[OmbudError], int] = {
    InvalidInput: 422,
    Refused: 422,
    Conflict: 409,
    Forbidden: 403,
    NotFound: 404,
    StorageUnavailable: 503,
}
_SENTENCES = {404: "There is no such page.", 405: "This page is not used that way."}


class House:
    """The pages' surroundings. `people` writes where people, sessions and keys are."""

    def __init__(self, people: Writer, public_url: str = "") -> None:
        self.people = people
        self.sessions = Sessions(people)
        self.place = Place(public_url)
        self._environment = _environment()

    def session(self, request: Request) -> Session:
        """Return who is logged in; the gate has let nobody else in."""
        session = request.scope[SESSION]
        assert isinstance(session, Session)
        return session

    def caller(self, request: Request) -> Caller:
        """Return who asks, as the audit log writes them."""
        return self.session(request).caller

    def operator(self, request: Request) -> Caller:
        """Return who asks, where it must be somebody of every shop; raises Forbidden."""
        caller = self.caller(request)
        if caller.shop_id != EVERY_SHOP:
            raise Forbidden("This is for people of every shop. Ask an owner of this installation.")
        return caller

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """Return a template as a page."""
        session = request.scope.get(SESSION)
        shared = {"session": session, "path": request.url.path, "may": _may(session)}
        return HTMLResponse(self._environment.get_template(template).render(shared | values), status)

    def say(self, request: Request, error: Exception) -> Response:
        """Answer an error with a page that says it in a sentence."""
        if isinstance(error, HTTPException):
            words, status = _SENTENCES.get(error.status_code, "No."), error.status_code
        else:
            status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 422)
            # The words of a database that is not available name files of this machine.
            words = str(StorageUnavailable()) if isinstance(error, StorageUnavailable) else str(error)
        return self.page(request, "message.html", status, sentence=words)

    def behind(self, app: Any) -> Gate:
        """Return an app with the door before it."""
        return Gate(app, self.sessions, self.place)


def page_route(path: str, endpoint: Endpoint, role: Role | None = Role.READER) -> Route:
    """Return the route of a page that is only looked at; `role` None: before anybody has logged in, too."""
    return Route(path, _for(role, endpoint), methods=["GET"], name=f"GET {path}")


def action_route(path: str, endpoint: Endpoint, role: Role | None = Role.EDITOR) -> Route:
    """Return the route of a form."""
    return Route(path, _for(role, endpoint), methods=["POST"], name=f"POST {path}")


def _for(role: Role | None, endpoint: Endpoint) -> Endpoint:
    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        session = request.scope[SESSION]
        if role is not None and not (session and session.role.includes(role)):
            raise Forbidden(f"This is for people with the role {role}. Ask an owner of this installation.")
        return await endpoint(request)

    return guarded


def _may(session: Session | None) -> dict[str, bool]:
    """Return what a template may offer: the names of the roles that this person's role includes."""
    return {role.value: session is not None and session.role.includes(role) for role in Role}


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ombud.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"ago": ago, "due": due, "duration": duration, "exact": exact, "span": span, "time": rfc3339}
    environment.globals |= {"ROWS": ROWS, "DEFAULT_SHOP_ID": DEFAULT_SHOP_ID}
    return environment
