"""What an integrator writes against: an inbox, its handlers, and the callables that a web server mounts.

Making one does no input or output: the database is opened when it is first needed, in the process that needs it.
"""

import importlib
import os
import sys
import threading
import traceback
import weakref
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ombud.client import AsyncShopClient, ShopClient
from ombud.db.connect import open_database
from ombud.errors import ConfigurationError, OmbudError
from ombud.receiver.arrival import UNKNOWN
from ombud.receiver.asgi import AsgiHook
from ombud.receiver.embedded import Embedded
from ombud.receiver.hook import Hook
from ombud.receiver.own_client import Own, OwnBlockingClient, OwnClient, own_of
from ombud.receiver.receiver import Receiver
from ombud.receiver.redaction import redact_access_logs
from ombud.receiver.router import Router
from ombud.receiver.rsgi import RsgiHook
from ombud.receiver.wsgi import StartResponse, answer_wsgi
from ombud.settings import Settings, read_settings


class Opened(NamedTuple):
    """What a process has opened: the receiver on the inbox's database, and the ack path."""

    receiver: Receiver
    hook: Hook


_inboxes: "weakref.WeakSet[Inbox]" = weakref.WeakSet()


class Inbox(Router):
    """Receives webhooks durably, confirms them by the shop's API, and calls handlers once per real change."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        # What this process has opened.
        self.opened: Opened | None = None
        self._opening = threading.Lock()
        self._embedded: Embedded | None = None
        self.asgi = AsgiHook(self)
        self.rsgi = RsgiHook(self)
        _inboxes.add(self)

    @classmethod
    def from_env(cls) -> "Inbox":
        """Read the settings from the environment; raises ConfigurationError naming the one that is wrong."""
        return cls(read_settings(os.environ))

    @property
    def receiver(self) -> Receiver:
        """The receiver on this inbox's database, opened in this process; raises ConfigurationError."""
        return self.open().receiver

    @property
    def hook(self) -> Hook:
        """The ack path in this process."""
        return self.open().hook

    def client(self, *, silent: Collection[str] = (), shop: str | None = None) -> AsyncShopClient:
        """Return a client for a shop of this inbox, the only one if none is named.

        `silent`: the names of handlers that need not hear of what is written through it: fields of products, their
        deletion, the state of orders. A handler that brings the shop's changes to another system is told nothing of
        those that came from there, or the two would answer each other for ever. It shares the budget of the shop's key
        with the inbox's reads. Raises ConfigurationError for a handler or a shop that is not there.
        """
        return OwnClient(self._own(silent, shop))

    def blocking_client(self, *, silent: Collection[str] = (), shop: str | None = None) -> ShopClient:
        """Return the same as `client` for plain handlers, which do not await."""
        return OwnBlockingClient(self._own(silent, shop))

    def _own(self, silent: Collection[str], shop: str | None) -> Own:
        for name in silent:
            if name not in self.handlers:
                raise ConfigurationError(f"There is no handler {name!r}. There are: {', '.join(self.handlers)}.")
        return own_of(self.receiver, shop, silent)

    @property
    def is_open(self) -> bool:
        """Whether this process has the database open already."""
        return self.opened is not None

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
            self.close()

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
            embedded = Embedded(self.receiver, self)
            embedded.start()
            self._embedded = embedded

    async def stop_embedded(self) -> None:
        """End what `start_embedded` began: what is in flight has a few seconds."""
        if self._embedded is not None:
            await self._embedded.stop()
            self._embedded = None

    def close(self) -> None:
        """Commit what waits and close the database; what is needed later opens it again."""
        with self._opening:
            opened, self.opened = self.opened, None
            if opened is not None:
                opened.receiver.close()

    def open_on(self, receiver: Receiver) -> None:
        """Use this receiver until `close`, in place of one on the database of the settings: for tests."""
        self.opened = Opened(receiver, self._make_hook())

    def open(self) -> Opened:
        """Open the database, or return what is open; raises ConfigurationError."""
        if self.opened is not None:
            return self.opened
        # Several threads of a WSGI server may take their first webhook at once.
        with self._opening:
            if self.opened is None:
                receiver = Receiver(open_database(self.settings.database_url), self.settings)
                opened = Opened(receiver, self._make_hook())
                redact_access_logs(opened.hook)
                self.opened = opened
            return self.opened

    def _make_hook(self) -> Hook:
        return Hook(self.settings, lambda: self.hears(UNKNOWN))

    def _forget(self) -> None:
        """In a forked child: nothing of its parent's can be used, and nobody is opening anything."""
        self.opened, self._opening = None, threading.Lock()


def _forget_all() -> None:
    for inbox in list(_inboxes):
        inbox._forget()  # noqa: SLF001 - its own module


os.register_at_fork(after_in_child=_forget_all)


def load_inbox(target: str) -> Inbox:
    """Import `module:name`, with the current folder on the path; raises ConfigurationError that says what is wrong."""
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise ConfigurationError(f"{target!r} does not name an inbox. It looks like app:inbox.")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except OmbudError:
        raise
    except ModuleNotFoundError as error:
        if error.name != module_name.partition(".")[0]:
            raise ConfigurationError(f"Cannot import {module_name!r}: {_said(error)}") from error
        raise ConfigurationError(
            f"There is no module {module_name!r} in {Path.cwd()}, nor installed. Start this in the folder that has it."
        ) from error
    except (Exception, SystemExit) as error:
        raise ConfigurationError(f"Cannot import {module_name!r}: {_said(error)}") from error
    inbox = getattr(module, attribute, None)
    if not isinstance(inbox, Inbox):
        there = sorted(name for name, one in vars(module).items() if isinstance(one, Inbox))
        has = f"Say {' or '.join(f'{module_name}:{name}' for name in there)}." if there else "It has none."
        raise ConfigurationError(f"{module_name!r} has no Inbox named {attribute!r}. {has}")
    return inbox


def _said(error: BaseException) -> str:
    """Return what went wrong in somebody's module, and in which line of it."""
    ours = {__file__, importlib.__file__}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename not in ours]
    theirs = [frame for frame in frames if not frame.filename.startswith("<frozen")]
    place = f" ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno})" if theirs else ""
    return f"{type(error).__name__}: {error}{place}"
