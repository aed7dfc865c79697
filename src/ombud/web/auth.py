"""Who asks the REST API, and what that one may: bearer keys with scopes, looked up by hash."""

import time
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ombud.admin import access
from ombud.admin.access import Caller
from ombud.admin.keys import find_key, use_key
from ombud.db.database import Writer
from ombud.errors import OmbudError
from ombud.web.looking import Marks, look
from ombud.web.problems import problem, problem_of

# Seconds that a good key is remembered: a revoked one stops working within this.
REMEMBER_SECONDS = 1.0
# Good keys remembered at once; there are few keys, and a bound all the same.
REMEMBER_KEYS = 1_000
# Where the key's owner is in the scope of a request.
CALLER = "ombud.caller"
# Query parameters in which somebody might send a key: it would stand in every log on the way.
KEY_PARAMETERS = frozenset({"api_key", "apikey", "access_token", "token", "key", "authorization"})

_OF_PEOPLE = ("/v1/people", "/v1/invitations", "/v1/keys", "/v1/audit")
_OF_EVENTS = ("/v1/events", "/v1/deliveries", "/v1/replays", "/v1/arrivals", "/v1/runs")

_UNAUTHORIZED = "Send a key of this installation: Authorization: Bearer ombud_… (make one with: ombud keys add NAME)."
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_IN_THE_QUERY = "A key in a URL stands in logs: revoke it, and send the next one as Authorization: Bearer ombud_…"


def caller_of(request: Request) -> Caller:
    """Return who asks; RequireKey stands before every route that calls this."""
    caller = request.scope[CALLER]
    assert isinstance(caller, Caller)
    return caller


def scope_for(method: str, path: str) -> access.Scope:
    """Return what a key needs for a request: nothing but reading is free of effects, and events are one thing.

    Who may do what is for keys that manage that, to read as well.
    """
    if path.startswith(_OF_PEOPLE):
        return access.Scope.PEOPLE
    if method in ("GET", "HEAD", "OPTIONS"):
        return access.Scope.READ
    return access.Scope.EVENTS if path.startswith(_OF_EVENTS) else access.Scope.ENDPOINTS


class BearerKeys:
    """Checks the Authorization header."""

    def __init__(self, writer: Writer) -> None:
        self._database = writer.database
        self._good: dict[str, tuple[float, Caller]] = {}
        self._used: Marks[str] = Marks(writer, use_key)

    async def caller(self, authorization: str) -> Caller | None:
        """Return whose key a header names, or None. Reads the database once a second and key."""
        until, caller = self._good.get(authorization, (0.0, None))
        if until > time.monotonic():
            return caller
        scheme, _, key = authorization.partition(" ")
        asked_at = time.monotonic()
        found = await look(self._database, lambda: find_key(key.strip())) if scheme.lower() == "bearer" else None
        if found is None:
            self._good.pop(authorization, None)
            return None
        if len(self._good) >= REMEMBER_KEYS:
            self._good.clear()
        self._good[authorization] = (asked_at + REMEMBER_SECONDS, found)
        self._used.note(found.name, self._database.clock())
        return found


class RequireKey:
    """ASGI middleware: turns strangers away before anything of their request is read, except at public paths."""

    def __init__(self, app: ASGIApp, keys: BearerKeys, public: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._keys = keys
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 403, or pass the request on."""
        if scope["type"] != "http" or scope["path"] in self._public:
            await self._app(scope, receive, send)
            return
        try:
            answer = await self._answer(scope)
        except OmbudError as error:
            answer = problem_of(error)
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope) -> ASGIApp:
        if scope["query_string"] and _names_a_key(scope["query_string"]):
            return problem(400, _IN_THE_QUERY)
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        caller = await self._keys.caller(authorization.decode("latin-1"))
        if caller is None:
            return problem(401, _UNAUTHORIZED, headers=_CHALLENGE)
        needed = scope_for(scope["method"], scope["path"])
        if needed not in caller.scopes:
            return problem(403, f"This key may not do that: it lacks the scope {needed}.")
        scope[CALLER] = caller
        return self._app


def _names_a_key(query: bytes) -> bool:
    return any(name.lower() in KEY_PARAMETERS for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))
