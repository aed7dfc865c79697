"""One event: why it was sent to each endpoint of its shop, or was not."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ombud.admin.events import rfc3339
from ombud.admin.explain import explained
from ombud.mailbox.ids import format_id, parse_id
from ombud.sender.sender import Sender
from ombud.web.house import House, page_route
from ombud.web.looking import look

PATH = "/events"


class EventPages:
    """The page of an event."""

    def __init__(self, house: House, sender: Sender) -> None:
        self._house = house
        self._sender = sender

    def routes(self) -> list[Route]:
        """Return its route."""
        return [page_route(PATH + "/{event_id}", self.show)]

    async def show(self, request: Request) -> Response:
        caller, number = self._house.caller(request), parse_id("evt", request.path_params["event_id"], "event_id")
        database = self._sender.database
        event, found = await look(database, lambda: explained(number, database.clock(), caller))
        shown = {"id": format_id("evt", number), "created_at": rfc3339(event["created_at"])}
        return self._house.page(request, "event.html", event={**event, **shown}, found=found)
