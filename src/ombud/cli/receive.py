"""`ombud receive` and `ombud work`: an app's inbox, served and performed."""

import asyncio
import json
import signal

from ombud.cli.failures import INTERRUPTED, OK
from ombud.receiver.children import ChildRunner, describe
from ombud.receiver.inbox import load_inbox
from ombud.receiver.receiver import Receiver


class Work:
    """The receiver's work, with every handler in a child process of its own."""

    def __init__(self, receiver: Receiver, target: str) -> None:
        self._receiver = receiver
        self._target = target

    async def run(self) -> None:
        """Read and call until `stop`; raises ConfigurationError when the app cannot be imported."""
        handlers = await describe(self._target)
        runner = ChildRunner(self._target, {handler.name: handler for handler in handlers})
        try:
            await self._receiver.run(handlers, runner)
        finally:
            await runner.close()

    def stop(self) -> None:
        """End `run`."""
        self._receiver.stop()


def run_work(target: str, *, as_json: bool) -> int:
    """Perform until a signal; returns the exit code."""
    receiver = load_inbox(target).receiver
    receiver.check_keys()
    received: list[signal.Signals] = []

    async def work() -> None:
        performing = Work(receiver, target)

        def stop(number: signal.Signals) -> None:
            received.append(number)
            performing.stop()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop, number)
        print(json.dumps({"app": target}) if as_json else f"Ombud works for {target}.", flush=True)
        await performing.run()

    asyncio.run(work())
    receiver.close()
    return INTERRUPTED if received and received[0] is signal.SIGINT else OK


def run_receive(target: str, host: str, port: int, *, work: bool, as_json: bool) -> int:
    """Serve hooks and API, and perform unless told not to; returns the exit code."""
    from ombud.cli.servers import Service, Site, bind, log_to_stderr, run, url_of
    from ombud.cli.wiring import Standby
    from ombud.db.migrate import migrate
    from ombud.web.receiver_app import ReceiverApp

    log_to_stderr()
    inbox = load_inbox(target)
    if work:
        inbox.receiver.check_keys()
    inbox.leave_work()
    listening = bind(host, port)
    base = url_of(listening)

    async def start() -> Service:
        receiver = inbox.receiver
        migrate(receiver.database, ["ombud.admin"])
        beside = Work(receiver, target) if work else Standby()
        return Service(
            sites=[Site(ReceiverApp(inbox), listening)],
            work=beside.run,
            stop_work=beside.stop,
            announce=lambda: print(_card(base, as_json=as_json), flush=True),
            close=receiver.close,
        )

    return run(start)


def _card(base: str, *, as_json: bool) -> str:
    card = {"receiver": f"{base}/hooks/<token>", "receiver_api": f"{base}/v1"}
    return (
        json.dumps(card) if as_json else f"Ombud receives webhooks at {card['receiver']}  API: {card['receiver_api']}"
    )
