"""Letting a browser in, however its person has shown who they are."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ombud.admin.links import new_token
from ombud.admin.people import Person
from ombud.admin.sessions import begin_session
from ombud.web.house import House


async def let_in(house: House, request: Request, person: Person, where: str) -> Response:
    """Begin a session, always with a new token, and lead to a page of ours."""
    secure, token, now = house.place.is_secure(request.scope), new_token(), house.people.database.clock()
    old = house.sessions.hash_of(request.scope, secure=secure)
    browser = (house.address(request), request.headers.get("user-agent", ""))
    await house.people.write(lambda: begin_session(person, token, old, browser, now))
    answer = RedirectResponse(where or "/", 303)
    house.sessions.give(answer, token, secure=secure)
    return answer
