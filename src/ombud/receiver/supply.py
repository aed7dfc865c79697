"""The arguments of your functions, by their annotations; what cannot be supplied is refused at import."""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ombud.client import Order, Product, UnexpectedAnswer, read_order, read_product
from ombud.clock import utc
from ombud.errors import ConfigurationError
from ombud.receiver.arrival import UNKNOWN, parameters_of
from ombud.receiver.model import Call, Change, Context, Event, Failure, OrderId, Proceed, ProductId, UnknownEvent
from ombud.wire import EVENT_TYPES

Function = Callable[..., Any]
Supply = Callable[[Call], Any]


def _order(call: Call) -> Order | None:
    return None if call.after is None else read_order(call.after)


def _product(call: Call) -> Product | None:
    """Give the product as it is; of a deleted one what this handler last knew."""
    document = call.before if call.after is None else call.after
    return None if document is None else read_product(document)


def _change(call: Call) -> Change:
    read = read_order if EVENT_TYPES.get(call.event_type) == "order" else read_product
    after = None if call.after is None else read(call.after)
    try:
        before = None if call.before is None else read(call.before)
    except UnexpectedAnswer:
        before = None  # a list had it, and nobody could read it
    return Change(before, after, call.source)


def _context(call: Call) -> Context:
    about = (call.key, call.handler, call.shop, call.attempt, utc(call.received_at), call.source)
    return Context(*about, tuple(call.arrivals), frozenset(call.applied))


def _event(call: Call) -> Event:
    return Event(call.event_type, _object_id(call), call.shop)


def _unknown(call: Call) -> UnknownEvent:
    parameters = parameters_of(call.note)
    return UnknownEvent(parameters.get("event_type", ""), parameters, call.shop)


def _object_id(call: Call) -> str:
    return call.subject.partition("/")[2]


# What an annotation may ask for, and for which kind of event (None: any).
SUPPLIES: Mapping[Any, tuple[str | None, Supply]] = {
    Order: ("order", _order),
    OrderId: ("order", lambda call: OrderId(_object_id(call))),
    Product: ("product", _product),
    ProductId: ("product", lambda call: ProductId(_object_id(call))),
    Change: (None, _change),
    Event: (None, _event),
    Context: (None, _context),
}
# What there is for a webhook of a type that is not known: nobody reads what it is about.
OF_THE_UNKNOWN: Mapping[Any, tuple[str | None, Supply]] = {UnknownEvent: (None, _unknown), Context: (None, _context)}
# What is made of an object that was read; without a confirmation there is none.
OBJECTS = frozenset({Order, Product, Change})
# What there is besides for who hears that a run was given up, and for middleware.
OF_THE_DEAD: Mapping[Any, tuple[str | None, Supply]] = {Failure: (None, lambda call: Failure(call.failure or ""))}
# The supply of `Proceed` is filled in when the chain is made: it is another one for each run.
OF_MIDDLEWARE: Mapping[Any, tuple[str | None, Supply]] = {Proceed: (None, lambda _call: None)}


@dataclass(frozen=True)
class Wish:
    """One parameter: its name, the type it asks for, and how to make that of a call."""

    name: str
    type: Any
    supply: Supply


@dataclass(frozen=True)
class Asking:
    """Whose function asks, in words, for which kinds of events, and what there is for it besides `SUPPLIES`."""

    who: str
    kinds: frozenset[str]
    besides: Mapping[Any, tuple[str | None, Supply]]

    def wishes(self, function: Function) -> Sequence[Wish]:
        """Return what the function asks for; raises ConfigurationError with the list of what exists."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError(f"{self.who} is a generator, which does nothing when called. Use no yield in it.")
        try:
            hints = typing.get_type_hints(function if inspect.isroutine(function) else type(function).__call__)
        except (NameError, AttributeError, SyntaxError, TypeError) as error:
            raise ConfigurationError(f"{self.who}: an annotation cannot be resolved: {error}.") from None
        parameters = inspect.signature(function).parameters.values()
        return [self._wish(parameter, hints.get(parameter.name, object)) for parameter in parameters]

    def _wish(self, parameter: inspect.Parameter, hint: Any) -> Wish:
        supply = self._able().get(hint) if _hashable(hint) else None
        by_name = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if supply is None or not by_name:
            raise ConfigurationError(
                f"{self.who}: parameter {parameter.name!r} cannot be supplied for {' and '.join(sorted(self.kinds))}"
                f" events. Annotate it with one of: {', '.join(asked.__name__ for asked in self._able())}."
            )
        return Wish(parameter.name, hint, supply)

    def _able(self) -> Mapping[Any, Supply]:
        every = OF_THE_UNKNOWN if self.kinds == {UNKNOWN} else {**SUPPLIES, **self.besides}
        return {asked: supply for asked, (kind, supply) in every.items() if kind is None or self.kinds == {kind}}


def _hashable(hint: Any) -> bool:
    try:
        hash(hint)
    except TypeError:
        return False
    return True
