"""Handlers: your functions, what they want, and the arguments that their annotations ask for."""

import inspect
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ombud.client import Order, Product, read_order, read_product
from ombud.errors import ConfigurationError
from ombud.receiver.model import Call, Change, Context, Event, OrderId, ProductId
from ombud.wire import EVENT_TYPES

# Seconds that one run may take before it is cut and tried again.
HANDLER_SECONDS = 60.0

Function = Callable[..., Any]
Supply = Callable[[Call], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _order(call: Call) -> Order | None:
    return None if call.after is None else read_order(call.after)


def _product(call: Call) -> Product | None:
    """Give the product as it is; of a deleted one what this handler last knew."""
    document = call.before if call.after is None else call.after
    return None if document is None else read_product(document)


def _change(call: Call) -> Change:
    read = read_order if EVENT_TYPES[call.event_type] == "order" else read_product
    before, after = (None if document is None else read(document) for document in (call.before, call.after))
    return Change(before, after, call.source)


def _context(call: Call) -> Context:
    received_at = _EPOCH + timedelta(microseconds=call.received_at)
    return Context(call.key, call.handler, call.shop, call.attempt, received_at)


def _event(call: Call) -> Event:
    return Event(call.event_type, call.subject.partition("/")[2], call.shop)


# What an annotation may ask for, and for which kind of event (None: any).
SUPPLIES: dict[type, tuple[str | None, Supply]] = {
    Order: ("order", _order),
    OrderId: ("order", lambda call: OrderId(call.subject.partition("/")[2])),
    Product: ("product", _product),
    ProductId: ("product", lambda call: ProductId(call.subject.partition("/")[2])),
    Change: (None, _change),
    Event: (None, _event),
    Context: (None, _context),
}


@dataclass(frozen=True)
class HandlerFacts:
    """What is known of a handler without its function."""

    name: str
    event_types: Sequence[str]
    timeout_seconds: float


@dataclass(frozen=True)
class Handler:
    """A function with the event types it wants, and how to make its arguments."""

    name: str
    event_types: Sequence[str]
    function: Function
    supplies: Sequence[tuple[str, Supply]]
    timeout_seconds: float

    @property
    def facts(self) -> HandlerFacts:
        """What another process may know of it."""
        return HandlerFacts(self.name, list(self.event_types), self.timeout_seconds)

    @property
    def is_async(self) -> bool:
        """Whether it runs on the loop; a plain function gets a thread."""
        return inspect.iscoroutinefunction(self.function)

    def invoke(self, call: Call) -> Any:
        """Call the function with the arguments it asks for."""
        return self.function(**{name: supply(call) for name, supply in self.supplies})


def make_handler(function: Function, event_types: Sequence[str], name: str, timeout_seconds: float) -> Handler:
    """Check a function; raises ConfigurationError, at import, with what exists."""
    if not name:
        raise ConfigurationError(f"{function!r} has no name. Give it one with name=…: its ledger is kept under it.")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"Handler {name} is a generator, which does nothing when called. Use no yield in it.")
    if not event_types:
        raise ConfigurationError(f"Handler {name}: name at least one event type: {', '.join(EVENT_TYPES)}.")
    for event_type in event_types:
        if event_type not in EVENT_TYPES:
            raise ConfigurationError(f"Handler {name}: {event_type!r} is not one of: {', '.join(EVENT_TYPES)}.")
    if not timeout_seconds > 0:
        raise ConfigurationError(f"Handler {name}: timeout_seconds must be above 0.")
    kinds = {EVENT_TYPES[event_type] for event_type in event_types}
    return Handler(name, tuple(event_types), function, _supplies(function, name, kinds), timeout_seconds)


def _supplies(function: Function, name: str, kinds: set[str]) -> list[tuple[str, Supply]]:
    try:
        hints = typing.get_type_hints(function if inspect.isroutine(function) else type(function).__call__)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise ConfigurationError(f"Handler {name}: an annotation cannot be resolved: {error}.") from None
    supplies = []
    for parameter in inspect.signature(function).parameters.values():
        kind, supply = SUPPLIES.get(hints.get(parameter.name, object), ("", None))
        by_name = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if supply is None or not by_name or (kind is not None and kinds != {kind}):
            raise ConfigurationError(
                f"Handler {name}: parameter {parameter.name!r} cannot be supplied for {' and '.join(sorted(kinds))}"
                f" events. Annotate it with one of: {_able(kinds)}."
            )
        supplies.append((parameter.name, supply))
    return supplies


def _able(kinds: set[str]) -> str:
    return ", ".join(asked.__name__ for asked, (kind, _) in SUPPLIES.items() if kind is None or kinds == {kind})
