"""The REST API of the sender: endpoints and events. Everything but the intake's hot path."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from ombud.admin.endpoints import endpoint_document
from ombud.admin.events import Document, get_event, list_events
from ombud.mailbox.ids import parse_id
from ombud.sender.endpoints import EndpointEdit
from ombud.sender.outbox import DEFAULT_SHOP_ID, LARGEST_SHOP_ID
from ombud.sender.sender import Sender
from ombud.web.pages import PAGE_ROWS, Cursor, Limit, before_cursor, page
from ombud.wire import EVENT_TYPES

EventTypes = Annotated[list[str], Field(description=f"Which of: {', '.join(EVENT_TYPES)}.")]
Id = Annotated[str, Path(description="The id as the API gave it.")]


class NewEndpoint(BaseModel):
    """An endpoint to be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Annotated[str, Field(examples=["https://example.com/webhooks"])]
    event_types: EventTypes = list(EVENT_TYPES)
    description: str = ""
    enabled: bool = True
    shop_id: Annotated[int, Field(ge=0, le=LARGEST_SHOP_ID, description="0 listens to every shop.")] = DEFAULT_SHOP_ID


class EndpointChanges(BaseModel):
    """What to change of an endpoint; what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str = ""
    event_types: EventTypes = []
    description: str = ""
    enabled: bool = True


def create_router(sender: Sender) -> APIRouter:
    """Return the routes below /v1."""
    router = APIRouter(prefix="/v1")
    _add_event_routes(router, sender)
    _add_endpoint_routes(router, sender)
    return router


def _add_event_routes(router: APIRouter, sender: Sender) -> None:
    @router.get("/events", summary="List events, newest first", tags=["events"])
    def index(limit: Limit = PAGE_ROWS, cursor: Cursor = "") -> dict[str, Any]:
        before = before_cursor("evt", cursor)
        return page(sender.database.read(lambda: list_events(before, limit)), limit)

    @router.get("/events/{event_id}", summary="One event with its deliveries and every attempt", tags=["events"])
    def show(event_id: Id) -> Document:
        number = parse_id("evt", event_id, "event_id")
        return sender.database.read(lambda: get_event(number))


def _add_endpoint_routes(router: APIRouter, sender: Sender) -> None:
    endpoints = sender.endpoints

    @router.get("/endpoints", summary="List endpoints, newest first", tags=["endpoints"])
    def index(limit: Limit = PAGE_ROWS, cursor: Cursor = "") -> dict[str, Any]:
        before = before_cursor("ep", cursor)
        found = sender.database.read(lambda: endpoints.list(before, limit))
        return page([endpoint_document(endpoint) for endpoint in found], limit)

    @router.post("/endpoints", status_code=201, summary="Add an endpoint", tags=["endpoints"])
    async def add(body: NewEndpoint) -> Document:
        edit = EndpointEdit(body.url, body.event_types, body.description, body.enabled)
        await sender.check_destination(edit.url)
        return endpoint_document(await sender.writer.write(lambda: endpoints.add(edit, body.shop_id)))

    @router.get("/endpoints/{endpoint_id}", summary="One endpoint", tags=["endpoints"])
    def show(endpoint_id: Id) -> Document:
        number = parse_id("ep", endpoint_id, "endpoint_id")
        return endpoint_document(sender.database.read(lambda: endpoints.get(number)))

    @router.patch("/endpoints/{endpoint_id}", summary="Change an endpoint", tags=["endpoints"])
    async def change(endpoint_id: Id, body: EndpointChanges) -> Document:
        number = parse_id("ep", endpoint_id, "endpoint_id")
        changes = body.model_dump(exclude_unset=True)
        if "url" in changes:
            await sender.check_destination(changes["url"])
        return endpoint_document(await sender.writer.write(lambda: endpoints.change(number, **changes)))

    @router.delete("/endpoints/{endpoint_id}", status_code=204, summary="Delete an endpoint", tags=["endpoints"])
    async def delete(endpoint_id: Id) -> None:
        number = parse_id("ep", endpoint_id, "endpoint_id")
        await sender.writer.write(lambda: endpoints.delete(number))
