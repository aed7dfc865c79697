"""The REST API's routes for replays: everything that a filter finds, done again by a job."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.convertors import StringConvertor, register_url_convertor

from ombud.admin.delivery_filter import Asked, Texts
from ombud.admin.events import Document
from ombud.admin.inbox_filter import ARRIVAL_TYPES, AskedArrivals, AskedRuns
from ombud.admin.resending import HIGHEST_PER_SECOND, MOST_COUNTED, PER_SECOND, resending_document
from ombud.db.database import Writer
from ombud.errors import InvalidInput
from ombud.mailbox.ids import parse_id
from ombud.web.auth import caller_of
from ombud.web.bodies import STORABLE, TIME, Body, Whole, described
from ombud.web.deliveries_api import Since, WantedEndpoint, WantedStatus, WantedType
from ombud.web.pages import PAGE_ROWS, Cursor, Id, Limit, Subject, before_cursor, page
from ombud.web.replay_desk import ReplayDesk

PREFIX = "rpl"
COUNT, START = f"Count what a replay finds, up to {MOST_COUNTED}", "Do again what a filter finds"

_PER_SECOND = f"How many a second at most, 1 to {HIGHEST_PER_SECOND}."


class _ReplayId(StringConvertor):
    """An id in a path: not the name of the route beside it, which would then have methods that it has not."""

    regex = "(?!dry-run(?:/|$))[^/]+"


register_url_convertor("replay", _ReplayId())

Until = Annotated[str, described("Only of events before this time (RFC 3339), and before now.", **TIME)]
PerSecond = Annotated[Whole, described(_PER_SECOND, minimum=1, maximum=HIGHEST_PER_SECOND)]


class ReplayFilter(Body):
    """Which deliveries."""

    state: Annotated[str, described("In this state: dead, skipped, done.", enum=list(Asked.again))]
    endpoint: WantedEndpoint = ""
    type: WantedType = ""
    subject: Subject = ""
    status: WantedStatus = ""
    since: Since = ""
    until: Until = ""

    def asked(self) -> Texts:
        """Return the filter."""
        return Asked.read(self.model_dump(exclude={"per_second"}))


class NewReplay(ReplayFilter):
    """Which deliveries, and how fast."""

    per_second: PerSecond = PER_SECOND


class InboxReplayFilter(Body):
    """Which arrivals, or which runs."""

    of: Annotated[str, described("What: arrivals or runs.", enum=["arrivals", "runs"])]
    state: Annotated[str, described("In this state; arrivals alone are held.", enum=list(AskedArrivals.again))]
    shop: Annotated[str, described("Only of this shop, by its number.", pattern="^[0-9]{0,18}$")] = ""
    handler: Annotated[str, described("Of runs, only those of this handler.", pattern=STORABLE)] = ""
    type: Annotated[str, described(f"Only stored as: {', '.join(ARRIVAL_TYPES)}.", enum=["", *ARRIVAL_TYPES])] = ""
    subject: Subject = ""
    since: Since = ""
    until: Until = ""

    def asked(self) -> Texts:
        """Return the filter; raises InvalidInput."""
        kind = AskedRuns if self.of == AskedRuns.kind else AskedArrivals
        if self.handler and kind is AskedArrivals:
            raise InvalidInput("handler", "Only runs have a handler.")
        return kind.read(self.model_dump(exclude={"of", "per_second"}))


class NewInboxReplay(InboxReplayFilter):
    """Which of them, and how fast."""

    per_second: PerSecond = PER_SECOND


def add_delivery_replays(router: APIRouter, writer: Writer) -> None:
    """Add what can be done with replays of a sender's deliveries."""
    desk = _Desk(writer)

    @router.post("/replays/dry-run", summary=COUNT, tags=["replays"])
    async def count(request: Request, body: ReplayFilter) -> dict[str, Any]:
        return await desk.count(request, body.asked())

    @router.post("/replays", status_code=201, summary=START, tags=["replays"])
    async def start(request: Request, body: NewReplay) -> Document:
        return await desk.start(request, body.asked(), body.per_second)

    desk.add_routes(router)


def add_inbox_replays(router: APIRouter, writer: Writer) -> None:
    """Add what can be done with replays of a receiver's arrivals and runs."""
    desk = _Desk(writer)

    @router.post("/replays/dry-run", summary=COUNT, tags=["replays"])
    async def count(request: Request, body: InboxReplayFilter) -> dict[str, Any]:
        return await desk.count(request, body.asked())

    @router.post("/replays", status_code=201, summary=START, tags=["replays"])
    async def start(request: Request, body: NewInboxReplay) -> Document:
        return await desk.start(request, body.asked(), body.per_second)

    desk.add_routes(router)


class _Desk:
    """Replays as documents."""

    def __init__(self, writer: Writer) -> None:
        self._desk = ReplayDesk(writer)

    async def count(self, request: Request, asked: Texts) -> dict[str, Any]:
        found = await self._desk.count(caller_of(request), asked)
        return {"count": found.count, "count_is_exact": found.whole}

    async def start(self, request: Request, asked: Texts, per_second: int) -> Document:
        return resending_document(await self._desk.start(caller_of(request), asked, per_second), self._desk.clock())

    def add_routes(self, router: APIRouter) -> None:
        """Add the routes that are the same of whatever a replay is."""
        desk = self._desk
        tags: list[Any] = ["replays"]

        @router.get("/replays", summary="List replays, newest first", tags=tags)
        async def index(request: Request, limit: Limit = PAGE_ROWS, cursor: Cursor = "") -> dict[str, Any]:
            jobs = await desk.list(caller_of(request), before_cursor(PREFIX, cursor), limit)
            return page([resending_document(job, desk.clock()) for job in jobs], limit)

        @router.get("/replays/{replay_id:replay}", summary="How far a replay has come", tags=tags)
        async def show(request: Request, replay_id: Id) -> Document:
            job = await desk.get(caller_of(request), parse_id(PREFIX, replay_id, "replay_id"))
            return resending_document(job, desk.clock())

        @router.post("/replays/{replay_id:replay}/cancel", summary="End a replay early", tags=tags)
        async def cancel(request: Request, replay_id: Id) -> Document:
            job = await desk.cancel(caller_of(request), parse_id(PREFIX, replay_id, "replay_id"))
            return resending_document(job, desk.clock())
