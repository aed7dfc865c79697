"""One datagram from a process that committed to the process that performs: "look now".

A hint that may be lost or late: the performer looks for itself too. The socket is a file beside the database.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

# What `sun_path` holds on Linux, less the closing zero; macOS has four bytes fewer and no /proc.
ADDRESS_BYTES = 103


class WakeListener:
    """Calls back on the event loop for every datagram. For the elected performer alone: it takes the file over.

    Raises OSError where no socket can be made: on a full disk, for example.
    """

    def __init__(self, path: Path, callback: Callable[[], None]) -> None:
        self._path = path
        self._callback = callback
        self._socket = _open_socket()
        try:
            path.unlink(missing_ok=True)
            with _short_name(path) as name:
                self._socket.bind(name)
            path.chmod(0o600)
        except OSError:
            self._socket.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._receive)

    def close(self) -> None:
        """Stop listening and remove the file."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _receive(self) -> None:
        with suppress(BlockingIOError):
            while True:
                self._socket.recv(1)
        self._callback()


class WakeSender:
    """Wakes the performer that listens at this path, if any. Keeps its socket: there is a wake after every commit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = ExitStack()
        self._send: Callable[[], object] | None = None
        self._lock = threading.Lock()

    def send(self) -> None:
        """Wake it. Never waits, never fails; from any thread."""
        # Nobody listens, its queue is full and it is awake already, or this process has no descriptor left.
        with suppress(OSError):
            (self._send or self._open())()

    def close(self) -> None:
        """Close the socket; a wake that comes later does nothing."""
        with self._lock:
            self._send = _do_nothing
            self._kept.close()

    def _open(self) -> Callable[[], object]:
        with self._lock:
            if self._send is None:
                with ExitStack() as opened:
                    sender = opened.enter_context(_open_socket())
                    name = opened.enter_context(_short_name(self._path))
                    self._kept = opened.pop_all()
                self._send = partial(sender.sendto, b"!", name)
            return self._send


def _do_nothing() -> None:
    pass


def send_wake(path: Path) -> None:
    """Wake the performer that listens at this path, if any, this once. Never waits, never fails."""
    sender = WakeSender(path)
    sender.send()
    sender.close()


def _open_socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


@contextmanager
def _short_name(path: Path) -> Iterator[str]:
    """Give a name that fits a socket address: a longer path goes by its folder's descriptor."""
    if len(os.fsencode(path)) <= ADDRESS_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
