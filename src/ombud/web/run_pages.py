"""Runs of handlers: a filtered list, and one run with what proves it, what differs, and what a person may do."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.admin.access import Caller
from ombud.admin.deliveries import Cursor, read_cursor
from ombud.admin.delivery_filter import TIMES
from ombud.admin.events import Page
from ombud.admin.inbox_actions import run_again, skip_run
from ombud.admin.inbox_filter import RUN_STATES, AskedRuns
from ombud.admin.inbox_search import seen_by
from ombud.admin.redacted import shown_document
from ombud.admin.runs import get_run, handler_names, list_runs, shop_names
from ombud.db.operation import Operation
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Box
from ombud.receiver.receiver import Receiver
from ombud.web.house import House, action_route, page_route
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS, before_cursor
from ombud.web.performing import work_of
from ombud.wire import EVENT_TYPES

PATH = "/runs"

Act = Callable[[Mailbox, Caller, int, int], Operation[None]]


class RunPages:
    """The list of runs, and one of them."""

    def __init__(self, house: House, receiver: Receiver) -> None:
        self._house = house
        self._receiver = receiver

    def routes(self) -> list[Route]:
        """Return their routes."""
        one = PATH + "/{run_id}"
        return [
            page_route(PATH, self.index),
            page_route(one, self.show),
            action_route(f"{one}/retry", self._act(run_again, "again")),
            action_route(f"{one}/skip", self._act(skip_run, "skipped")),
        ]

    async def index(self, request: Request) -> Response:
        asked, caller = AskedRuns.read(request.query_params), self._house.caller(request)
        database = self._receiver.database
        before = before_cursor("evt", request.query_params.get("cursor", ""))
        wanted = seen_by(caller, asked.sought(database.clock()))

        def read() -> Operation[tuple[Page, list[str], list[tuple[int, str]]]]:
            page = yield from list_runs(before, PAGE_ROWS, wanted)
            handlers = yield from handler_names()
            return page, handlers, (yield from shop_names(caller))

        (rows, more), handlers, shops = await look(database, read)
        shown: dict[str, Any] = {"rows": [shown_document(row) for row in rows], "more": more, "asked": asked}
        shown |= {"shops": shops, "handlers": handlers, "types": list(EVENT_TYPES), "states": RUN_STATES}
        shown |= {"work": [await work_of(database, Box.CHANGES)], "confirms": True, "times": list(TIMES)}
        return self._house.page(request, "runs.html", **shown, first="cursor" not in request.query_params)

    async def show(self, request: Request) -> Response:
        caller, key = self._house.caller(request), _key(request)
        run = await look(self._receiver.database, lambda: get_run(caller, key.event_id, key.lane_id))
        done = request.query_params.get("done", "")
        return self._house.page(request, "run.html", run=shown_document(run), done=done)

    def _act(self, act: Act, word: str) -> Callable[[Request], Any]:
        async def do(request: Request) -> Response:
            caller, key = self._house.caller(request), _key(request)
            changes = self._receiver.changes
            await self._receiver.writer.write(lambda: act(changes, caller, key.event_id, key.lane_id))
            return RedirectResponse(f"{PATH}/{key}?done={word}", 303)

        return do


def _key(request: Request) -> Cursor:
    return read_cursor(request.path_params["run_id"], "run_id")
