"""One run of a handler, and its end as an outcome. In which process it runs is decided elsewhere."""

import asyncio
import contextlib
import inspect
import logging
import threading
from typing import Any

from ombud.mailbox import model
from ombud.receiver import control
from ombud.receiver.handlers import Handler
from ombud.receiver.model import Call

log = logging.getLogger("ombud.receiver")

# Characters of an exception's text that are kept; the traceback goes to the log.
REASON_CHARACTERS = 500


async def execute(handler: Handler, call: Call) -> model.Outcome:
    """Run a handler once and say what became of it; never raises for what the function does."""
    limit = asyncio.timeout(handler.timeout_seconds)
    try:
        # What a plain function returns may be the work itself: that of an async one behind a plain decorator.
        work = handler.invoke(call) if handler.is_async else await _in_thread(handler, call)
        if inspect.isawaitable(work):
            async with limit:
                await work
    except control.Retry as error:
        return model.Retry(_shortened(str(error)), after=error.after)
    except control.Dead as error:
        return model.Dead(_shortened(str(error)) or "the handler gave up")
    except control.Skip as error:
        return model.Skip(_shortened(str(error)) or "the handler had nothing to do")
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        if limit.expired():
            return model.Retry(
                f"The handler took longer than {handler.timeout_seconds:g} seconds.", fault=model.Fault.LANE
            )
        log.warning("handler %s failed on %s", handler.name, call.subject, exc_info=error)
        return model.Retry(_shortened(f"{type(error).__name__}: {error}"))
    return model.Done()


async def _in_thread(handler: Handler, call: Call) -> Any:
    """Run a plain function in a daemon thread of its own, which does not hold up the exit of the process.

    A thread cannot be stopped: when the time is up the run is reported, and its lane waits until the function ends, so
    that it never runs twice at once.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

    def run() -> None:
        result, error = None, None
        try:
            result = handler.invoke(call)
        except BaseException as raised:  # noqa: BLE001 - handed over to the loop, whatever it is
            error = raised
        # A loop that has been closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_end, ended, (result, error))

    threading.Thread(target=run, name=f"ombud-{handler.name}", daemon=True).start()
    done, _ = await asyncio.wait([ended], timeout=handler.timeout_seconds)
    if not done:
        log.error("handler %s still runs after %g seconds", handler.name, handler.timeout_seconds)
    result, error = await ended
    if error is not None:
        raise error
    return result


def _end(ended: asyncio.Future[tuple[Any, BaseException | None]], how: tuple[Any, BaseException | None]) -> None:
    if not ended.done():
        ended.set_result(how)


def _shortened(text: str) -> str:
    return text if len(text) <= REASON_CHARACTERS else f"{text[:REASON_CHARACTERS]}…"
