"""Runs handlers in a trial as `ombud work` does, and kills one where it is told to."""

import asyncio
import inspect
import logging
from collections.abc import Coroutine, Generator
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from ombud.mailbox.model import Fault, Outcome, Retry
from ombud.receiver.embedded import LocalRunner
from ombud.receiver.handlers import Handler
from ombud.receiver.model import Call
from ombud.receiver.router import Router
from ombud.testing.outside import CURRENT, Killed, Life

log = logging.getLogger("ombud.testing")

# Awaits in the `finally` of a handler that was killed.
MOST_FINALLY = 100


class TrialRunner:
    """Runs each call in a task of its own, which is left where it stands when its process is to die."""

    def __init__(self, router: Router) -> None:
        self._router = router
        # The coroutines of dead processes: closing one would run its `finally`, which no dead process does.
        self._graves: list[Coroutine[Any, Any, Any]] = []
        self._runner = LocalRunner(self._handlers(), router.starts)
        self.kill: tuple[str, int] | None = None
        self.lives: list[Life] = []

    async def run(self, call: Call) -> Outcome:
        """Run it; one that is killed ends as a try whose process is gone."""
        life = Life(call.handler, call.key, call.attempt)
        if self.kill is not None and self.kill[0] == call.handler and call.failure is None:
            life.kill_at, self.kill = self.kill[1], None
        self.lives.append(life)
        outcome = await asyncio.create_task(self._run(life, call))
        if life.killed_at is not None:
            return Retry("The handler's process ended in the middle of the run (killed by a test).", fault=Fault.LANE)
        return outcome

    def bury(self) -> None:
        """Let go of what was killed; what it does at its end reaches nobody."""
        CURRENT.set(Life("", "", 0, killed_at="its process is long gone"))
        for grave in self._graves:
            # One that awaits something in a `finally` does not end at once.
            for _ in range(MOST_FINALLY):
                try:
                    grave.close()
                except RuntimeError:
                    continue
                except BaseException:
                    log.debug("a killed handler ended with an error", exc_info=True)
                break
        self._graves.clear()

    async def _run(self, life: Life, call: Call) -> Outcome:
        CURRENT.set(life)
        return await self._runner.run(call)

    def _handlers(self) -> dict[str, Handler]:
        return {name: self._killable(handler) for name, handler in self._router.handlers.items()}

    def _killable(self, handler: Handler) -> Handler:
        function = handler.function

        async def steps(work: Coroutine[Any, Any, Any]) -> Any:
            life = CURRENT.get()
            assert life is not None
            return await _Steps(work, life, self._graves)

        @wraps(function)
        async def killable(**arguments: Any) -> Any:
            return await steps(function(**arguments))

        @wraps(function)
        def plain(**arguments: Any) -> Any:
            # An async function may stand behind a plain one.
            made = function(**arguments)
            return steps(made) if inspect.iscoroutine(made) else made

        return replace(handler, function=killable if handler.is_async else plain)


class _Steps:
    """Awaits a coroutine from one suspension to the next."""

    def __init__(self, work: Coroutine[Any, Any, Any], life: Life, graves: list[Coroutine[Any, Any, Any]]) -> None:
        self._work = work
        self._life = life
        self._graves = graves

    def __await__(self) -> Generator[Any, Any, Any]:
        work, value, error = self._work, None, None
        while True:
            try:
                waits_for = work.send(value) if error is None else work.throw(error)
            except StopIteration as end:
                return end.value
            if self._life.step(_where(work)):
                self._graves.append(work)
                raise Killed
            value, error = None, None
            try:
                value = yield waits_for
            except BaseException as raised:  # noqa: BLE001 - it is the coroutine's, whatever it is
                error = raised


def _where(work: Coroutine[Any, Any, Any]) -> str:
    frame = getattr(work, "cr_frame", None)
    return "?" if frame is None else f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
