"""Settings → Webhooks: where a shop's events go, how each endpoint does, and what can be done about it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.admin.access import Caller
from ombud.admin.deliveries import Cursor, Filter, get_delivery, list_deliveries, read_cursor
from ombud.admin.edits import EndpointEdits, etag_of
from ombud.admin.webhooks import Doing, doings_of, list_doings
from ombud.db.operation import Operation
from ombud.errors import Conflict
from ombud.mailbox.ids import ID_LIMIT, format_id, parse_id
from ombud.mailbox.model import State
from ombud.sender.endpoint import Endpoint
from ombud.sender.endpoints import TEST_OBJECT_ID
from ombud.sender.sender import Sender
from ombud.signing import new_secret
from ombud.web.delivery_copy import request_of
from ombud.web.forms import read_form
from ombud.web.house import House, action_route, page_route
from ombud.web.looking import look
from ombud.web.pages import PAGE_ROWS, before_cursor

PATH = "/settings/webhooks"
# Failures of an endpoint that its page looks at, the newest: the first tells what to mend.
RECENT = 10


class WebhookPages:
    """The list of endpoints, and one with what can be done to it."""

    def __init__(self, house: House, sender: Sender) -> None:
        self._house = house
        self._sender = sender
        self._edits = EndpointEdits(sender.endpoints, sender.database.clock)

    def routes(self) -> list[Route]:
        """Return their routes."""
        one = PATH + "/{endpoint_id}"
        return [
            page_route(PATH, self.index),
            page_route(one, self.show),
            page_route(one + "/test/{event_id}", self.tested),
            action_route(one + "/test", self.test),
            action_route(one + "/pause", self.pause),
            action_route(one + "/resume", self.resume),
            action_route(one + "/delete", self.delete),
            action_route(one + "/restore", self.restore),
            action_route(one + "/secret", self.secret),
        ]

    async def index(self, request: Request) -> Response:
        caller, database = self._house.caller(request), self._sender.database
        before, now = before_cursor("ep", request.query_params.get("cursor", "")), database.clock()
        doings = await look(database, lambda: list_doings(self._sender.endpoints, caller, before, PAGE_ROWS, now))
        more = doings[-1].document["id"] if len(doings) == PAGE_ROWS else None
        shown: dict[str, Any] = {
            "doings": doings,
            "more": more,
            "first": before == ID_LIMIT - 1,
            "base": self._house.place.base(request),
        }
        return self._house.page(request, "webhooks.html", **shown, deleted=_deleted(request))

    async def show(self, request: Request) -> Response:
        return await self._show(request, tested=request.query_params.get("test", ""))

    async def test(self, request: Request) -> Response:
        caller, number, form = self._house.caller(request), _number(request), await read_form(request)
        event_type = form.get("event_type") or None
        try:
            make = lambda: self._edits.test(caller, number, event_type, TEST_OBJECT_ID)  # noqa: E731
            event_id = await self._sender.writer.write(make)
        except Conflict as error:
            return await self._show(request, 409, wrong=self._house.wrong(request, error))
        return RedirectResponse(f"{_path(request)}?test={format_id('evt', event_id)}#test", 303)

    async def tested(self, request: Request) -> Response:
        """Answer with the part of the page that tells what came of a test."""
        endpoint, result = await self._result(request, request.path_params["event_id"])
        shown = {"tested": request.path_params["event_id"], "result": result}
        return self._house.page(request, "webhook_test.html", **shown, endpoint=endpoint, one=_path(request))

    async def pause(self, request: Request) -> Response:
        caller, number = self._house.caller(request), _number(request)
        await self._sender.writer.write(lambda: self._edits.pause(caller, number))
        return RedirectResponse(_path(request), 303)

    async def resume(self, request: Request) -> Response:
        caller, number = self._house.caller(request), _number(request)
        await self._sender.writer.write(lambda: self._edits.resume(caller, number))
        return RedirectResponse(_path(request), 303)

    async def delete(self, request: Request) -> Response:
        caller, number = self._house.caller(request), _number(request)
        await self._sender.writer.write(lambda: self._edits.delete(caller, number))
        return RedirectResponse(f"{PATH}?deleted={format_id('ep', number)}", 303)

    async def restore(self, request: Request) -> Response:
        caller, number = self._house.caller(request), _number(request)
        await self._sender.writer.write(lambda: self._edits.restore(caller, number))
        return RedirectResponse(_path(request), 303)

    async def secret(self, request: Request) -> Response:
        caller, number, secret = self._house.caller(request), _number(request), new_secret()
        seen = (await read_form(request)).get("etag")
        await self._sender.writer.write(lambda: self._edits.rotate_secret(caller, number, secret, match=seen))
        # Shown in the answer to the form and nowhere else.
        return await self._show(request, secret=secret)

    async def _show(self, request: Request, status: int = 200, **values: Any) -> Response:
        caller, number = self._house.caller(request), _number(request)
        endpoint, doing, failed, recent = await look(self._sender.database, lambda: self._read(caller, number))
        shown: dict[str, Any] = {"tested": "", "secret": None, "wrong": None, "result": None} | values
        if shown["tested"]:
            _, shown["result"] = await self._result(request, shown["tested"])
        shown |= {"doing": doing, "endpoint": doing.document, "etag": etag_of(endpoint), "failed": failed}
        return self._house.page(request, "webhook.html", status, **shown, recent=recent, one=_path(request))

    def _read(self, caller: Caller, number: int) -> Operation[tuple[Endpoint, Doing, list[Any], list[Any]]]:
        endpoint = yield from self._edits.get(caller, number)
        [doing] = yield from doings_of(self._sender.endpoints, [endpoint], self._sender.database.clock())
        wanted = Filter(endpoint_id=number)
        recent, _ = yield from list_deliveries(caller, wanted, Cursor(), RECENT)
        failed, _ = yield from list_deliveries(caller, Filter(number, state=State.DEAD), Cursor(), 1)
        trouble = failed or [one for one in recent if one["state"] == "pending" and one["reason"]][:1]
        return endpoint, doing, trouble, recent

    async def _result(self, request: Request, event: str) -> tuple[Endpoint, dict[str, Any]]:
        """Return the endpoint, and what was asked and answered in a test, as far as it is known."""
        caller, number, event_id = self._house.caller(request), _number(request), parse_id("evt", event, "test")

        def read() -> Operation[tuple[Endpoint, dict[str, Any]]]:
            endpoint = yield from self._edits.get(caller, number)
            rows, _ = yield from list_deliveries(caller, Filter(number), Cursor(event_id, ID_LIMIT - 1), 1)
            if not rows or rows[0]["event_id"] != event:
                return endpoint, {"delivery": None, "request": ""}
            key = read_cursor(rows[0]["id"])
            delivery = yield from get_delivery(caller, key.event_id, key.lane_id)
            return endpoint, {"delivery": delivery, "request": request_of(endpoint, delivery)}

        return await look(self._sender.database, read)


def _number(request: Request) -> int:
    return parse_id("ep", request.path_params["endpoint_id"], "endpoint_id")


def _path(request: Request) -> str:
    return f"{PATH}/{format_id('ep', _number(request))}"


def _deleted(request: Request) -> str:
    text = request.query_params.get("deleted", "")
    return format_id("ep", parse_id("ep", text, "deleted")) if text else ""
