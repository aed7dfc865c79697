"""Which connections belong to which event loop: each has its own, and callers without a loop share one in a thread."""

import asyncio
import os
import weakref
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from ombud.db.loop_thread import LoopThread
from ombud.db.postgres_connect import Server
from ombud.db.postgres_engine import Engine

T = TypeVar("T")

# Seconds that closing waits for another thread's event loop: less than a supervisor waits.
CLOSE_SECONDS = 3.0

# A forked child keeps its parent's connections and loops, neither used nor closed: what ends there would take leave of
# the server, or close what the parent's loop waits with, in the parent's name.
_open: "weakref.WeakSet[Loops]" = weakref.WeakSet()
_held: list[list["Loops"]] = []
os.register_at_fork(before=lambda: _held.append(list(_open)), after_in_parent=_held.clear)


class Loops:
    """The engines of this process on one database."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._engines: dict[asyncio.AbstractEventLoop, tuple[Engine, AsyncIterator[None]]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self.thread = LoopThread("ombud-postgres")
        _open.add(self)

    async def here(self) -> Engine:
        """Return the engine of this event loop.

        It closes when the loop shuts down its asynchronous generators, as `asyncio.run` does.
        """
        loop = asyncio.get_running_loop()
        found = self._engines.get(loop)
        if found:
            return found[0]
        engine = Engine(self._server, patient=loop is self.thread.loop)
        life = self._live(loop, engine)
        self._engines[loop] = engine, life
        await anext(life)
        return engine

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine on this event loop, for whom nobody waits."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Close all engines; that of this thread's own loop when the loop goes on."""
        for loop, (engine, _) in list(self._engines.items()):
            if loop is self.thread.loop:
                self.thread.run(engine.close())
            elif loop is _running_loop():
                self.start(engine.close())
            elif loop.is_running():
                with suppress(TimeoutError):
                    asyncio.run_coroutine_threadsafe(engine.close(), loop).result(CLOSE_SECONDS)
        self.thread.close()

    async def _live(self, loop: asyncio.AbstractEventLoop, engine: Engine) -> AsyncIterator[None]:
        """Stand among the loop's asynchronous generators: it ends them before it ends itself."""
        try:
            yield
        finally:
            self._engines.pop(loop, None)
            await engine.close()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
