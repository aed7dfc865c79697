"""Performing inside somebody's web process: a loop of its own in a thread of its own, never the server's.

It cannot promise what `ombud work` does: a handler that burns the processor slows the whole process.
"""

import asyncio
import logging
import threading
from collections.abc import Mapping

from ombud.mailbox.model import Outcome
from ombud.receiver.execute import execute
from ombud.receiver.handlers import Handler
from ombud.receiver.model import Call
from ombud.receiver.receiver import Receiver

log = logging.getLogger("ombud.receiver")


class LocalRunner:
    """Runs handlers on the loop that performs."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers

    async def run(self, call: Call) -> Outcome:
        """Run it here."""
        return await execute(self._handlers[call.handler], call)


class Embedded:
    """The receiver's work in a thread."""

    def __init__(self, receiver: Receiver, handlers: Mapping[str, Handler]) -> None:
        self._receiver = receiver
        self._handlers = handlers
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="ombud-work", daemon=True)

    def start(self) -> None:
        """Begin; raises ConfigurationError when a key is missing, before anything runs."""
        self._receiver.check_keys()
        self._thread.start()

    async def stop(self) -> None:
        """End; what is in flight has a few seconds."""
        self._loop.call_soon_threadsafe(self._receiver.stop)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        facts = [handler.facts for handler in self._handlers.values()]
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._receiver.run(facts, LocalRunner(self._handlers)))
        except Exception:
            log.exception("the inbox has stopped working; arrivals are stored and wait for a restart")
