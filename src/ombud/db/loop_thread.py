"""An event loop in a thread of its own, for callers that have none."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from ombud.errors import StorageUnavailable

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for other threads. Whoever forks leaves it behind: a child has no such thread."""

    def __init__(self, name: str) -> None:
        self._begun = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name=name, daemon=True)
        self._thread.start()
        self._begun.wait()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it there and return what it returns; blocks. Raises StorageUnavailable when the loop is closed."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("this would wait for itself: what runs after a commit must not block")
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError:
            coroutine.close()
            raise StorageUnavailable("The database is being closed; nothing was stored.") from None
        try:
            return future.result()
        except CancelledError:
            raise StorageUnavailable(
                "The database was closed meanwhile; nobody knows whether this was stored."
            ) from None

    def call_soon(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have a function called there; never fails, and never waits."""
        try:
            self.loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return

    def close(self) -> None:
        """End the loop and its thread; what still runs there is cancelled."""
        self.call_soon(self._over.set)
        self._thread.join()

    async def _live(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._begun.set()
        await self._over.wait()
