"""Handlers: your functions, what each says of itself, and what of their routers goes with them."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ombud.client import Product
from ombud.errors import ConfigurationError
from ombud.receiver.arrival import UNKNOWN
from ombud.receiver.model import Call, Proceed
from ombud.receiver.options import HandlerFacts, Options, read_options
from ombud.receiver.supply import OBJECTS, OF_MIDDLEWARE, OF_THE_DEAD, Asking, Function, Wish
from ombud.wire import EVENT_TYPES

Chain = Callable[[], Any]
EVERY_KIND = frozenset(EVENT_TYPES.values())


@dataclass(frozen=True)
class Extra:
    """A function beside the handlers, with what it asks for."""

    name: str
    function: Function
    wishes: Sequence[Wish]

    def invoke(self, call: Call, proceed: Proceed | None = None) -> Any:
        """Call it."""
        return self.function(
            **{wish.name: proceed if wish.type is Proceed else wish.supply(call) for wish in self.wishes}
        )


@dataclass(frozen=True)
class Scope:
    """What holds for every handler of a router, also for those that come later."""

    middleware: list[Extra] = field(default_factory=list)
    mourners: list[Extra] = field(default_factory=list)


@dataclass(frozen=True)
class Handler:
    """A function with the event types it wants, and how to make its arguments."""

    said: HandlerFacts
    function: Function
    wishes: Sequence[Wish]
    scopes: Sequence[Scope] = ()  # the outermost first

    @property
    def name(self) -> str:
        """The name under which its ledger is kept."""
        return self.said.name

    @property
    def timeout_seconds(self) -> float:
        """Seconds that one run may take."""
        return self.said.timeout_seconds

    @property
    def facts(self) -> HandlerFacts:
        """What another process may know of it."""
        return replace(self.said, mourned=any(scope.mourners for scope in self.scopes))

    @property
    def is_async(self) -> bool:
        """Whether it runs on the loop; a plain function gets a thread."""
        return inspect.iscoroutinefunction(self.function)

    @property
    def middleware(self) -> Sequence[Extra]:
        """What goes around each run, the outermost first."""
        return [extra for scope in self.scopes for extra in scope.middleware]

    @property
    def mourners(self) -> Sequence[Extra]:
        """Who hears that a run was given up, the innermost first."""
        return [extra for scope in reversed(self.scopes) for extra in scope.mourners]

    def invoke(self, call: Call) -> Any:
        """Call the function with the arguments it asks for."""
        return self.function(**{wish.name: wish.supply(call) for wish in self.wishes})

    def within(self, prefix: str, scope: Scope) -> "Handler":
        """Return it as a router sees it that includes its own."""
        said = replace(self.said, name=f"{prefix}{self.said.name}")
        return replace(self, said=said, scopes=(scope, *self.scopes))


def make_handler(function: Function, patterns: Sequence[str], options: Options, scope: Scope | None = None) -> Handler:
    """Check a function and what it says of itself; raises ConfigurationError, at import, with what exists."""
    name = options.get("name") or str(getattr(function, "__name__", ""))
    if not name:
        raise ConfigurationError(f"{function!r} has no name. Give it one with name=…: its ledger is kept under it.")
    said = read_options(name, patterns, options)
    kinds = frozenset(EVENT_TYPES.get(event_type, UNKNOWN) for event_type in said.event_types)
    wishes = Asking(f"Handler {name}", kinds, {}).wishes(function)
    if said.allow_unknown and any(wish.type is Product for wish in wishes):
        raise ConfigurationError(
            f"Handler {name}: allow_unknown=True tells of products that nobody here has seen. Ask for Change, in which"
            " both are None then, or ProductId, not for Product."
        )
    said = replace(said, needs_object=any(wish.type in OBJECTS for wish in wishes))
    return Handler(said, function, wishes, () if scope is None else (scope,))


def make_middleware(function: Function) -> Extra:
    """Check a function that goes around runs; raises ConfigurationError."""
    extra = _extra("Middleware", function, OF_MIDDLEWARE)
    if not inspect.iscoroutinefunction(function) or all(wish.type is not Proceed for wish in extra.wishes):
        raise ConfigurationError(
            f"Middleware {extra.name}: it is an async function with a parameter of type Proceed, and awaits it."
        )
    return extra


def make_mourner(function: Function) -> Extra:
    """Check a function that hears of runs that were given up; raises ConfigurationError."""
    return _extra("on_dead", function, OF_THE_DEAD)


def _extra(what: str, function: Function, besides: Any) -> Extra:
    name = str(getattr(function, "__name__", repr(function)))
    return Extra(name, function, Asking(f"{what} {name}", EVERY_KIND, besides).wishes(function))
