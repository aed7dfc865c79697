"""POST /v1/events as plain ASGI: the hot path of a publisher."""

import math
import re
from asyncio import sleep
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ombud.admin.access import OPERATOR, Caller
from ombud.errors import InvalidInput, OmbudError
from ombud.mailbox.ids import format_id
from ombud.sender.outbox import DEFAULT_SHOP_ID, Event, Published
from ombud.sender.sender import Sender
from ombud.web.auth import CALLER
from ombud.web.brakes import Brake
from ombud.web.event_lines import are_lines, read_lines
from ombud.web.limits import read_body
from ombud.web.problems import problem, problem_of
from ombud.wire import EVENT_TYPES, PARAMETER_OF

INTAKE_PATH = "/v1/events"
# Events in one request: they share one transaction, and everybody else's writes wait for it.
EVENTS_PER_REQUEST = 1_000
# Below this every whole number is a float of its own (IEEE 754, binary64): from here on two spellings may be one.
EXACT = 1 << 53
# Seconds' worth of events that a key may publish at once, where its rate is limited: a campaign, not a flood.
BURST_SECONDS = 10


class EventBody(msgspec.Struct, forbid_unknown_fields=True):
    """An event as a publisher writes it."""

    event_type: str
    order_id: str | int | float | None = None
    product_id: str | int | float | None = None
    event_key: str | None = None
    shop_id: int | float | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(EventBody | list[EventBody])
_line_decoder = msgspec.json.Decoder(EventBody)
_TOO_MANY = "This key publishes more than OMBUD_EVENTS_PER_SECOND; nothing was stored. Wait, as Retry-After says."


class Intake:
    """Takes events in: one, an array that is stored all or nothing, or lines of which each read is stored at once."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        rate = sender.settings.events_per_second
        self._brake = Brake(round(rate * BURST_SECONDS), 1 / rate) if rate else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one POST."""
        answer = self._take_lines if are_lines(scope) else self._take
        response = await answer(receive, scope[CALLER])
        await response(scope, receive, send)

    async def _take(self, receive: Receive, caller: Caller) -> Response:
        try:
            bodies = decode(await read_body(receive))
            events = events_of(bodies, caller)
            if wait := self._wait(caller):
                return problem(429, _TOO_MANY, headers={"Retry-After": str(math.ceil(wait))})
            self._count(caller, len(events))
            published = await self._sender.publish(events)
        except OmbudError as error:
            return problem_of(error)
        documents = [_document(event, stored) for event, stored in zip(events, published, strict=True)]
        answer: Any = {"events": documents} if isinstance(bodies, list) else documents[0]
        return Response(msgspec.json.encode(answer), 201, media_type="application/json")

    async def _take_lines(self, receive: Receive, caller: Caller) -> Response:
        stored = deliveries = 0
        try:
            async for lines in read_lines(receive, EVENTS_PER_REQUEST):
                events = [_event_of(number, line, caller) for number, line in lines]
                # Whoever streams is slowed down instead of turned away.
                await sleep(self._wait(caller))
                self._count(caller, len(events))
                published = await self._sender.publish(events)
                stored += len(events)
                deliveries += sum(one.deliveries for one in published)
        except OmbudError as error:
            return problem_of(error, stored=stored)
        answer = msgspec.json.encode({"stored": stored, "deliveries": deliveries})
        return Response(answer, 201, media_type="application/json")

    def _wait(self, caller: Caller) -> float:
        return self._brake.wait(caller.name) if self._brake else 0.0

    def _count(self, caller: Caller, events: int) -> None:
        if self._brake:
            self._brake.take(caller.name, events)


def decode(body: bytes) -> EventBody | list[EventBody]:
    """Read a body; raises InvalidInput naming the field, or the body when it is not JSON."""
    try:
        bodies: EventBody | list[EventBody] = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput("body", f"The body is not JSON: {error}.") from None
    if isinstance(bodies, list) and len(bodies) > EVENTS_PER_REQUEST:
        raise InvalidInput("body", f"{len(bodies)} events at once; {EVENTS_PER_REQUEST} is the most.")
    return bodies


def _event_of(number: int, line: bytes, caller: Caller) -> Event:
    """Make the event of a line; raises InvalidInput whose field says which line and what of it: `[3].order_id`."""
    try:
        return _event(_line_decoder.decode(line), caller)
    except msgspec.ValidationError as error:
        wrong = _invalid(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        wrong = InvalidInput("", f"It is not JSON: {error}.")
    except InvalidInput as error:
        wrong = error
    field = f".{wrong.field}" if wrong.field not in ("", "body") else ""
    raise InvalidInput(f"[{number - 1}]{field}", f"Line {number}: {wrong}")


def events_of(bodies: EventBody | list[EventBody], caller: Caller = OPERATOR) -> list[Event]:
    """Make events; raises InvalidInput whose field says which one and what of it: `[3].order_id`.

    Raises Forbidden for another shop than the caller's.
    """
    if isinstance(bodies, EventBody):
        return [_event(bodies, caller)]
    events = []
    for place, body in enumerate(bodies):
        try:
            events.append(_event(body, caller))
        except InvalidInput as error:
            raise InvalidInput(f"[{place}].{error.field}", str(error)) from None
    return events


def _event(body: EventBody, caller: Caller) -> Event:
    wanted = PARAMETER_OF.get(body.event_type)
    if wanted is None:
        raise InvalidInput("event_type", f"{body.event_type!r} is not one of: {', '.join(EVENT_TYPES)}.")
    object_id, stray, other = body.order_id, body.product_id, "product_id"
    if wanted != "order_id":
        object_id, stray, other = stray, object_id, "order_id"
    if object_id is None:
        raise InvalidInput(wanted, f"{body.event_type} needs {wanted}.")
    if stray is not None:
        raise InvalidInput(other, f"{body.event_type} has no {other}.")
    named = None if body.shop_id is msgspec.UNSET else _whole(body.shop_id, "shop_id")
    shop_id = caller.shop_for(named, DEFAULT_SHOP_ID)
    if not isinstance(object_id, str):
        object_id = str(_whole(object_id, wanted))
    return Event(body.event_type, object_id, shop_id, body.event_key)


def _whole(number: float, field: str) -> int:
    """Return a number as JSON Schema counts: 7.0 is whole. Raises InvalidInput, also where 7.0 might have been 8.0."""
    if isinstance(number, float):
        if not number.is_integer():
            raise InvalidInput(field, "It is a whole number.")
        if abs(number) >= EXACT:
            raise InvalidInput(field, "A whole number as large as this is written without a point or an exponent.")
    return int(number)


def _invalid(message: str) -> InvalidInput:
    """Turn msgspec's "Expected `str`, got `array` - at `$[3].event_type`" into the field and the rest."""
    # A float is taken where it is whole.
    text, _, place = message.replace("int | float", "int").partition(" - at `$")
    field = place.removesuffix("`").removeprefix(".")
    if unknown := re.search(r"unknown field `(.*)`", text):
        field = f"{field}.{unknown[1]}".removeprefix(".")
    if missing := re.search(r"missing required field `(.*)`", text):
        field = f"{field}.{missing[1]}".removeprefix(".")
    return InvalidInput(field or "body", f"{text}.")


def _document(event: Event, stored: Published) -> dict[str, Any]:
    return {
        "id": format_id("evt", stored.event_id),
        "event_type": event.event_type,
        "subject": event.subject,
        "deliveries": stored.deliveries,
    }
