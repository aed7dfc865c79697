"""The receiver's REST API: what arrived and runs of handlers; to find, look at, try again, release, leave out."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from ombud.admin.arrivals import get_arrival, list_arrivals
from ombud.admin.deliveries import read_cursor
from ombud.admin.events import Document
from ombud.admin.inbox_actions import read_again, release, run_again, skip_arrival, skip_run
from ombud.admin.inbox_filter import ARRIVAL_STATES, ARRIVAL_TYPES, RUN_STATES, AskedArrivals, AskedRuns
from ombud.admin.inbox_search import seen_by
from ombud.admin.runs import get_run, list_runs
from ombud.mailbox.ids import parse_id
from ombud.receiver.receiver import Receiver
from ombud.web import arrival_pages, run_pages
from ombud.web.auth import caller_of
from ombud.web.bodies import STORABLE, TIME, described
from ombud.web.inbox_shops_api import add_shop_routes
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS, Cursor, Id, Limit, Subject, before_cursor
from ombud.web.replays_api import add_inbox_replays
from ombud.wire import EVENT_TYPES


class WantedInbox(BaseModel):
    """What is wanted of arrivals and of runs alike, and which page of it."""

    subject: Subject = ""
    shop: Annotated[str, described("Only of this shop, by its number.", pattern="^[0-9]{0,18}$")] = ""
    since: Annotated[str, described("Only from this time on (RFC 3339).", **TIME)] = ""
    until: Annotated[str, described("Only before this time (RFC 3339).", **TIME)] = ""
    limit: Limit = PAGE_ROWS
    cursor: Cursor = ""


class WantedArrivals(WantedInbox):
    """Which arrivals."""

    type: Annotated[str, described(f"Only stored as: {', '.join(ARRIVAL_TYPES)}.", enum=["", *ARRIVAL_TYPES])] = ""
    state: Annotated[
        str, described(f"Only in this state: {', '.join(ARRIVAL_STATES)}.", enum=["", *ARRIVAL_STATES])
    ] = ""


class WantedRuns(WantedInbox):
    """Which runs."""

    type: Annotated[str, described(f"Only of this event: {', '.join(EVENT_TYPES)}.", enum=["", *EVENT_TYPES])] = ""
    state: Annotated[str, described(f"Only in this state: {', '.join(RUN_STATES)}.", enum=["", *RUN_STATES])] = ""
    handler: Annotated[str, described("Only of this handler.", pattern=STORABLE)] = ""


def create_inbox_router(receiver: Receiver) -> APIRouter:
    """Return the routes below /v1."""
    router = APIRouter(prefix="/v1")
    _add_arrivals(router, receiver)
    _add_arrival_acts(router, receiver)
    _add_runs(router, receiver)
    add_inbox_replays(router, receiver.writer)
    add_shop_routes(router, receiver)
    return router


def _add_arrivals(router: APIRouter, receiver: Receiver) -> None:
    database = receiver.database
    tags: list[Any] = ["arrivals"]

    @router.get(arrival_pages.PATH, summary="Webhooks that arrived, newest first, with their read and runs", tags=tags)
    async def index(request: Request, wanted: Annotated[WantedArrivals, Query()]) -> dict[str, Any]:
        asked, before = AskedArrivals.read(wanted.model_dump(exclude={"limit"})), before_cursor("evt", wanted.cursor)
        sought = seen_by(caller_of(request), asked.sought(database.clock()))
        data, next_cursor = await look(database, lambda: list_arrivals(before, wanted.limit, sought))
        return {"data": data, "next_cursor": next_cursor}

    @router.get("/arrivals/{arrival_id}", summary="One webhook that arrived", tags=tags)
    async def show(request: Request, arrival_id: Id) -> Document:
        number, caller = parse_id("evt", arrival_id, "arrival_id"), caller_of(request)
        return await look(database, lambda: get_arrival(number, caller))


def _add_arrival_acts(router: APIRouter, receiver: Receiver) -> None:
    acts = (
        ("release", release, "Let it go on, which is held for a person"),
        ("retry", read_again, "Read what it is about once more"),
        ("skip", skip_arrival, "Leave it out: nothing more is done for it"),
    )

    def add(verb: str, act: arrival_pages.Act, summary: str) -> None:
        async def do(request: Request, arrival_id: Id) -> Document:
            number, caller = parse_id("evt", arrival_id, "arrival_id"), caller_of(request)
            await receiver.writer.write(lambda: act(receiver.arrivals, caller, number))
            return await look(receiver.database, lambda: get_arrival(number, caller))

        path = f"/arrivals/{{arrival_id}}/{verb}"
        router.post(path, summary=summary, tags=["arrivals"], name=f"{verb}_arrival")(do)

    for verb, act, summary in acts:
        add(verb, act, summary)


def _add_runs(router: APIRouter, receiver: Receiver) -> None:
    database = receiver.database
    tags: list[Any] = ["runs"]

    @router.get(run_pages.PATH, summary="Runs of handlers, newest change first", tags=tags)
    async def index(request: Request, wanted: Annotated[WantedRuns, Query()]) -> dict[str, Any]:
        asked, before = AskedRuns.read(wanted.model_dump(exclude={"limit"})), before_cursor("evt", wanted.cursor)
        sought = seen_by(caller_of(request), asked.sought(database.clock()))
        data, next_cursor = await look(database, lambda: list_runs(before, wanted.limit, sought))
        return {"data": data, "next_cursor": next_cursor}

    @router.get("/runs/{run_id}", summary="One run: its tries, what proves it, and what differs", tags=tags)
    async def show(request: Request, run_id: Id) -> Document:
        key, caller = read_cursor(run_id, "run_id"), caller_of(request)
        return await look(database, lambda: get_run(caller, key.event_id, key.lane_id))

    def add(verb: str, act: run_pages.Act, summary: str) -> None:
        async def do(request: Request, run_id: Id) -> Document:
            key, caller = read_cursor(run_id, "run_id"), caller_of(request)
            await receiver.writer.write(lambda: act(receiver.changes, caller, key.event_id, key.lane_id))
            return await look(database, lambda: get_run(caller, key.event_id, key.lane_id))

        router.post(f"/runs/{{run_id}}/{verb}", summary=summary, tags=tags, name=f"{verb}_run")(do)

    add("retry", run_again, "Call the handler once more")
    add("skip", skip_run, "Leave it out: nothing more is done for it")
