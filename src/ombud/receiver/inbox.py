"""What an integrator writes against: an inbox, its handlers, and the callables that a web server mounts.

Making one does no input or output: the database is opened when it is first needed, in the process that needs it.
"""

import importlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

from ombud.db.connect import open_database
from ombud.errors import ConfigurationError
from ombud.receiver.asgi import AsgiHook
from ombud.receiver.embedded import Embedded
from ombud.receiver.handlers import HANDLER_SECONDS, Function, Handler, make_handler
from ombud.receiver.hook import Hook
from ombud.receiver.receiver import Receiver
from ombud.receiver.wsgi import StartResponse, answer_wsgi
from ombud.settings import Settings, read_settings

F = TypeVar("F", bound=Function)


class Inbox:
    """Receives webhooks durably, confirms them by the shop's API, and calls handlers once per real change."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.handlers: dict[str, Handler] = {}
        self._opened: tuple[int, Receiver, Hook] | None = None
        self._embedded: Embedded | None = None
        self.asgi = AsgiHook(self)

    @classmethod
    def from_env(cls) -> "Inbox":
        """Read the settings from the environment; raises ConfigurationError naming the one that is wrong."""
        return cls(read_settings(os.environ))

    def on(
        self, *event_types: str, name: str | None = None, timeout_seconds: float = HANDLER_SECONDS
    ) -> Callable[[F], F]:
        """Have the function called for these event types. Its arguments are supplied by their annotations.

        What a handler was told is remembered under its `name`, the function's own if none is given: under a new name it
        is a new handler. Raises ConfigurationError for an annotation that cannot be supplied.
        """

        def register(function: F) -> F:
            handler = make_handler(function, event_types, name or function.__name__, timeout_seconds)
            if handler.name in self.handlers:
                raise ConfigurationError(f"Two handlers are named {handler.name!r}. Give one of them a name=….")
            self.handlers[handler.name] = handler
            return function

        return register

    @property
    def receiver(self) -> Receiver:
        """The receiver on this inbox's database, opened in this process; raises ConfigurationError."""
        return self._open()[0]

    @property
    def hook(self) -> Hook:
        """The ack path in this process."""
        return self._open()[1]

    def wsgi(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer a hook under WSGI: the commit happens in the request's own thread. `ombud work` performs."""
        return answer_wsgi(self, environ, start_response)

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Perform beside a web app: `FastAPI(lifespan=inbox.lifespan)`. Several workers may; one is elected."""
        self.start_embedded()
        try:
            yield
        finally:
            await self.stop_embedded()

    @property
    def started(self) -> bool:
        """Whether this process performs, or stands by to, or has been told to leave it to another."""
        return self._embedded is not None or self.settings.perform == "elsewhere"

    def leave_work(self) -> None:
        """Leave reading and calling to another process, or to another part of this one."""
        self.settings = replace(self.settings, perform="elsewhere")

    def start_embedded(self) -> None:
        """Read and call in a thread of this process, unless the settings leave that to another one."""
        if self._embedded is None and self.settings.perform == "here":
            self._embedded = Embedded(self.receiver, self.handlers)
            self._embedded.start()

    async def stop_embedded(self) -> None:
        """End what `start_embedded` began: what is in flight has a few seconds."""
        if self._embedded is not None:
            await self._embedded.stop()
            self._embedded = None

    def _open(self) -> tuple[Receiver, Hook]:
        if self._opened is None or self._opened[0] != os.getpid():
            receiver = Receiver(open_database(self.settings.database_url), self.settings)
            self._opened = (os.getpid(), receiver, Hook(receiver))
        return self._opened[1:]


def load_inbox(target: str) -> Inbox:
    """Import `module:name`, with the current folder on the path; raises ConfigurationError that says what is wrong."""
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise ConfigurationError(f"{target!r} does not name an inbox. It looks like app:inbox.")
    sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigurationError(f"Cannot import {module_name!r}: {error}.") from error
    inbox = getattr(module, attribute, None)
    if not isinstance(inbox, Inbox):
        raise ConfigurationError(f"{module_name!r} has no Inbox named {attribute!r}.")
    return inbox
