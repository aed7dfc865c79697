"""`ombud receive` and `ombud work`: an app's inbox, served and performed."""

import asyncio
import json
import logging
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from ombud.admin.resender import resend_beside
from ombud.cli.collector import collect_rarely
from ombud.cli.endings import exit_code_after, failure_explains, stop_when_failed
from ombud.clock import now_microseconds, utc
from ombud.db.migrate import migrate
from ombud.errors import InvalidInput
from ombud.logs import log_to_stderr
from ombud.receiver.children import ChildRunner
from ombud.receiver.inbox import Inbox, load_inbox

log = logging.getLogger("ombud.receiver")

# The vendor was founded later; and what is stored in microseconds is as long for every time since.
_FIRST_YEAR = 2001


class Work:
    """The receiver's work, with every handler in a child process of its own."""

    def __init__(self, inbox: Inbox, target: str, backfill: datetime | None = None) -> None:
        self._backfill = backfill
        self._receiver = inbox.receiver
        self._handlers = [handler.facts for handler in inbox.handlers.values()]
        if not self._handlers:
            log.warning("%s has no handler, so nobody is told: is the module that has them imported?", target)
        self._retired = inbox.all_retired
        self._target = target

    async def run(self) -> None:
        """Read and call until `stop`."""
        runner = ChildRunner(self._target, {handler.name: handler for handler in self._handlers})
        try:
            await self._receiver.run(self._handlers, runner, retired=self._retired, backfill=self._backfill)
        finally:
            await runner.close()

    def stop(self) -> None:
        """End `run`."""
        self._receiver.stop()


def read_backfill(text: str, *, works: bool = True) -> datetime | None:
    """Return since when the past is to be told, None for not at all; raises InvalidInput."""
    if not text:
        return None
    word, _, time = text.partition("=")
    example = "since=2026-11-01, or since=2026-11-01T08:00:00Z"
    try:
        since = datetime.fromisoformat(time)
    except ValueError:
        since = None
    if word != "since" or since is None:
        raise InvalidInput("--backfill", f"--backfill {text!r} does not say since when. It looks like {example}.")
    since = since if since.tzinfo else since.replace(tzinfo=UTC)
    if since.year <= _FIRST_YEAR or since > utc(now_microseconds()):
        raise InvalidInput("--backfill", f"--backfill {text!r} is not in the past of a shop. It looks like {example}.")
    if not works:
        raise InvalidInput("--backfill", "--backfill is for whoever works: give it to `ombud work`, or drop --no-work.")
    return since


def run_work(target: str, backfill: datetime | None, *, as_json: bool) -> int:
    """Perform until a signal; returns the exit code."""
    inbox = load_inbox(target)
    log_to_stderr(as_json=as_json)
    inbox.receiver.check_keys()
    migrate(inbox.receiver.database, ["ombud.admin"])
    databases = [inbox.receiver.database]
    received: list[signal.Signals] = []

    async def work() -> None:
        performing = Work(inbox, target, backfill)

        def stop(*numbers: signal.Signals) -> None:
            received.extend(numbers)
            performing.stop()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop, number)
        stop_when_failed(databases, stop)
        print(json.dumps({"app": target}) if as_json else f"Ombud works for {target}.", flush=True)
        with failure_explains(databases):
            await resend_beside(inbox.receiver, performing.run)

    collect_rarely()
    try:
        asyncio.run(work())
    finally:
        inbox.close()
    return exit_code_after(databases, received)


class Working(Protocol):
    """Work beside the server."""

    async def run(self) -> None:
        """Work until `stop`."""

    def stop(self) -> None:
        """End `run`."""


@dataclass(frozen=True)
class Receiving:
    """What is served and done. `work` is made on the loop; `more`: what its card says beside the addresses."""

    inbox: Inbox
    work: Callable[[], Working]
    more: Mapping[str, str] = field(default_factory=dict)


def run_receive(target: str, host: str, port: int, *, work: bool, backfill: datetime | None, as_json: bool) -> int:
    """Serve hooks and API, and perform unless told not to; returns the exit code."""
    from ombud.cli.servers import Standby

    inbox = load_inbox(target)
    log_to_stderr(as_json=as_json)
    if work:
        inbox.receiver.check_keys()
    receiving = Receiving(inbox, (lambda: Work(inbox, target, backfill)) if work else Standby)
    return serve_receiver(receiving, host, port, as_json=as_json)


def serve_receiver(receiving: Receiving, host: str, port: int, *, as_json: bool) -> int:
    """Serve an inbox beside its work until a signal; returns the exit code."""
    from ombud.admin.links import new_token
    from ombud.cli.alarming import alarms_of
    from ombud.cli.people import first_path
    from ombud.cli.servers import Service, Site, bind, run, url_of
    from ombud.web.receiver_app import ReceiverApp

    inbox = receiving.inbox
    inbox.leave_work()
    listening = bind(host, port)
    base = url_of(listening)

    def announce() -> None:
        first = first_path(inbox.receiver.database, new_token())
        print(_card(base, first, receiving.more, as_json=as_json), flush=True)

    async def start() -> Service:
        migrate(inbox.receiver.database, ["ombud.admin"])
        beside = receiving.work()
        alarms = alarms_of(inbox.receiver.writer, inbox.settings, receiver=inbox.receiver)
        return Service(
            sites=[Site(ReceiverApp(inbox), listening)],
            databases=[inbox.receiver.database],
            work=lambda: alarms.beside(partial(resend_beside, inbox.receiver, beside.run)),
            stop_work=beside.stop,
            announce=announce,
            close=inbox.close,
        )

    return run(start)


def _card(base: str, first: str | None, more: Mapping[str, str], *, as_json: bool) -> str:
    from ombud.cli.people import set_up

    card = {"receiver": f"{base}/hooks/<token>", "receiver_api": f"{base}/v1", "panel": f"{base}/", **more}
    if as_json:
        return json.dumps(card | set_up(base, first))
    words = f"Ombud receives webhooks at {card['receiver']}  Panel: {card['panel']}  API: {card['receiver_api']}"
    words = "  ".join([words, *(f"{name}: {value}" for name, value in more.items())])
    return words if first is None else f"{words}\nNobody can log in yet. Make your account, within a day: {base}{first}"
