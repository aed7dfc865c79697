"""Settings → Alarms: what is wrong, who is told of it, and how the ways there do."""

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.admin.access import EVERY_SHOP, Caller, Role
from ombud.admin.alarms.book import list_alarms, present_alarms
from ombud.admin.alarms.causes import ALL_CAUSES, Cause
from ombud.admin.alarms.channel import (
    LANGUAGES,
    Channel,
    ChannelEdit,
    Kind,
    channel_document,
    etag_of,
    shown_target,
    with_ascii_domain,
)
from ombud.admin.events import Document
from ombud.admin.overview import ROWS
from ombud.db.operation import Operation
from ombud.errors import Conflict, InvalidInput, Outdated, Refused
from ombud.mailbox.ids import ID_LIMIT, parse_id
from ombud.web.alarm_desk import AlarmDesk
from ombud.web.alarm_words import NAMES, headline
from ombud.web.forms import Form, read_form, shop_of
from ombud.web.house import House, action_route, page_route
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS, before_cursor
from ombud.web.words import Words, words_for

PATH = "/settings/alarms"
# Alarms that are shown: those that last, and those that are over.
PRESENT, OVER = ROWS, 20


class AlarmPages:
    """The page of alarms, and the form of a channel."""

    def __init__(self, house: House, desk: AlarmDesk) -> None:
        self._house = house
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return their routes."""
        one = PATH + "/{channel_id}"
        return [
            page_route(PATH, self.index),
            page_route(f"{PATH}/new", self.new, Role.EDITOR),
            action_route(f"{PATH}/new", self.add),
            page_route(f"{one}/edit", self.edit, Role.EDITOR),
            action_route(f"{one}/edit", self.save),
            action_route(f"{one}/delete", self.delete),
            action_route(f"{one}/test", self.test),
        ]

    async def index(self, request: Request) -> Response:
        return await self._index(request)

    async def new(self, request: Request) -> Response:
        kind = Kind.EMAIL if self._desk.courier.mails else Kind.WEBHOOK
        return self._form(request, ChannelEdit(kind, "", language=words_for(request).language))

    async def add(self, request: Request) -> Response:
        form, caller, now = await read_form(request), self._house.caller(request), self._desk.database.clock()
        edit = _typed(form)
        try:
            shop_id = caller.shop_for(shop_of(form), EVERY_SHOP)
            await self._desk.check(edit.kind, edit.target)
            await self._desk.writer.write(lambda: self._desk.edits.add(caller, edit, shop_id, now))
        except (InvalidInput, Conflict, Refused) as error:
            wrong = self._house.wrong(request, error)
            return self._form(request, edit, 422, wrong=wrong, shop=form.get("shop"))
        return RedirectResponse(PATH, 303)

    async def edit(self, request: Request) -> Response:
        channel = await self._channel(request)
        return self._form(request, _shown(channel), was=channel, etag=etag_of(channel))

    async def save(self, request: Request) -> Response:
        form, caller, now = await read_form(request), self._house.caller(request), self._desk.database.clock()
        channel = await self._channel(request)
        edit, old = replace(_typed(form), kind=channel.edit.kind), _shown(channel)
        changes = {name: getattr(edit, name) for name in _FIELDS if getattr(edit, name) != getattr(old, name)}
        try:
            make = lambda: self._desk.edits.change(caller, channel.id, form.get("etag"), now, **changes)  # noqa: E731
            await self._desk.writer.write(make)
        except (InvalidInput, Refused, Outdated) as error:
            wrong = self._house.wrong(request, error)
            return self._form(request, edit, 422, was=channel, etag=form.get("etag"), wrong=wrong)
        return RedirectResponse(PATH, 303)

    async def delete(self, request: Request) -> Response:
        caller, number, now = self._house.caller(request), _number(request), self._desk.database.clock()
        await self._desk.writer.write(lambda: self._desk.edits.delete(caller, number, None, now))
        return RedirectResponse(PATH, 303)

    async def test(self, request: Request) -> Response:
        try:
            await self._desk.test(self._house.caller(request), _number(request))
        except Conflict as error:
            return await self._index(request, 409, wrong=self._house.wrong(request, error))
        return RedirectResponse(f"{PATH}?tested={request.path_params['channel_id']}", 303)

    async def _index(self, request: Request, status: int = 200, **values: Any) -> Response:
        caller, words = self._house.caller(request), words_for(request)
        before = before_cursor("alc", request.query_params.get("cursor", ""))
        present, over, channels = await look(self._desk.database, lambda: self._read(caller, before))
        documents = [_document(one) for one in channels]
        tested = [one for one in documents if one["id"] == request.query_params.get("tested")]
        # What answers to a form is no page that could be opened again.
        shown: dict[str, Any] = {"tested": tested[0] if tested else None, "wrong": None, "path": PATH} | values
        shown |= {"present": [_said(one, words) for one in present], "over": [_said(one, words) for one in over]}
        shown["more"] = documents[-1]["id"] if len(documents) == PAGE_ROWS else None
        shown |= {"channels": documents, "names": NAMES}
        return self._house.page(request, "alarms.html", status, **shown)

    def _read(self, caller: Caller, before: int) -> Operation[tuple[list[Document], list[Document], list[Channel]]]:
        present = yield from present_alarms(caller, PRESENT)
        latest = yield from list_alarms(caller, ID_LIMIT - 1, PRESENT + OVER)
        over = [one for one in latest if one["ended_at"] is not None][:OVER]
        channels = yield from self._desk.edits.list(caller, before, PAGE_ROWS)
        return present, over, channels

    async def _channel(self, request: Request) -> Channel:
        caller, number = self._house.caller(request), _number(request)
        return await look(self._desk.database, lambda: self._desk.edits.get(caller, number))

    def _form(
        self, request: Request, edit: ChannelEdit, status: int = 200, was: Channel | None = None, **values: Any
    ) -> Response:
        since, _, until = edit.quiet_hours.partition("-")
        shown: dict[str, Any] = {"edit": edit, "names": NAMES, "languages": LANGUAGES, "wrong": None, "etag": None}
        shown |= {"shop": "", "mails": self._desk.courier.mails, "one": None, "quiet_from": since, "quiet_until": until}
        if was is not None:
            shown |= {"one": f"{PATH}/{request.path_params['channel_id']}", "target": shown_target(was.edit)}
        return self._house.page(request, "alarm_form.html", status, **(shown | values))


# What the form has of a channel.
_FIELDS = ("name", "causes", "language", "zone", "quiet_hours", "enabled")


def _typed(form: Form) -> ChannelEdit:
    """Return what was filled in as far as the form can show it again."""
    times = [form.get(name).strip() for name in ("quiet_from", "quiet_until")]
    target = form.get("target").strip()
    chosen = tuple(cause for cause in ALL_CAUSES if cause in form.all("cause"))
    return ChannelEdit(
        kind=form.get("kind"),
        target=with_ascii_domain(target) if form.get("kind") == Kind.EMAIL else target,
        name=form.get("name").strip(),
        # A channel that hears of nothing is switched off instead.
        causes=chosen or ALL_CAUSES,
        language=form.get("language"),
        zone=form.get("zone").strip(),
        quiet_hours="" if times == ["", ""] else "-".join(times),
        enabled=form.get("enabled") == "on",
    )


def _shown(channel: Channel) -> ChannelEdit:
    """Return a channel as its form shows it."""
    return replace(channel.edit, causes=channel.edit.causes or ALL_CAUSES)


def _document(channel: Channel) -> Document:
    return channel_document(channel) | {"all_causes": not channel.edit.causes}


def _said(alarm: Document, words: Words) -> Document:
    return alarm | {"words": headline(Cause(alarm["cause"]), alarm["facts"], words)}


def _number(request: Request) -> int:
    return parse_id("alc", request.path_params["channel_id"], "channel_id")
