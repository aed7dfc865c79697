"""Who asks: bearer keys, looked up by hash."""

import time

from starlette.types import ASGIApp, Receive, Scope, Send

from ombud.admin.keys import find_key
from ombud.db.database import Database
from ombud.errors import OmbudError
from ombud.web.problems import problem, problem_of

# Seconds that a good key is remembered: a revoked one stops working within this.
REMEMBER_SECONDS = 1.0
# Good keys remembered at once; there are few keys, and a bound all the same.
REMEMBER_KEYS = 1_000

_UNAUTHORIZED = "Send a key of this installation: Authorization: Bearer ombud_… (make one with: ombud keys add NAME)."
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


class BearerKeys:
    """Checks the Authorization header."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._good: dict[str, float] = {}

    def is_good(self, authorization: str) -> bool:
        """Tell whether a header names a key of this installation. Reads the database once a second and key."""
        if self._good.get(authorization, 0.0) > time.monotonic():
            return True
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not self._database.read(lambda: find_key(key.strip())):
            return False
        if len(self._good) >= REMEMBER_KEYS:
            self._good.clear()
        self._good[authorization] = time.monotonic() + REMEMBER_SECONDS
        return True


class RequireKey:
    """ASGI middleware: turns strangers away before anything of their request is read, except at public paths."""

    def __init__(self, app: ASGIApp, keys: BearerKeys, public: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._keys = keys
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, or pass the request on."""
        if scope["type"] != "http" or scope["path"] in self._public:
            await self._app(scope, receive, send)
            return
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        answer: ASGIApp = self._app
        try:
            if not self._keys.is_good(authorization.decode("latin-1")):
                answer = problem(401, _UNAUTHORIZED, headers=_CHALLENGE)
        except OmbudError as error:
            answer = problem_of(error)
        await answer(scope, receive, send)
