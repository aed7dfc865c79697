"""What every page of the panel shares: who it is for, its templates, and how an error is said."""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from ombud.admin.access import EVERY_SHOP, Caller, Role
from ombud.admin.events import rfc3339
from ombud.admin.overview import ROWS
from ombud.admin.sessions import Session
from ombud.db.database import Writer
from ombud.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    OmbudError,
    Outdated,
    Refused,
    StorageUnavailable,
    TooManyLogins,
)
from ombud.receiver.source import source_of
from ombud.sender.outbox import DEFAULT_SHOP_ID
from ombud.settings import Settings
from ombud.web.error_words import say_error
from ombud.web.failure_words import say_note, say_reason, say_why
from ombud.web.forms import read_form
from ombud.web.gate import COOKIE_SECONDS, SESSION, Gate, Place, Sessions
from ombud.web.pace import spending
from ombud.web.streams import Streams
from ombud.web.words import COOKIE, LANGUAGES, Words, environment_of, exact, words_for, words_in
from ombud.wire import EVENT_TYPES

Endpoint = Callable[[Request], Awaitable[Response]]

log = logging.getLogger("ombud.web")

_STATUS: Mapping[type[OmbudError], int] = {
    InvalidInput: 422,
    Refused: 422,
    Conflict: 409,
    Forbidden: 403,
    NotFound: 404,
    Outdated: 412,
    StorageUnavailable: 503,
    TooManyLogins: 503,
}
# A page of this panel, and nothing else: `//host` would be another one.
_OWN_PATH = re.compile(r"/(?![/\\])[^\s\\\x00-\x1f]*")


@dataclass(frozen=True)
class Page:
    """An entry of the menu. `label` is translated where it is shown. `everywhere`: not for people of one
    shop. `sender`, `receiver`: only where there is one.
    """

    path: str
    label: str
    role: Role = Role.READER
    everywhere: bool = False
    sender: bool = False
    receiver: bool = False

    def is_for(self, session: Session) -> bool:
        """Return whether this person may see it."""
        return session.role.includes(self.role) and not (self.everywhere and session.shop_id)


class House:
    """The pages' surroundings. `people` writes where people, sessions and keys are; `pages` is the menu."""

    def __init__(self, people: Writer, settings: Settings, pages: Sequence[Page] = ()) -> None:
        self.people = people
        self._proxies = settings.trusted_proxies
        self.sessions = Sessions(people)
        self.place = Place(settings.public_url)
        self._pages = pages
        self._streams = Streams()
        self._environments = {language: _environment(words_in(language)) for language in LANGUAGES}

    def session(self, request: Request) -> Session:
        """Return who is logged in; the gate has let nobody else in."""
        session = request.scope[SESSION]
        assert isinstance(session, Session)
        return session

    def address(self, request: Request) -> str:
        """Return where a request comes from: the peer, or what trusted proxies say of it."""
        forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
        return source_of(request.client.host if request.client else "", forwarded, self._proxies)

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
        """Return a template as a page, in the reader's language."""
        session, words = request.scope.get(SESSION), words_for(request)
        shared = {"session": session, "path": request.url.path, "may": _may(session), "words": words}
        shared["pages"] = [page for page in self._pages if session and page.is_for(session)]
        template_ = self._environments[words.language].get_template(template)
        with spending(time.thread_time):
            text = template_.render(shared | values)
        return HTMLResponse(text, status, {"Vary": "Cookie, Accept-Language"})

    def stream(self, request: Request, what: Hashable, make: Callable[[], Awaitable[Response]]) -> Response:
        """Answer with a live part of a page; `what` tells it from other parts of the same permissions and language."""

        async def text() -> str:
            return bytes((await make()).body).decode()

        session = self.session(request)
        key = (request.url.path, session.shop_id, session.role, words_for(request).language, what)
        return self._streams.open(key, text)

    def say(self, request: Request, error: Exception) -> Response:
        """Answer an error with a page that says it in a sentence."""
        words = words_for(request)
        if isinstance(error, HTTPException):
            sentences = {404: words.say("There is no such page."), 405: words.say("This page is not used that way.")}
            sentence, status = sentences.get(error.status_code, words.say("No.")), error.status_code
        else:
            status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 422)
            if isinstance(error, StorageUnavailable):
                # Its words name files of this machine.
                log.warning("answered %s: %s", status, error)
                error = StorageUnavailable()
            sentence = self.wrong(request, error)
        return self.page(request, "message.html", status, sentence=sentence)

    def wrong(self, request: Request, error: Exception | str) -> str:
        """Return what an error says in the reader's language."""
        return say_error(str(error), words_for(request))

    async def choose_language(self, request: Request) -> Response:
        """Keep a reader's choice of language in their browser."""
        form = await read_form(request)
        secure = self.place.is_secure(request.scope)
        return language_chosen(form.get("language"), form.get("next"), secure=secure)

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


def language_chosen(language: str, path: str, *, secure: bool) -> Response:
    """Return to a page, and have the browser keep the choice of a language, if it is one of ours."""
    answer = RedirectResponse(own_path(path), 303)
    if language in LANGUAGES:
        answer.set_cookie(COOKIE, language, COOKIE_SECONDS, secure=secure, httponly=True, samesite="lax")
    return answer


def own_path(path: str) -> str:
    """Return a path of this panel as it is, and `/` for what may lead elsewhere."""
    return path if _OWN_PATH.fullmatch(path) else "/"


def _environment(words: Words) -> Environment:
    environment = environment_of("ombud.web", words)
    environment.filters |= {"ago": words.ago, "due": words.due, "duration": words.duration, "span": words.span}
    environment.filters |= {"exact": exact, "time": rfc3339, "percent": words.percent, "number": words.number}
    environment.filters["said"] = lambda reason: say_reason(reason, words)
    environment.filters["why"] = lambda said: say_why(said, words)
    environment.filters["noted"] = lambda note: say_note(note, words)
    environment.globals |= {"ROWS": ROWS, "DEFAULT_SHOP_ID": DEFAULT_SHOP_ID}
    environment.globals["EVENT_TYPES"] = EVENT_TYPES
    return environment
