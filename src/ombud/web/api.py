"""The REST API of the sender: everything but the intake's hot path."""

from typing import Any

from fastapi import APIRouter, Request

from ombud.admin.access import EVERY_SHOP
from ombud.admin.events import Document, get_event, list_events, list_events_of_shop
from ombud.admin.explain import explain_event
from ombud.mailbox.ids import parse_id
from ombud.sender.sender import Sender
from ombud.web.alarm_desk import AlarmDesk
from ombud.web.alarms_api import add_alarm_routes
from ombud.web.auth import caller_of
from ombud.web.deliveries_api import add_delivery_routes
from ombud.web.endpoints_api import add_endpoint_routes
from ombud.web.looking import look
from ombud.web.overview_api import add_overview_route
from ombud.web.pages import PAGE_ROWS, Cursor, Id, Limit, before_cursor, page
from ombud.web.replays_api import add_delivery_replays


def create_router(sender: Sender) -> APIRouter:
    """Return the routes below /v1."""
    router = APIRouter(prefix="/v1")
    _add_event_routes(router, sender)
    add_endpoint_routes(router, sender)
    add_delivery_routes(router, sender)
    add_delivery_replays(router, sender.writer)
    add_overview_route(router, sender)
    add_alarm_routes(router, AlarmDesk(sender.writer, sender.settings))
    return router


def _add_event_routes(router: APIRouter, sender: Sender) -> None:
    @router.get("/events", summary="List events, newest first", tags=["events"])
    async def index(request: Request, limit: Limit = PAGE_ROWS, cursor: Cursor = "") -> dict[str, Any]:
        before, shop_id = before_cursor("evt", cursor), caller_of(request).shop_id
        if shop_id == EVERY_SHOP:
            return page(await look(sender.database, lambda: list_events(before, limit)), limit)
        data, next_cursor = await look(sender.database, lambda: list_events_of_shop(shop_id, before, limit))
        return {"data": data, "next_cursor": next_cursor}

    @router.get("/events/{event_id}", summary="One event with its deliveries and every attempt", tags=["events"])
    async def show(request: Request, event_id: Id) -> Document:
        number, caller = parse_id("evt", event_id, "event_id"), caller_of(request)
        return await look(sender.database, lambda: get_event(number, caller))

    @router.get("/events/{event_id}/explain", summary="Why it was sent to each endpoint or not", tags=["events"])
    async def explain(request: Request, event_id: Id) -> Document:
        number, caller = parse_id("evt", event_id, "event_id"), caller_of(request)
        return await look(sender.database, lambda: explain_event(number, sender.database.clock(), sender.vault, caller))
