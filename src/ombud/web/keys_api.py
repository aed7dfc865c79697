"""The REST API's routes for keys, and for who changed what."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import ConfigDict, Field

from ombud.admin.access import ALL_SCOPES, EVERY_SHOP, Scope, read_scopes
from ombud.admin.audit_log import PREFIX, list_entries
from ombud.admin.events import Document
from ombud.admin.grants import check_operator, grant_key, take_key
from ombud.admin.keys import get_key, list_keys, new_key
from ombud.db.database import Writer
from ombud.mailbox.ids import format_id
from ombud.sender.outbox import LARGEST_SHOP_ID
from ombud.web.auth import caller_of
from ombud.web.bodies import AS_WHOLE, STORABLE, Body, described
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS, Cursor, Limit, NameCursor, before_cursor, page

Name = Annotated[str, Path(description="The name of a key.", json_schema_extra={"pattern": STORABLE})]
ShopId = Annotated[int, Field(ge=0, le=LARGEST_SHOP_ID, description="The only shop, or 0 for every one."), AS_WHOLE]


# A key of one shop manages nobody (ombud.admin.keys.add_key).
_OF_ONE_SHOP: list[Any] = [
    {"properties": {"shop_id": {"const": EVERY_SHOP}}},
    {"properties": {"scopes": {"items": {"enum": list(ALL_SCOPES)}}}},
]


class NewKey(Body):
    """A key to be."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _OF_ONE_SHOP})

    name: Annotated[str, described("Who will use it.", pattern="^[^\\u0000-\\u001f\\u007f]{1,100}$")]
    scopes: Annotated[
        list[str],
        described(f"What it may do: {', '.join(Scope)}.", minItems=1, items={"type": "string", "enum": list(Scope)}),
    ]
    shop_id: ShopId = EVERY_SHOP


def add_key_routes(router: APIRouter, keys: Writer) -> None:
    """Add what can be done with keys: those by which this API is asked."""
    database, tags = keys.database, ["keys"]

    @router.get("/keys", summary="List keys by name, without the keys themselves", tags=[*tags])
    async def index(request: Request, limit: Limit = PAGE_ROWS, cursor: NameCursor = "") -> dict[str, Any]:
        check_operator(caller_of(request))
        return page(await look(database, lambda: list_keys(limit, cursor)), limit, by="name")

    @router.post("/keys", status_code=201, summary="Make a key; it is shown once", tags=[*tags])
    async def add(request: Request, body: NewKey) -> Document:
        caller, key, now = caller_of(request), new_key(), database.clock()
        scopes = read_scopes(body.scopes)
        made = await keys.write(lambda: grant_key(caller, body.name, key, scopes, body.shop_id, now))
        return made | {"key": key}

    @router.get("/keys/{name:path}", summary="One key: what it may do, and when it was last used", tags=[*tags])
    async def show(request: Request, name: Name) -> Document:
        check_operator(caller_of(request))
        return await look(database, lambda: get_key(name))

    @router.delete("/keys/{name:path}", status_code=204, summary="Revoke a key, within a second", tags=[*tags])
    async def revoke(request: Request, name: Name) -> None:
        caller, now = caller_of(request), database.clock()
        await keys.write(lambda: take_key(caller, name, now))


def add_audit_route(router: APIRouter, people: Writer) -> None:
    """Add who changed what."""

    @router.get("/audit", summary="Who changed what, newest first", tags=["people"])
    async def audit(request: Request, limit: Limit = PAGE_ROWS, cursor: Cursor = "") -> dict[str, Any]:
        check_operator(caller_of(request))
        before = before_cursor(PREFIX, cursor)
        found = await look(people.database, lambda: list_entries(before, limit))
        return page([{"id": format_id(PREFIX, entry.pop("number")), **entry} for entry in found], limit)
