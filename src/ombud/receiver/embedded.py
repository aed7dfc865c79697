"""Performing inside somebody's web process: a loop of its own in a thread of its own, never the server's.

It cannot promise what `ombud work` does: a handler that burns the processor slows the whole process.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Mapping, Sequence

from ombud.mailbox.model import Fault, Outcome, Retry
from ombud.mailbox.worker import STOP_SECONDS
from ombud.receiver.execute import execute
from ombud.receiver.handlers import Handler
from ombud.receiver.model import Call
from ombud.receiver.receiver import Receiver
from ombud.receiver.router import Router
from ombud.receiver.starting import call_starts
from ombud.receiver.supply import Function

log = logging.getLogger("ombud.receiver")

# Seconds until the work begins again after an error: nobody supervises a thread.
AGAIN_SECONDS = 5.0
# Seconds past what a stopping worker takes, before a loop that a handler holds up is left behind.
PATIENCE_SECONDS = 2.0


class LocalRunner:
    """Runs handlers on the loop that performs."""

    def __init__(self, handlers: Mapping[str, Handler], starts: Sequence[Function] = ()) -> None:
        self._handlers = handlers
        self._starts = starts
        self._starting = asyncio.Lock()
        self._started = False

    async def run(self, call: Call) -> Outcome:
        """Run it here; what is to be called before the first one has its next try with the next run, if it fails."""
        async with self._starting:
            if not self._started:
                try:
                    await call_starts(self._starts)
                except Exception as error:
                    log.exception("on_start failed, so no handler can run")
                    return Retry(f"on_start failed: {type(error).__name__}: {error}", fault=Fault.LANE)
                self._started = True
        return await execute(self._handlers[call.handler], call)


class Embedded:
    """The receiver's work in a thread."""

    def __init__(self, receiver: Receiver, router: Router) -> None:
        self._receiver = receiver
        self._router = router
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running = threading.Event()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), name="ombud-work", daemon=True)

    def start(self) -> None:
        """Begin; raises ConfigurationError when a key is missing, before anything runs."""
        self._receiver.check_keys()
        self._thread.start()

    async def stop(self) -> None:
        """End; what is in flight has a few seconds."""
        await asyncio.to_thread(self._stop)

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._running.set()
        router = self._router
        while not self._stopped.is_set():
            facts = [handler.facts for handler in router.handlers.values()]
            try:
                runner = LocalRunner(router.handlers, router.starts)
                await self._receiver.run(facts, runner, retired=router.all_retired)
            except Exception:
                log.exception("the inbox works again in %g seconds; arrivals are stored and wait", AGAIN_SECONDS)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), AGAIN_SECONDS)

    def _stop(self) -> None:
        self._running.wait()
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(STOP_SECONDS + PATIENCE_SECONDS)
        if self._thread.is_alive():
            log.error("a handler holds up the inbox's loop; it ends with the process")

    def _end(self) -> None:
        self._stopped.set()
        self._receiver.stop()
