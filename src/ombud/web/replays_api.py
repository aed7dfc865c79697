"""The REST API's routes for replays: everything that a filter finds, sent again by a job."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.convertors import StringConvertor, register_url_convertor

from ombud.admin.delivery_filter import Asked
from ombud.admin.events import Document
from ombud.admin.resending import (
    HIGHEST_PER_SECOND,
    MOST_COUNTED,
    PER_SECOND,
    cancel_resending,
    count_wanted,
    get_resending,
    list_resendings,
    resending_document,
    start_resending,
)
from ombud.mailbox.ids import parse_id
from ombud.sender.sender import Sender
from ombud.web.auth import caller_of
from ombud.web.bodies import TIME, Body, Whole, described
from ombud.web.deliveries_api import Since, WantedEndpoint, WantedStatus, WantedType
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS, Cursor, Id, Limit, Subject, before_cursor, page

PREFIX = "rpl"

_PER_SECOND = f"Deliveries a second at most, 1 to {HIGHEST_PER_SECOND}."


class _ReplayId(StringConvertor):
    """An id in a path: not the name of the route beside it, which would then have methods that it has not."""

    regex = "(?!dry-run(?:/|$))[^/]+"


register_url_convertor("replay", _ReplayId())


class ReplayFilter(Body):
    """Which deliveries."""

    state: Annotated[str, described("In this state: dead, skipped, done.", enum=["dead", "skipped", "done"])]
    endpoint: WantedEndpoint = ""
    type: WantedType = ""
    subject: Subject = ""
    status: WantedStatus = ""
    since: Since = ""
    until: Annotated[str, described("Only of events before this time (RFC 3339), and before now.", **TIME)] = ""

    def asked(self) -> Asked:
        """Return the filter."""
        return Asked.read(self.model_dump(exclude={"per_second"}))


class NewReplay(ReplayFilter):
    """Which deliveries, and how fast."""

    per_second: Annotated[Whole, described(_PER_SECOND, minimum=1, maximum=HIGHEST_PER_SECOND)] = PER_SECOND


def add_replay_routes(router: APIRouter, sender: Sender) -> None:
    """Add what can be done with replays."""
    clock = sender.database.clock

    @router.post("/replays/dry-run", summary=f"Count what a replay finds, up to {MOST_COUNTED}", tags=["replays"])
    async def count(request: Request, body: ReplayFilter) -> dict[str, Any]:
        caller, wanted = caller_of(request), body.asked().filter(clock())
        found = await look(sender.database, lambda: count_wanted(caller, wanted))
        return {"count": found.count, "count_is_exact": found.whole}

    @router.post("/replays", status_code=201, summary="Send again what a filter finds", tags=["replays"])
    async def start(request: Request, body: NewReplay) -> Document:
        caller, asked, now = caller_of(request), body.asked(), clock()
        found = await look(sender.database, lambda: count_wanted(caller, asked.filter(now)))
        make = lambda: start_resending(caller, asked, body.per_second, found, now)  # noqa: E731
        number = await sender.writer.write(make)
        job = await look(sender.database, lambda: get_resending(caller, number))
        return resending_document(job, clock())

    @router.get("/replays", summary="List replays, newest first", tags=["replays"])
    async def index(request: Request, limit: Limit = PAGE_ROWS, cursor: Cursor = "") -> dict[str, Any]:
        caller, before = caller_of(request), before_cursor(PREFIX, cursor)
        jobs = await look(sender.database, lambda: list_resendings(caller, before, limit))
        return page([resending_document(job, clock()) for job in jobs], limit)

    @router.get("/replays/{replay_id:replay}", summary="How far a replay has come", tags=["replays"])
    async def show(request: Request, replay_id: Id) -> Document:
        caller, number = caller_of(request), parse_id(PREFIX, replay_id, "replay_id")
        job = await look(sender.database, lambda: get_resending(caller, number))
        return resending_document(job, clock())

    @router.post("/replays/{replay_id:replay}/cancel", summary="End a replay early", tags=["replays"])
    async def cancel(request: Request, replay_id: Id) -> Document:
        caller, number, now = caller_of(request), parse_id(PREFIX, replay_id, "replay_id"), clock()
        job = await sender.writer.write(lambda: cancel_resending(caller, number, now))
        return resending_document(job, clock())
