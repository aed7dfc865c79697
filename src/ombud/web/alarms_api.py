"""The REST API's routes for alarms, and for the channels on which they are told."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ombud.admin.access import EVERY_SHOP
from ombud.admin.alarms.book import list_alarms, present_alarms
from ombud.admin.alarms.channel import Channel, channel_document, etag_of
from ombud.admin.events import Document
from ombud.mailbox.ids import parse_id
from ombud.web.alarm_bodies import ChannelChanges, NewChannel, choices
from ombud.web.alarm_desk import AlarmDesk
from ombud.web.auth import caller_of
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS, Cursor, Id, IfMatch, Limit, before_cursor, page

PATH = "/alarm-channels"
ONE = PATH + "/{channel_id}"
TAGS: list[Any] = ["alarms"]

Present = Annotated[bool, Query(description="Only those that last, without pages.")]


def add_alarm_routes(router: APIRouter, desk: AlarmDesk) -> None:
    """Add what can be done with alarms."""
    _add_readers(router, desk)
    _add_editors(router, desk)


def _add_readers(router: APIRouter, desk: AlarmDesk) -> None:
    database = desk.database

    @router.get("/alarms", summary="Alarms, newest first: what is wrong, and what was", tags=TAGS)
    async def alarms(
        request: Request, present: Present = False, limit: Limit = PAGE_ROWS, cursor: Cursor = ""
    ) -> dict[str, Any]:
        caller, before = caller_of(request), before_cursor("alm", cursor)
        if present:
            return {"data": await look(database, lambda: present_alarms(caller, limit)), "next_cursor": None}
        return page(await look(database, lambda: list_alarms(caller, before, limit)), limit)

    @router.get(PATH, summary="Where alarms are told, newest first", tags=TAGS)
    async def index(request: Request, limit: Limit = PAGE_ROWS, cursor: Cursor = "") -> dict[str, Any]:
        caller, before = caller_of(request), before_cursor("alc", cursor)
        found = await look(database, lambda: desk.edits.list(caller, before, limit))
        return page([channel_document(channel) for channel in found], limit)

    @router.get(ONE, summary="One of them", tags=TAGS)
    async def show(request: Request, response: Response, channel_id: Id) -> Document:
        caller, number = caller_of(request), _number(channel_id)
        return _tagged(response, await look(database, lambda: desk.edits.get(caller, number)))


def _add_editors(router: APIRouter, desk: AlarmDesk) -> None:
    edits, clock = desk.edits, desk.database.clock

    @router.post(PATH, status_code=201, summary="Have alarms told somewhere", tags=TAGS)
    async def add(request: Request, response: Response, body: NewChannel) -> Document:
        caller, edit, now = caller_of(request), body.edit(), clock()
        shop_id = caller.shop_for(body.given("shop_id"), EVERY_SHOP)
        await desk.check(edit.kind, edit.target)
        return _tagged(response, await desk.writer.write(lambda: edits.add(caller, edit, shop_id, now)))

    @router.patch(ONE, summary="Change a channel", tags=TAGS)
    async def change(
        request: Request, response: Response, channel_id: Id, body: ChannelChanges, if_match: IfMatch = None
    ) -> Document:
        caller, number, now = caller_of(request), _number(channel_id), clock()
        changes = choices(body.model_dump(exclude_unset=True))
        make = lambda: edits.change(caller, number, if_match, now, **changes)  # noqa: E731
        return _tagged(response, await desk.writer.write(make))

    @router.delete(ONE, status_code=204, summary="Tell nobody there any more", tags=TAGS)
    async def delete(request: Request, channel_id: Id, if_match: IfMatch = None) -> None:
        caller, number, now = caller_of(request), _number(channel_id), clock()
        await desk.writer.write(lambda: edits.delete(caller, number, if_match, now))

    @router.post(f"{ONE}/test", summary="Send a test there now, and say what came of it", tags=TAGS)
    async def test(request: Request, channel_id: Id) -> Document:
        _, reason = await desk.test(caller_of(request), _number(channel_id))
        return {"sent": reason is None, "reason": reason}


def _number(channel_id: str) -> int:
    return parse_id("alc", channel_id, "channel_id")


def _tagged(response: Response, channel: Channel) -> Document:
    response.headers["ETag"] = etag_of(channel)
    return channel_document(channel)
