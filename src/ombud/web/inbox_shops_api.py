"""The receiver's REST API for its shops: to look at, pause, resume, and give another token."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from ombud.admin.access import Caller
from ombud.admin.events import Document
from ombud.admin.inbox_shops import ShopEdits, get_tagged_shop, list_inbox_shops
from ombud.db.operation import Operation
from ombud.mailbox.ids import parse_id
from ombud.receiver.receiver import Receiver
from ombud.receiver.shops import new_token
from ombud.web.auth import caller_of
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS, Id, IfMatch, Limit, NameCursor, page

MatchingEdit = Callable[[Caller, int, str | None], Operation[None]]


def add_shop_routes(router: APIRouter, receiver: Receiver) -> None:
    """Add what can be done with the shops of an inbox."""
    database, edits = receiver.database, ShopEdits(receiver)
    tags: list[Any] = ["shops"]

    async def shown(request: Request, response: Response, number: int) -> Document:
        caller = caller_of(request)
        document, tag = await look(database, lambda: get_tagged_shop(caller, number, database.clock()))
        response.headers["ETag"] = tag
        return document

    @router.get("/shops", summary="Shops of the inbox, by name", tags=tags)
    async def index(request: Request, limit: Limit = PAGE_ROWS, cursor: NameCursor = "") -> dict[str, Any]:
        caller = caller_of(request)
        return page(await look(database, lambda: list_inbox_shops(caller, cursor, limit)), limit, by="name")

    @router.get("/shops/{inbox_shop_id}", summary="One shop: what was lost, and for what its API was asked", tags=tags)
    async def show(request: Request, response: Response, inbox_shop_id: Id) -> Document:
        return await shown(request, response, parse_id("shop", inbox_shop_id, "inbox_shop_id"))

    @router.post(
        "/shops/{inbox_shop_id}/token", summary="Give it a new token, shown once, beside the present one", tags=tags
    )
    async def rotate(request: Request, response: Response, inbox_shop_id: Id, if_match: IfMatch = None) -> Document:
        number, caller, token = parse_id("shop", inbox_shop_id, "inbox_shop_id"), caller_of(request), new_token()
        await receiver.writer.write(lambda: edits.rotate(caller, number, token, if_match))
        return await shown(request, response, number) | {"token": token}

    def add(verb: str, edit: MatchingEdit, summary: str) -> None:
        async def do(request: Request, response: Response, inbox_shop_id: Id, if_match: IfMatch = None) -> Document:
            number, caller = parse_id("shop", inbox_shop_id, "inbox_shop_id"), caller_of(request)
            await receiver.writer.write(lambda: edit(caller, number, if_match))
            return await shown(request, response, number)

        router.post(f"/shops/{{inbox_shop_id}}/{verb}", summary=summary, tags=tags, name=f"{verb}_shop")(do)

    add("pause", edits.pause, "Read nothing and call no handler for it; webhooks are stored")
    add("resume", edits.resume, "Go on with all that has waited")
    add("end-token", edits.end_previous, "End the token from before the last rotation")
