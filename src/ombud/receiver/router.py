"""Routers: handlers and what goes around them, collected in any module and included in an inbox or another router."""

import inspect
from collections.abc import Callable
from typing import TypeVar, Unpack, overload

from ombud.errors import ConfigurationError
from ombud.receiver.arrival import UNKNOWN
from ombud.receiver.handlers import Handler, Scope, make_handler, make_middleware, make_mourner
from ombud.receiver.options import Options
from ombud.receiver.supply import Function

F = TypeVar("F", bound=Function)


class Router:
    """Takes handlers. What is added after it was included is included all the same."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        # Names of handlers that are gone for good, so that a new one is not taken for them.
        self.retired: set[str] = set()
        self.scope = Scope()
        self.own_starts: list[Function] = []
        self.included: list[Router] = []
        self.parents: list[tuple[Router, str]] = []

    def on(self, *event_types: str, **options: Unpack[Options]) -> Callable[[F], F]:
        """Have the function called for these event types: `order.new`, `order.*`, `*`.

        Its arguments are supplied by their annotations; what it may say by `options` is in docs/handlers.md. What a
        handler was told is remembered under its `name`, the function's own if none is given: under a new name it is a
        new handler. Raises ConfigurationError, at import, for what cannot be supplied or meant.
        """
        if any(callable(event_type) for event_type in event_types):
            raise ConfigurationError('A handler says for which events: @inbox.on("order.new"), not @inbox.on.')

        def register(function: F) -> F:
            self.add(make_handler(function, event_types, options, self.scope))
            return function

        return register

    @overload
    def on_unknown(self, function: F, /) -> F: ...

    @overload
    def on_unknown(self, /, **options: Unpack[Options]) -> Callable[[F], F]: ...

    def on_unknown(self, function: F | None = None, /, **options: Unpack[Options]) -> F | Callable[[F], F]:
        """Have the function called for webhooks of types that this version does not know, once for each that comes.

        It asks for `UnknownEvent`, and for `Context`. Nothing is read, so nothing is confirmed: whoever knows the token
        can send one. With options it is `@inbox.on_unknown(name="…")`.
        """
        if function is not None:
            return self.on(UNKNOWN)(function)
        return self.on(UNKNOWN, **options)

    def hears(self, event_type: str) -> bool:
        """Whether any handler wants this event type."""
        return any(event_type in handler.said.event_types for handler in self.handlers.values())

    def on_start(self, function: F) -> F:
        """Have the function called, without arguments, where handlers run, before the first of them does.

        In each process of handlers, and on their event loop if it is async: the place for clients that belong to one.
        """
        if inspect.signature(function).parameters:
            raise ConfigurationError(f"on_start {function!r}: it takes no arguments.")
        self.own_starts.append(function)
        return function

    def on_dead(self, function: F) -> F:
        """Have the function called when a run of this router's handlers is given up, with `Failure` for the reason.

        At least once: when the process dies meanwhile, the last try and this call are repeated. What it raises is only
        logged.
        """
        self.scope.mourners.append(make_mourner(function))
        return function

    def middleware(self, function: F) -> F:
        """Have the function called around each run of this router's handlers; the first one added is the outermost.

        It is async and awaits its parameter of type `Proceed`. What the handler raises passes through it.
        """
        self.scope.middleware.append(make_middleware(function))
        return function

    def include(self, router: "Router", *, prefix: str = "") -> None:
        """Take in another router, now and from now on; `prefix` stands before the names of its handlers.

        Raises ConfigurationError for two handlers of a name, and for a router that would include itself.
        """
        if router is self or self in router.all_routers:
            raise ConfigurationError("A router cannot include itself.")
        router.parents.append((self, prefix))
        self.included.append(router)
        for handler in list(router.handlers.values()):
            self.add(handler.within(prefix, self.scope))

    def retire(self, *names: str) -> None:
        """Say that the handlers of these names are gone for good: no new name can be a rename of one of them."""
        self.retired.update(names)

    @property
    def all_routers(self) -> list["Router"]:
        """This one, and all that it includes, each once."""
        found = [self]
        for router in self.included:
            found += [one for one in router.all_routers if one not in found]
        return found

    @property
    def starts(self) -> list[Function]:
        """What is to be called before the first handler."""
        return [function for router in self.all_routers for function in router.own_starts]

    @property
    def all_retired(self) -> set[str]:
        """The names that are gone, of all that is included."""
        return {name for router in self.all_routers for name in router.retired}

    def add(self, handler: Handler) -> None:
        """Take a handler, here and wherever this is included; raises ConfigurationError when its name is taken."""
        # Looked at everywhere first: a clash far up must leave nothing half added.
        for router, name in self.places(handler.name):
            if name in router.handlers:
                raise ConfigurationError(f"Two handlers are named {name!r}. Give one of them a name=….")
        self.handlers[handler.name] = handler
        for parent, prefix in self.parents:
            parent.add(handler.within(prefix, parent.scope))

    def places(self, name: str) -> list[tuple["Router", str]]:
        """Return where a handler of this name stands, and under which name there."""
        places = [(self, name)]
        for parent, prefix in self.parents:
            places += parent.places(f"{prefix}{name}")
        return places
