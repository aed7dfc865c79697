"""The REST API's routes for replays: everything that a filter finds, done again by a job."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.convertors import StringConvertor, register_url_convertor

from ombud.admin.delivery_filter import Asked, Texts
from ombud.admin.events import Document
from ombud.admin.inbox_filter import ARRIVAL_TYPES, AskedArrivals, AskedRuns
from ombud.admin.resending import HIGHEST_PER_SECOND, MOST_COUNTED, PER_SECOND, resending_document
from ombud.db.database import Writer
from ombud.mailbox.ids import parse_id
from ombud.web.auth import caller_of
from ombud.web.bodies import STORABLE, TIME, Body, Whole, described
from ombud.web.deliveries_api import Since, WantedEndpoint, WantedStatus, WantedType
from ombud.web.pages import PAGE_ROWS, Cursor, Id, Limit, Subject, before_cursor, page
from ombud.web.replay_desk import ReplayDesk
from ombud.wire import EVENT_TYPES

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


class _InboxReplay(Body):
    """What is wanted of arrivals and of runs alike."""

    shop: Annotated[str, described("Only of this shop, by its number.", pattern="^[0-9]{0,18}$")] = ""
    subject: Subject = ""
    since: Since = ""
    until: Until = ""


class ArrivalsReplay(_InboxReplay):
    """Which arrivals."""

    of: Literal["arrivals"]
    state: Annotated[str, described("In this state; those that are held are released.", enum=list(AskedArrivals.again))]
    type: Annotated[str, described(f"Only stored as: {', '.join(ARRIVAL_TYPES)}.", enum=["", *ARRIVAL_TYPES])] = ""

    def asked(self) -> Texts:
        """Return the filter."""
        return AskedArrivals.read(self.model_dump(exclude={"of", "per_second"}))


class RunsReplay(_InboxReplay):
    """Which runs."""

    of: Literal["runs"]
    state: Annotated[str, described("In this state: dead, skipped, done.", enum=list(AskedRuns.again))]
    type: Annotated[str, described(f"Only of this event: {', '.join(EVENT_TYPES)}.", enum=["", *EVENT_TYPES])] = ""
    handler: Annotated[str, described("Only of this handler.", pattern=STORABLE)] = ""

    def asked(self) -> Texts:
        """Return the filter."""
        return AskedRuns.read(self.model_dump(exclude={"of", "per_second"}))


class NewArrivalsReplay(ArrivalsReplay):
    """Which arrivals, and how fast."""

    per_second: PerSecond = PER_SECOND


class NewRunsReplay(RunsReplay):
    """Which runs, and how fast."""

    per_second: PerSecond = PER_SECOND


InboxReplay = Annotated[ArrivalsReplay | RunsReplay, Field(discriminator="of")]
NewInboxReplay = Annotated[NewArrivalsReplay | NewRunsReplay, Field(discriminator="of")]


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
    async def count(request: Request, body: InboxReplay) -> dict[str, Any]:
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
