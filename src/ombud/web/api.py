"""The REST API of the sender: everything but the intake's hot path."""

from typing import Any

from fastapi import APIRouter

from ombud.admin.events import Document, get_event, list_events
from ombud.mailbox.ids import parse_id
from ombud.sender.sender import Sender
from ombud.web.endpoints_api import add_endpoint_routes
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS, Cursor, Id, Limit, before_cursor, page


def create_router(sender: Sender) -> APIRouter:
    """Return the routes below /v1."""
    router = APIRouter(prefix="/v1")
    _add_event_routes(router, sender)
    add_endpoint_routes(router, sender)
    return router


def _add_event_routes(router: APIRouter, sender: Sender) -> None:
    @router.get("/events", summary="List events, newest first", tags=["events"])
    async def index(limit: Limit = PAGE_ROWS, cursor: Cursor = "") -> dict[str, Any]:
        before = before_cursor("evt", cursor)
        return page(await look(sender.database, lambda: list_events(before, limit)), limit)

    @router.get("/events/{event_id}", summary="One event with its deliveries and every attempt", tags=["events"])
    async def show(event_id: Id) -> Document:
        number = parse_id("evt", event_id, "event_id")
        return await look(sender.database, lambda: get_event(number))
