"""The REST API's routes for endpoints."""

from typing import Any

from fastapi import APIRouter, Request, Response

from ombud.admin.access import EVERY_SHOP, Caller, Scope
from ombud.admin.edits import EndpointEdits, etag_of
from ombud.admin.endpoints import endpoint_documents
from ombud.admin.events import Document, get_event, parse_time
from ombud.db.operation import Make, Operation
from ombud.mailbox.ids import parse_id
from ombud.sender.endpoint import Endpoint
from ombud.sender.outbox import DEFAULT_SHOP_ID
from ombud.sender.sender import Sender
from ombud.signing import new_secret
from ombud.web.auth import caller_of
from ombud.web.endpoint_bodies import EndpointChanges, NewEndpoint, NewSecret, TestEvent, choices
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS, Cursor, Id, IfMatch, Limit, before_cursor, page


def add_endpoint_routes(router: APIRouter, sender: Sender) -> None:
    """Add what can be done with endpoints."""
    edits = EndpointEdits(sender.endpoints, sender.database.clock)
    _add_readers(router, sender, edits)
    _add_editors(router, sender, edits)
    _add_switches(router, sender, edits)


def _add_readers(router: APIRouter, sender: Sender, edits: EndpointEdits) -> None:
    @router.get("/endpoints", summary="List endpoints, newest first", tags=["endpoints"])
    async def index(request: Request, limit: Limit = PAGE_ROWS, cursor: Cursor = "") -> dict[str, Any]:
        before, caller = before_cursor("ep", cursor), caller_of(request)
        shop_id = None if caller.shop_id == EVERY_SHOP else caller.shop_id

        def read() -> Operation[list[Document]]:
            found = yield from sender.endpoints.list(before, limit, shop_id)
            return (yield from endpoint_documents(found, whole=_sees_whole(caller)))

        return page(await look(sender.database, read), limit)

    @router.get("/endpoints/{endpoint_id}", summary="One endpoint", tags=["endpoints"])
    async def show(request: Request, response: Response, endpoint_id: Id) -> Document:
        number, caller = _number(endpoint_id), caller_of(request)
        document, tag = await look(
            sender.database, _tagged(lambda: edits.get(caller, number), whole=_sees_whole(caller))
        )
        response.headers["ETag"] = tag
        return document


def _add_editors(router: APIRouter, sender: Sender, edits: EndpointEdits) -> None:
    @router.post("/endpoints", status_code=201, summary="Add an endpoint; its secret is shown once", tags=["endpoints"])
    async def add(request: Request, response: Response, body: NewEndpoint) -> Document:
        caller, edit, secret = caller_of(request), body.edit(), new_secret() if body.secret is None else body.secret
        shop_id = caller.shop_for(body.given("shop_id"), DEFAULT_SHOP_ID)
        since = None if body.send_since is None else parse_time(body.send_since, "send_since")
        await sender.check_destination(edit.url)
        document = await _write(sender, response, lambda: edits.add(caller, edit, shop_id, secret, since))
        return document | {"secret": secret}

    @router.patch("/endpoints/{endpoint_id}", summary="Change an endpoint", tags=["endpoints"])
    async def change(
        request: Request, response: Response, endpoint_id: Id, body: EndpointChanges, if_match: IfMatch = None
    ) -> Document:
        number, caller = _number(endpoint_id), caller_of(request)
        changes = choices(body.model_dump(exclude_unset=True))
        if "url" in changes:
            await sender.check_destination(changes["url"])
        return await _write(sender, response, lambda: edits.change(caller, number, if_match, **changes))

    @router.delete("/endpoints/{endpoint_id}", status_code=204, summary="Delete an endpoint", tags=["endpoints"])
    async def delete(request: Request, endpoint_id: Id, if_match: IfMatch = None) -> None:
        number, caller = _number(endpoint_id), caller_of(request)
        await sender.writer.write(lambda: edits.delete(caller, number, if_match))


def _add_switches(router: APIRouter, sender: Sender, edits: EndpointEdits) -> None:
    @router.post("/endpoints/{endpoint_id}/restore", summary="Undo the deletion of an endpoint", tags=["endpoints"])
    async def restore(request: Request, response: Response, endpoint_id: Id) -> Document:
        number, caller = _number(endpoint_id), caller_of(request)
        return await _write(sender, response, lambda: edits.restore(caller, number))

    @router.post("/endpoints/{endpoint_id}/pause", summary="Send nothing until it is resumed", tags=["endpoints"])
    async def pause(request: Request, response: Response, endpoint_id: Id, if_match: IfMatch = None) -> Document:
        number, caller = _number(endpoint_id), caller_of(request)
        return await _write(sender, response, lambda: edits.pause(caller, number, if_match))

    @router.post("/endpoints/{endpoint_id}/resume", summary="Send again, or look at once again", tags=["endpoints"])
    async def resume(request: Request, response: Response, endpoint_id: Id, if_match: IfMatch = None) -> Document:
        number, caller = _number(endpoint_id), caller_of(request)
        return await _write(sender, response, lambda: edits.resume(caller, number, if_match))

    @router.post("/endpoints/{endpoint_id}/test", status_code=201, summary="Send a test event", tags=["endpoints"])
    async def test(request: Request, endpoint_id: Id, body: TestEvent) -> Document:
        number, caller = _number(endpoint_id), caller_of(request)
        event_id = await sender.writer.write(lambda: edits.test(caller, number, body.event_type, body.object_id))
        return await look(sender.database, lambda: get_event(event_id, caller))

    @router.post("/endpoints/{endpoint_id}/secret", summary="A new secret, shown once", tags=["endpoints"])
    async def rotate(
        request: Request, response: Response, endpoint_id: Id, body: NewSecret, if_match: IfMatch = None
    ) -> Document:
        number, caller = _number(endpoint_id), caller_of(request)
        secret = new_secret() if body.secret is None else body.secret
        make = lambda: edits.rotate_secret(caller, number, secret, body.overlap_seconds, if_match)  # noqa: E731
        document = await _write(sender, response, make)
        return document | {"secret": secret}


async def _write(sender: Sender, response: Response, make: Make[Endpoint]) -> Document:
    document, tag = await sender.writer.write(_tagged(make))
    response.headers["ETag"] = tag
    return document


def _number(endpoint_id: str) -> int:
    return parse_id("ep", endpoint_id, "endpoint_id")


def _sees_whole(caller: Caller) -> bool:
    return Scope.ENDPOINTS in caller.scopes


def _tagged(make: Make[Endpoint], *, whole: bool = True) -> Make[tuple[Document, str]]:
    """Return an operation that does it, and returns the endpoint as it is then, with its ETag."""

    def operation() -> Operation[tuple[Document, str]]:
        endpoint = yield from make()
        [document] = yield from endpoint_documents([endpoint], whole=whole)
        return document, etag_of(endpoint)

    return operation
