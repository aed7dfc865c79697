"""The REST API's routes for deliveries: find, look at, and send again."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from ombud.admin.deliveries import get_delivery, list_deliveries, read_cursor, resend
from ombud.admin.delivery_filter import STATES, Asked
from ombud.admin.events import Document
from ombud.sender.sender import Sender
from ombud.web.auth import caller_of
from ombud.web.bodies import TIME, described, optional
from ombud.web.looking import look
from ombud.web.openapi_parts import id_pattern
from ombud.web.pages import PAGE_ROWS, Cursor, Id, Limit, Subject
from ombud.wire import EVENT_TYPES

WantedEndpoint = Annotated[str, described("Only to this endpoint.", pattern=optional(id_pattern("ep")))]
WantedType = Annotated[str, described(f"Only of this event: {', '.join(EVENT_TYPES)}.", enum=["", *EVENT_TYPES])]
WantedStatus = Annotated[str, described("Only with this last answer: 503, or 5xx.", pattern="^([0-9]{3}|[1-9]xx)?$")]
Since = Annotated[str, described("Only of events from this time on (RFC 3339).", **TIME)]


class Wanted(BaseModel):
    """Which deliveries, and which page of them."""

    endpoint: WantedEndpoint = ""
    type: WantedType = ""
    subject: Subject = ""
    state: Annotated[str, described(f"Only in this state: {', '.join(STATES)}.", enum=["", *STATES])] = ""
    status: WantedStatus = ""
    since: Since = ""
    until: Annotated[str, described("Only of events before this time (RFC 3339).", **TIME)] = ""
    limit: Limit = PAGE_ROWS
    cursor: Cursor = ""


def add_delivery_routes(router: APIRouter, sender: Sender) -> None:
    """Add what can be done with deliveries."""

    @router.get("/deliveries", summary="Find deliveries, newest event first", tags=["deliveries"])
    async def index(request: Request, wanted: Annotated[Wanted, Query()]) -> dict[str, Any]:
        asked, at, limit = Asked.read(wanted.model_dump(exclude={"limit"})), read_cursor(wanted.cursor), wanted.limit
        caller, found = caller_of(request), asked.filter(sender.database.clock())
        data, more = await look(sender.database, lambda: list_deliveries(caller, found, at, limit))
        return {"data": data, "next_cursor": str(more) if more else None}

    @router.get("/deliveries/{delivery_id}", summary="One delivery with its attempts", tags=["deliveries"])
    async def show(request: Request, delivery_id: Id) -> Document:
        caller, key = caller_of(request), read_cursor(delivery_id, "delivery_id")
        return await look(sender.database, lambda: get_delivery(caller, key.event_id, key.lane_id))

    @router.post("/deliveries/{delivery_id}/resend", summary="Send it again, behind what is live", tags=["deliveries"])
    async def again(request: Request, delivery_id: Id) -> Document:
        caller, key, now = caller_of(request), read_cursor(delivery_id, "delivery_id"), sender.database.clock()
        mailbox = sender.outbox.mailbox
        await sender.writer.write(lambda: resend(mailbox, caller, key.event_id, key.lane_id, now))
        return await look(sender.database, lambda: get_delivery(caller, key.event_id, key.lane_id))
