"""Deliveries: a filtered list, one with its timeline, and the filter's rows as a file."""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from ombud.admin.access import EVERY_SHOP, Caller, Role
from ombud.admin.deliveries import Cursor, get_delivery, list_deliveries, read_cursor, resend, resent_by
from ombud.admin.delivery_filter import STATES, TIMES, Asked
from ombud.admin.edits import EndpointEdits
from ombud.admin.events import Document
from ombud.admin.explain import explained
from ombud.admin.why import Said
from ombud.db.operation import Operation
from ombud.errors import NotFound
from ombud.mailbox.ids import ID_LIMIT, format_id, parse_id
from ombud.sender.endpoint import Endpoint
from ombud.sender.sender import Sender
from ombud.sender.url import redacted
from ombud.web.delivery_copy import commands_of, request_of
from ombud.web.delivery_files import KINDS, FileKind
from ombud.web.house import House, action_route, page_route
from ombud.web.looking import look
from ombud.web.pages import MOST_PAGE_ROWS, PAGE_ROWS
from ombud.wire import EVENT_TYPES

PATH = "/deliveries"
# Rows of one file: what a spreadsheet still opens.
MOST_EXPORTED = 100_000


class DeliveryPages:
    """The list of deliveries, and one of them."""

    def __init__(self, house: House, sender: Sender) -> None:
        self._house = house
        self._sender = sender
        self._edits = EndpointEdits(sender.endpoints, sender.database.clock)

    def routes(self) -> list[Route]:
        """Return their routes."""
        return [
            page_route(PATH, self.index),
            page_route(f"{PATH}/stream", self.stream),
            *(page_route(f"{PATH}.{kind}", self._export(file)) for kind, file in KINDS.items()),
            page_route(PATH + "/{delivery_id}", self.show),
            action_route(PATH + "/{delivery_id}/resend", self.resend),
        ]

    async def index(self, request: Request) -> Response:
        return await self._list(request, "deliveries.html")

    async def stream(self, request: Request) -> Response:
        """Answer with the newest rows of a filter, again and again."""
        asked = Asked.read(request.query_params)
        asked.filter(self._sender.database.clock())
        return self._house.stream(request, asked.query(), lambda: self._list(request, "delivery_rows.html"))

    async def _list(self, request: Request, template: str) -> Response:
        asked, caller = Asked.read(request.query_params), self._house.caller(request)
        cursor = read_cursor(request.query_params.get("cursor", ""))
        wanted = asked.filter(self._sender.database.clock())

        def read() -> Operation[tuple[list[Document], Cursor | None, list[Endpoint]]]:
            rows, more = yield from list_deliveries(caller, wanted, cursor, PAGE_ROWS)
            shop_id = None if caller.shop_id == EVERY_SHOP else caller.shop_id
            endpoints = yield from self._sender.endpoints.list(ID_LIMIT - 1, PAGE_ROWS, shop_id)
            return rows, more, endpoints

        rows, more, endpoints = await look(self._sender.database, read)
        live = bool(request.query_params.get("live")) and not request.query_params.get("cursor")
        shown: dict[str, Any] = {"rows": rows, "more": str(more) if more else None, "asked": asked, "live": live}
        shown |= {"endpoints": _choices(endpoints), "types": list(EVENT_TYPES), "states": STATES, "times": list(TIMES)}
        return self._house.page(request, template, **shown, first="cursor" not in request.query_params)

    async def show(self, request: Request) -> Response:
        caller, key = self._house.caller(request), _key(request)

        def read() -> Operation[tuple[Document, Endpoint | None, dict[int, str], tuple[Said, ...]]]:
            delivery = yield from get_delivery(caller, key.event_id, key.lane_id)
            who = yield from resent_by(delivery)
            return (
                delivery,
                (yield from self._endpoint(caller, delivery)),
                who,
                (yield from self._why(caller, delivery)),
            )

        delivery, endpoint, who, why = await look(self._sender.database, read)
        # A URL may hold a token: whole it is for those who could read it in the endpoint's form.
        may = self._house.session(request).role.includes(Role.EDITOR)
        shown: dict[str, Any] = {"delivery": delivery, "done": request.query_params.get("done", "")}
        shown |= {"asked": request_of(endpoint, delivery) if endpoint and may else ""}
        shown |= {"commands": commands_of(endpoint, delivery) if endpoint and may else {}}
        return self._house.page(request, "delivery.html", **shown, who=who, why=why)

    async def resend(self, request: Request) -> Response:
        caller, key, now = self._house.caller(request), _key(request), self._sender.database.clock()
        mailbox = self._sender.outbox.mailbox
        sent = await self._sender.writer.write(lambda: resend(mailbox, caller, key.event_id, key.lane_id, now))
        return RedirectResponse(f"{PATH}/{key}?done={'resent' if sent else 'waits'}", 303)

    def _why(self, caller: Caller, delivery: Document) -> Operation[tuple[Said, ...]]:
        """Return what one that waits is waiting for."""
        if delivery["state"] != "pending":
            return ()
        _, found = yield from explained(parse_id("evt", delivery["event_id"]), self._sender.database.clock(), caller)
        return next((one.why.said for one in found if one.document["delivery_id"] == delivery["id"]), ())

    def _endpoint(self, caller: Caller, delivery: Document) -> Operation[Endpoint | None]:
        if delivery["endpoint_id"] is None:
            return None
        try:
            return (yield from self._edits.get(caller, parse_id("ep", delivery["endpoint_id"])))
        except NotFound:
            return None

    def _export(self, kind: FileKind) -> Callable[[Request], Any]:
        async def export(request: Request) -> Response:
            asked, caller = Asked.read(request.query_params), self._house.caller(request)
            wanted = asked.filter(self._sender.database.clock())

            async def lines() -> AsyncIterator[bytes]:
                yield kind.head()
                left, cursor = MOST_EXPORTED, Cursor()
                while left > 0:
                    step = partial(list_deliveries, caller, wanted, cursor, min(left, MOST_PAGE_ROWS))
                    rows, more = await look(self._sender.database, step)
                    yield kind.lines(rows)
                    if more is None:
                        return
                    left, cursor = left - max(1, len(rows)), more

            headers = {"Content-Disposition": f'attachment; filename="deliveries.{kind.suffix}"'}
            return StreamingResponse(lines(), headers=headers, media_type=kind.media_type)

        return export


def _key(request: Request) -> Cursor:
    return read_cursor(request.path_params["delivery_id"], "delivery_id")


def _choices(endpoints: Sequence[Endpoint]) -> list[tuple[str, str]]:
    return [(format_id("ep", one.id), redacted(one.edit.url)) for one in endpoints]
