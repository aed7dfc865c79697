"""What arrived: a filtered list, and one arrival with its read, its runs and what a person may do."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.admin.access import Caller
from ombud.admin.arrivals import brief_arrivals, get_arrival
from ombud.admin.delivery_filter import TIMES
from ombud.admin.events import Page
from ombud.admin.inbox_actions import read_again, release, skip_arrival
from ombud.admin.inbox_filter import ARRIVAL_STATES, ARRIVAL_TYPES, AskedArrivals
from ombud.admin.inbox_search import seen_by
from ombud.admin.redacted import shown_document
from ombud.admin.runs import shop_names
from ombud.db.operation import Operation
from ombud.mailbox.ids import parse_id
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Box
from ombud.receiver.receiver import Receiver
from ombud.web.house import House, action_route, page_route
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS, before_cursor
from ombud.web.performing import work_of

PATH = "/arrivals"

Act = Callable[[Mailbox, Caller, int], Operation[None]]


class ArrivalPages:
    """The list of arrivals, and one of them."""

    def __init__(self, house: House, receiver: Receiver) -> None:
        self._house = house
        self._receiver = receiver

    def routes(self) -> list[Route]:
        """Return their routes."""
        one = PATH + "/{arrival_id}"
        return [
            page_route(PATH, self.index),
            page_route(one, self.show),
            action_route(f"{one}/release", self._act(release, "released")),
            action_route(f"{one}/retry", self._act(read_again, "again")),
            action_route(f"{one}/skip", self._act(skip_arrival, "skipped")),
        ]

    async def index(self, request: Request) -> Response:
        asked, caller = AskedArrivals.read(request.query_params), self._house.caller(request)
        database = self._receiver.database
        before = before_cursor("evt", request.query_params.get("cursor", ""))
        wanted = seen_by(caller, asked.sought(database.clock()))

        def read() -> Operation[tuple[Page, list[tuple[int, str]]]]:
            page = yield from brief_arrivals(before, PAGE_ROWS, wanted)
            return page, (yield from shop_names(caller))

        (rows, more), shops = await look(database, read)
        shown: dict[str, Any] = {"rows": [shown_document(row) for row in rows], "more": more, "asked": asked}
        shown |= {"shops": shops, "types": ARRIVAL_TYPES, "states": ARRIVAL_STATES, "times": list(TIMES)}
        shown |= {"work": [await work_of(database, Box.INBOX)], "confirms": self._receiver.settings.confirm == "api"}
        base = self._house.place.base(request)
        return self._house.page(
            request, "arrivals.html", **shown, first="cursor" not in request.query_params, base=base
        )

    async def show(self, request: Request) -> Response:
        caller, number = self._house.caller(request), _number(request)
        arrival = await look(self._receiver.database, lambda: get_arrival(number, caller))
        done = request.query_params.get("done", "")
        return self._house.page(request, "arrival.html", arrival=shown_document(arrival), done=done)

    def _act(self, act: Act, word: str) -> Callable[[Request], Any]:
        async def do(request: Request) -> Response:
            caller, number = self._house.caller(request), _number(request)
            await self._receiver.writer.write(lambda: act(self._receiver.arrivals, caller, number))
            return RedirectResponse(f"{PATH}/{request.path_params['arrival_id']}?done={word}", 303)

        return do


def _number(request: Request) -> int:
    return parse_id("evt", request.path_params["arrival_id"], "arrival_id")
