"""How handlers in other processes tell a test what they do: a datagram for each call."""

import json
import os
import select
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

# Seconds: generous on a busy machine. Where only the base is installed, nothing of tests/support/ can be imported.
PATIENCE_SECONDS = 30.0

PORT = "TEST_REPORTS_PORT"

Report = Mapping[str, Any]


def report(handler: str, **facts: Any) -> None:
    """Say that a handler was called, and in which process."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        message = {"handler": handler, "pid": os.getpid(), **facts}
        sending.sendto(json.dumps(message).encode(), ("127.0.0.1", int(os.environ[PORT])))


class Reports:
    """Collects what handlers say."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._heard = threading.Condition()
        self._all: list[Report] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        return {PORT: str(self._socket.getsockname()[1])}

    def all(self, handler: str | None = None) -> list[Report]:
        with self._heard:
            return [one for one in self._all if handler in (None, one["handler"])]

    def until(self, check: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until something is so; looks after every report."""
        with self._heard:
            assert self._heard.wait_for(check, seconds), self._all

    def wait(self, handler: str, count: int = 1) -> list[Report]:
        """Wait until a handler was called that often."""
        self.until(lambda: sum(one["handler"] == handler for one in self._all) >= count)
        return self.all(handler)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while message := self._socket.recv(65_536):
            with self._heard:
                self._all.append(json.loads(message))
                self._heard.notify_all()


def wait_for_end(pid: int) -> None:
    """Wait until a process that a test has heard of has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([descriptor], [], [], PATIENCE_SECONDS)
    os.close(descriptor)
    assert ended, f"process {pid} still runs"
