"""The door of the panel: from which host, from which page, and who is logged in. Before anything of a page is done."""

import hashlib
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ombud.admin.links import PATH as SET_UP
from ombud.admin.links import token_hash
from ombud.admin.sessions import Session, find_session, see_session
from ombud.db.database import Writer
from ombud.errors import StorageUnavailable
from ombud.web.local import comes_from_own_page, is_here, page_headers
from ombud.web.looking import Marks, look

LOGIN = "/login"
STATIC = "/panel/static"
# Where the session, if any, is in the scope of a request.
SESSION = "ombud.session"
# Seconds: a browser is to know us for as long as it keeps anything, and a year is what the standard wants (RFC 6797).
STRICT_TRANSPORT = "max-age=31536000"
# Seconds that the cookie stays in the browser; how long it opens anything is decided here (admin/sessions.py).
COOKIE_SECONDS = 90 * 86_400

_ELSEWHERE = (
    "This panel opens on this machine alone: use http://127.0.0.1. To open it elsewhere, put a server with TLS before"
    " it and set OMBUD_PUBLIC_URL to its address.\n"
)
_FOREIGN = "This form was not sent by a page of this panel; open its page and try again.\n"


class Sessions:
    """The sessions of an installation's people, by cookie."""

    def __init__(self, writer: Writer) -> None:
        self._database = writer.database
        self._seen: Marks[bytes] = Marks(writer, see_session)
        # Several installations on one host, on different ports, share its cookies.
        self._suffix = hashlib.sha256(writer.database.name.encode()).hexdigest()[:8]

    async def find(self, scope: Scope, *, secure: bool) -> Session | None:
        """Return the session that a request belongs to, also one that is over, or None."""
        token = self._token(scope, secure=secure)
        return await look(self._database, lambda: find_session(token)) if token else None

    async def current(self, scope: Scope, *, secure: bool) -> Session | None:
        """Return the session of who is logged in, or None, and note that it was used."""
        session = await self.find(scope, secure=secure)
        now = self._database.clock()
        if session is None or session.is_over(now, self._seen.last(session.hash)):
            return None
        self._seen.note(session.hash, now, session.seen_at)
        return session

    def hash_of(self, scope: Scope, *, secure: bool) -> bytes:
        """Return the hash of the cookie that a request brings, whatever it opens."""
        return token_hash(self._token(scope, secure=secure))

    def give(self, response: Response, token: str, *, secure: bool) -> None:
        """Give a browser its session; with an empty token, take it away."""
        response.set_cookie(
            self.name(secure=secure),
            token,
            max_age=COOKIE_SECONDS if token else 0,
            path="/",
            secure=secure,
            httponly=True,
            samesite="lax",
        )

    def name(self, *, secure: bool) -> str:
        """Return what the cookie is called; it is not that of another installation on this host."""
        return f"{'__Host-' if secure else ''}ombud-{self._suffix}"

    def _token(self, scope: Scope, *, secure: bool) -> str:
        try:
            morsel = SimpleCookie(Headers(scope=scope).get("cookie", "")).get(self.name(secure=secure))
        except CookieError:
            return ""
        return morsel.value if morsel is not None else ""


class Place:
    """Where people open the panel: on this machine, and at `public_url`, an https:// address, if there is one."""

    def __init__(self, public_url: str = "") -> None:
        self._public_host = urlsplit(public_url).netloc.lower()

    def is_secure(self, scope: Scope) -> bool:
        """Return whether this request came by the public address, which has TLS."""
        return bool(self._public_host) and Headers(scope=scope).get("host", "").lower() == self._public_host

    def base(self, request: Request) -> str:
        """Return the address of the panel as this request called it, with TLS where a proxy has taken it off."""
        return f"https://{self._public_host}" if self.is_secure(request.scope) else str(request.base_url).rstrip("/")


class Gate:
    """ASGI middleware. Inside it every page but the public ones has a session in its scope."""

    def __init__(self, app: ASGIApp, sessions: Sessions, place: Place) -> None:
        self._app = app
        self._sessions = sessions
        self._place = place
        self._headers = page_headers(scripts=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                if self._place.is_secure(scope):
                    headers["Strict-Transport-Security"] = STRICT_TRANSPORT
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._refusal(scope) or await self._stranger(scope) or self._app
        await answer(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        if not (self._place.is_secure(scope) or is_here(scope)):
            return PlainTextResponse(_ELSEWHERE, 421)
        if scope["method"] not in ("GET", "HEAD") and not comes_from_own_page(headers):
            return PlainTextResponse(_FOREIGN, 403)
        return None

    async def _stranger(self, scope: Scope) -> ASGIApp | None:
        """Find out who is logged in; returns what somebody is told who is not."""
        secure = self._place.is_secure(scope)
        if scope["path"].startswith(f"{STATIC}/"):
            return None
        try:
            session = await self._sessions.current(scope, secure=secure)
        except StorageUnavailable:
            return PlainTextResponse(f"{StorageUnavailable()}\n", 503, {"Retry-After": "1"})
        scope[SESSION] = session
        if session is not None or scope["path"] == LOGIN or scope["path"].startswith((SET_UP, f"{LOGIN}/")):
            return None
        return _to_login(Request(scope))


def _to_login(request: Request) -> Response:
    """Send a page's reader to the log-in page and back again; a form or a part of a page is refused."""
    where = f"{LOGIN}?next={quote(request.url.path + ('?' + request.url.query if request.url.query else ''), safe='')}"
    if request.headers.get("hx-request"):
        return PlainTextResponse("Log in again.\n", 401, {"HX-Redirect": LOGIN})
    if request.method not in ("GET", "HEAD"):
        return PlainTextResponse("You are not logged in, or no longer. Open the page again.\n", 401)
    return RedirectResponse(where if request.url.path != "/" else LOGIN, 303)
