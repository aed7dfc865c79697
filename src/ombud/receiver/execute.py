"""One run of a handler, and its end as an outcome. In which process it runs is decided elsewhere."""

import asyncio
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
    try:
        if handler.is_async:
            async with asyncio.timeout(handler.timeout_seconds):
                await handler.invoke(call)
        else:
            await _in_thread(handler, call)
    except control.Retry as error:
        return model.Retry(_shortened(str(error)), after=error.after)
    except control.Dead as error:
        return model.Dead(_shortened(str(error)) or "the handler gave up")
    except control.Skip as error:
        return model.Skip(_shortened(str(error)) or "the handler had nothing to do")
    except asyncio.CancelledError:
        raise
    except TimeoutError:
        return model.Retry(f"The handler took longer than {handler.timeout_seconds:g} seconds.", fault=model.Fault.LANE)
    except BaseException as error:
        log.warning("handler %s failed on %s", handler.name, call.subject, exc_info=error)
        return model.Retry(_shortened(f"{type(error).__name__}: {error}"))
    return model.Done()


async def _in_thread(handler: Handler, call: Call) -> None:
    """Run a plain function in a daemon thread of its own, which does not hold up the exit of the process.

    A thread cannot be stopped: when the time is up the run is reported, and its lane waits until the function ends, so
    that it never runs twice at once.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Any] = loop.create_future()

    def run() -> None:
        error: BaseException | None = None
        try:
            handler.invoke(call)
        except BaseException as raised:  # noqa: BLE001 - handed over to the loop, whatever it is
            error = raised
        loop.call_soon_threadsafe(_end, ended, error)

    threading.Thread(target=run, name=f"ombud-{handler.name}", daemon=True).start()
    done, _ = await asyncio.wait([ended], timeout=handler.timeout_seconds)
    if not done:
        log.error("handler %s still runs after %g seconds", handler.name, handler.timeout_seconds)
    error = await ended
    if error is not None:
        raise error


def _end(ended: asyncio.Future[Any], error: BaseException | None) -> None:
    if not ended.done():
        ended.set_result(error)


def _shortened(text: str) -> str:
    return text if len(text) <= REASON_CHARACTERS else f"{text[:REASON_CHARACTERS]}…"
