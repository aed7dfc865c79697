"""The REST API's routes for endpoints."""

from typing import Any

from fastapi import APIRouter

from ombud.admin.endpoints import endpoint_documents
from ombud.admin.events import Document
from ombud.db.operation import Operation
from ombud.mailbox.ids import parse_id
from ombud.sender.endpoint import Endpoint
from ombud.sender.sender import Sender
from ombud.signing import new_secret
from ombud.web.endpoint_bodies import EndpointChanges, NewEndpoint, NewSecret, choices
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS, Cursor, Id, Limit, before_cursor, page


def add_endpoint_routes(router: APIRouter, sender: Sender) -> None:
    """Add what can be done with endpoints."""
    _add_readers(router, sender)
    _add_editors(router, sender)
    _add_switches(router, sender)


def _add_readers(router: APIRouter, sender: Sender) -> None:
    endpoints = sender.endpoints

    @router.get("/endpoints", summary="List endpoints, newest first", tags=["endpoints"])
    async def index(limit: Limit = PAGE_ROWS, cursor: Cursor = "") -> dict[str, Any]:
        before = before_cursor("ep", cursor)

        def read() -> Operation[list[Document]]:
            found = yield from endpoints.list(before, limit)
            return (yield from endpoint_documents(found))

        return page(await look(sender.database, read), limit)

    @router.get("/endpoints/{endpoint_id}", summary="One endpoint", tags=["endpoints"])
    async def show(endpoint_id: Id) -> Document:
        number = _number(endpoint_id)
        return await look(sender.database, lambda: _document(endpoints.get(number)))


def _add_editors(router: APIRouter, sender: Sender) -> None:
    endpoints = sender.endpoints

    @router.post("/endpoints", status_code=201, summary="Add an endpoint; its secret is shown once", tags=["endpoints"])
    async def add(body: NewEndpoint) -> Document:
        edit, secret = body.edit(), new_secret() if body.secret is None else body.secret
        await sender.check_destination(edit.url)
        document = await sender.writer.write(lambda: _document(endpoints.add(edit, body.shop_id, secret)))
        return document | {"secret": secret}

    @router.patch("/endpoints/{endpoint_id}", summary="Change an endpoint", tags=["endpoints"])
    async def change(endpoint_id: Id, body: EndpointChanges) -> Document:
        number = _number(endpoint_id)
        changes = choices(body.model_dump(exclude_unset=True))
        if "url" in changes:
            await sender.check_destination(changes["url"])
        return await sender.writer.write(lambda: _document(endpoints.change(number, **changes)))

    @router.delete("/endpoints/{endpoint_id}", status_code=204, summary="Delete an endpoint", tags=["endpoints"])
    async def delete(endpoint_id: Id) -> None:
        number = _number(endpoint_id)
        await sender.writer.write(lambda: endpoints.delete(number))


def _add_switches(router: APIRouter, sender: Sender) -> None:
    endpoints = sender.endpoints

    @router.post("/endpoints/{endpoint_id}/restore", summary="Undo the deletion of an endpoint", tags=["endpoints"])
    async def restore(endpoint_id: Id) -> Document:
        number = _number(endpoint_id)
        return await sender.writer.write(lambda: _document(endpoints.restore(number)))

    @router.post("/endpoints/{endpoint_id}/pause", summary="Send nothing until it is resumed", tags=["endpoints"])
    async def pause(endpoint_id: Id) -> Document:
        number = _number(endpoint_id)
        return await sender.writer.write(lambda: _document(endpoints.pause(number)))

    @router.post("/endpoints/{endpoint_id}/resume", summary="Send again, or look at once again", tags=["endpoints"])
    async def resume(endpoint_id: Id) -> Document:
        number = _number(endpoint_id)
        return await sender.writer.write(lambda: _document(endpoints.resume(number)))

    @router.post("/endpoints/{endpoint_id}/secret", summary="A new secret, shown once", tags=["endpoints"])
    async def rotate(endpoint_id: Id, body: NewSecret) -> Document:
        number, secret = _number(endpoint_id), new_secret() if body.secret is None else body.secret
        document = await sender.writer.write(
            lambda: _document(endpoints.rotate_secret(number, secret, body.overlap_seconds))
        )
        return document | {"secret": secret}


def _number(endpoint_id: str) -> int:
    return parse_id("ep", endpoint_id, "endpoint_id")


def _document(operation: Operation[Endpoint]) -> Operation[Document]:
    """Do it, and return the endpoint as it is then."""
    endpoint = yield from operation
    [document] = yield from endpoint_documents([endpoint])
    return document
