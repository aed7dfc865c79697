"""Logging in by an OpenID provider: out to it and back, beside passwords.

What a log-in under way needs is in a cookie of its browser: any node can end it, and looking at a page writes nothing.
The way back is the one GET that begins a session: only with a code that the provider has just made for this browser.
"""

import hashlib
from collections import OrderedDict
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.admin.access import Role
from ombud.admin.oidc_people import let_in_by
from ombud.errors import Forbidden, NetworkError
from ombud.web.brakes import ADDRESS_SECONDS, ADDRESS_TRIES, Brake
from ombud.web.entering import let_in
from ombud.web.gate import LOGIN
from ombud.web.house import House, own_path, page_route
from ombud.web.oidc import Attempt, Provider
from ombud.web.words import mark

OUT, BACK = f"{LOGIN}/oidc", f"{LOGIN}/oidc/back"
# Seconds that somebody has at the provider: to find a telephone, too.
ATTEMPT_SECONDS = 600
# Log-ins that have come back and are remembered, so that none does twice; the code itself opens once, too.
MOST_USED = 10_000

_LOST = mark("This log-in was begun elsewhere, has ended, or took longer than ten minutes. Begin again.")
_TOO_MANY = mark("Too many tries. Wait a minute.")


class OidcPages:
    """The way out and the way back."""

    def __init__(self, house: House, provider: Provider, domain: tuple[str, Role] | None = None) -> None:
        """`domain`: whoever has an address there needs no invitation, and gets that role."""
        self._house = house
        self._provider = provider
        self._domain = domain
        self._brake = Brake(ADDRESS_TRIES, ADDRESS_SECONDS)
        self._used: OrderedDict[bytes, None] = OrderedDict()

    def routes(self) -> list[Route]:
        """Return their routes."""
        return [page_route(OUT, self.out, None), page_route(BACK, self.back, None)]

    async def out(self, request: Request) -> Response:
        if self._brake.wait(self._house.address(request)):
            return self._wrong(request, _TOO_MANY, 429)
        attempt, where = Attempt.new(), own_path(request.query_params.get("next", ""))
        try:
            address = await self._provider.address(attempt, self._redirect_uri(request))
        except NetworkError as error:
            return self._wrong(request, str(error), 502)
        answer = RedirectResponse(address, 303)
        self._keep(request, answer, f"{attempt.state}.{attempt.nonce}.{attempt.verifier}.{quote(where)}")
        return answer

    async def back(self, request: Request) -> Response:
        address = self._house.address(request)
        if self._brake.wait(address):
            return self._wrong(request, _TOO_MANY, 429)
        self._brake.take(address)
        attempt, where = self._kept(request)
        if attempt is None:
            return self._wrong(request, _LOST, 403)
        now = self._house.people.database.clock()
        try:
            found = await self._provider.identity(attempt, request.query_params, self._redirect_uri(request))
            subject = f"{self._provider.issuer} {found.subject}"
            make = lambda: let_in_by(subject, found.email, self._domain, now)  # noqa: E731
            person = await self._house.people.write(make)
        except (Forbidden, NetworkError) as error:
            answer = self._wrong(request, str(error), 403 if isinstance(error, Forbidden) else 502)
            self._keep(request, answer, "")
            return answer
        self._brake.forget(address)
        answer = await let_in(self._house, request, person, where)
        self._keep(request, answer, "")
        return answer

    def _redirect_uri(self, request: Request) -> str:
        return self._house.place.base(request) + BACK

    def _name(self, request: Request) -> str:
        return f"{self._house.sessions.name(secure=self._secure(request))}-oidc"

    def _secure(self, request: Request) -> bool:
        return self._house.place.is_secure(request.scope)

    def _keep(self, request: Request, answer: Response, text: str) -> None:
        """Leave a log-in with its browser, or take it away."""
        answer.set_cookie(
            self._name(request),
            text,
            max_age=ATTEMPT_SECONDS if text else 0,
            path="/",
            secure=self._secure(request),
            httponly=True,
            # The way back comes from the provider's site.
            samesite="lax",
        )

    def _kept(self, request: Request) -> tuple[Attempt | None, str]:
        """Return the log-in of this browser that comes back, once. Whatever else comes leaves it as it is."""
        text = request.cookies.get(self._name(request), "")
        state, _, rest = text.partition(".")
        nonce, _, rest = rest.partition(".")
        verifier, _, where = rest.partition(".")
        used = hashlib.sha256(state.encode()).digest()
        if not (state and nonce and verifier) or used in self._used or request.query_params.get("state") != state:
            return None, ""
        self._used[used] = None
        while len(self._used) > MOST_USED:
            self._used.popitem(last=False)
        return Attempt(state, nonce, verifier), own_path(unquote(where))

    def _wrong(self, request: Request, words: str, status: int) -> Response:
        wrong = self._house.wrong(request, words)
        return self._house.page(request, "login.html", status, name="", wrong=wrong, next="", oidc=True)
