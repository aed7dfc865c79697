"""One run of a handler, and its end as an outcome. In which process it runs is decided elsewhere."""

import asyncio
import contextlib
import contextvars
import inspect
import logging
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ombud.mailbox import model
from ombud.receiver import control
from ombud.receiver.handlers import Extra, Handler
from ombud.receiver.model import Call

log = logging.getLogger("ombud.receiver")

# Characters that are kept of an exception's text, and of its traceback, which goes to the log as a whole.
REASON_CHARACTERS = 500
TRACE_CHARACTERS = 8_000


async def execute(handler: Handler, call: Call) -> model.Outcome:
    """Run a handler once and say what became of it; never raises for what the function does.

    A call with a failure is not run: who wants to hear that it was given up does.
    """
    if call.failure is not None:
        for mourner in handler.mourners:
            await _end_of(handler, call, _Run(handler, call, partial(mourner.invoke, call), mourner))
        return model.Done()
    return await _end_of(handler, call, _Run(handler, call, partial(handler.invoke, call), handler))


async def _end_of(handler: Handler, call: Call, run: "_Run") -> model.Outcome:
    try:
        async with run.limit:
            await run.through(handler.middleware if call.failure is None else ())
    except control.Retry as error:
        return model.Retry(_text_of(error), after=error.after)
    except control.Dead as error:
        return model.Dead(_text_of(error) or "the handler gave up")
    except control.Skip as error:
        return model.Skip(_text_of(error) or "the handler had nothing to do")
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        if run.limit.expired():
            return model.Retry(
                f"The handler took longer than {handler.timeout_seconds:g} seconds.", fault=model.Fault.LANE
            )
        log.warning("handler %s failed on %s", handler.name, call.subject, exc_info=error)
        return model.Retry(_shortened(f"{type(error).__name__}: {_text_of(error)}"), trace=_trace_of(error))
    return model.Done()


class _Run:
    """A function with its middleware, under one limit of time."""

    def __init__(self, handler: Handler, call: Call, invoke: Callable[[], Any], whose: Handler | Extra) -> None:
        self.limit = asyncio.timeout(handler.timeout_seconds)
        self._handler = handler
        self._call = call
        self._invoke = invoke
        self._is_async = inspect.iscoroutinefunction(whose.function)
        self._proceeded = False

    async def through(self, middleware: Sequence[Extra]) -> None:
        """Go through the middleware, the outermost first, to the function."""
        if not middleware:
            self._proceeded = True
            # What a plain function returns may be the work itself: that of an async one behind a plain decorator.
            work = self._invoke() if self._is_async else await self._in_thread()
            result = await work if inspect.isawaitable(work) else work
            if isinstance(result, control.WORDS):
                # Returned by mistake; taken for a run that is done it would be a loss that nobody sees.
                raise result
            return
        first, *rest = middleware
        await first.invoke(self._call, lambda: self.through(rest))
        if not self._proceeded:
            # Done would be a loss that nobody sees.
            raise RuntimeError(f"middleware {first.name} has not awaited proceed; to leave a run out, it raises Skip")

    async def _in_thread(self) -> Any:
        """Run a plain function in a daemon thread of its own, which does not hold up the exit of the process.

        A thread cannot be stopped: when the time is up the run is reported, and its lane waits until the function ends,
        so that it never runs twice at once.
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

        def run() -> None:
            result, error = None, None
            try:
                result = self._invoke()
            except BaseException as raised:  # noqa: BLE001 - handed over to the loop, whatever it is
                error = raised
            # A loop that has been closed has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_end, ended, (result, error))

        # With the context of the run, as a handler on the loop has it.
        target = partial(contextvars.copy_context().run, run)
        threading.Thread(target=target, name=f"ombud-{self._handler.name}", daemon=True).start()
        try:
            result, error = await asyncio.shield(ended)
        except asyncio.CancelledError:
            if not self.limit.expired():
                raise
            log.warning("handler %s still runs after %g seconds", self._handler.name, self._handler.timeout_seconds)
            result, error = await ended
            if inspect.iscoroutine(result):
                # Its time was up before it began.
                result.close()
                raise
        if error is not None:
            raise error
        return result


def _end(ended: asyncio.Future[tuple[Any, BaseException | None]], how: tuple[Any, BaseException | None]) -> None:
    if not ended.done():
        ended.set_result(how)


def _trace_of(error: BaseException) -> str:
    """Return an error's traceback without the frames of this module, the innermost part of it: where it happened."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None and at.tb_frame.f_code.co_filename == __file__:
        at = at.tb_next
    return "".join(traceback.format_exception(type(error), error, at))[-TRACE_CHARACTERS:]


def _text_of(error: BaseException) -> str:
    """Return an exception's text; there may be code of somebody's behind it, which fails as well."""
    try:
        return _shortened(str(error))
    except BaseException as another:  # noqa: BLE001 - whatever it is, the run has ended
        return f"its text cannot be had: {type(another).__name__}"


def _shortened(text: str) -> str:
    return text if len(text) <= REASON_CHARACTERS else f"{text[:REASON_CHARACTERS]}…"
