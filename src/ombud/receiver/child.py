"""The child's side of `children.py`: runs calls of one handler that come as JSON lines on a socket.

usage: python -m ombud.receiver.child APP:INBOX HANDLER json|text DESCRIPTOR
"""

import asyncio
import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ombud.errors import OmbudError
from ombud.logs import log_to_stderr
from ombud.mailbox.model import Outcome, Retry
from ombud.receiver.children import LINE_BYTES
from ombud.receiver.execute import execute
from ombud.receiver.handlers import Handler
from ombud.receiver.inbox import load_inbox
from ombud.receiver.model import Call
from ombud.receiver.starting import call_starts
from ombud.receiver.supply import Function

_MEGABYTE = 1024 * 1024
# Handlers step aside for what answers webhooks: beside it on a busy core they get a tenth of it, else all they want.
NICENESS = 10
_SESSION_NICENESS = Path("/proc/self/autogroup")


async def serve(handler: Handler, starts: Sequence[Function], connection: socket.socket) -> None:
    """Run calls until the parent closes the socket, each in a task of its own."""
    reader, writer = await asyncio.open_connection(sock=connection, limit=LINE_BYTES)
    running: set[asyncio.Task[None]] = set()

    async def run(message: dict[str, Any]) -> None:
        outcome = await execute(handler, Call(**message["call"]))
        # What the memory is full of may be there for good: the parent starts another process.
        full = isinstance(outcome, Retry) and outcome.reason.startswith(MemoryError.__name__)
        writer.write(_line({"number": message["number"], "outcome": _plain(outcome), "full": full}))

    writer.write(_line({"imported": handler.name}))
    await call_starts(starts)
    writer.write(_line({"ready": handler.name}))
    while line := await reader.readline():
        task = asyncio.create_task(run(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {"kind": type(outcome).__name__.lower()} | {
        name: value for name, value in asdict(outcome).items() if value is not None
    }


def die_with_parent(connection: socket.socket) -> None:
    """End this process, and what it has started, once the parent is gone: however it ended, whatever runs here."""

    def wait() -> None:
        poll = select.poll()
        poll.register(connection.fileno(), 0)  # the other side's end is always reported
        poll.poll()
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=wait, name="ombud-parent", daemon=True).start()


def step_aside() -> None:
    """Let whoever answers webhooks go first."""
    os.nice(NICENESS)
    # Where Linux shares the cores by session, niceness counts within one alone; each child is a session of its own.
    with contextlib.suppress(OSError):
        _SESSION_NICENESS.write_text(str(NICENESS))


def limit_memory(megabytes: int) -> None:
    """Let allocations past this raise MemoryError, here alone. Linux counts private memory; other systems less."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = megabytes * _MEGABYTE
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))


def main() -> None:
    """Import the app and run one of its handlers."""
    target, name, log_lines, descriptor = sys.argv[1:]
    connection = socket.socket(fileno=int(descriptor))
    connection.set_inheritable(False)
    step_aside()
    die_with_parent(connection)
    for number in (signal.SIGINT, signal.SIGTERM):
        # A supervisor may send these to every process: what is in flight has its seconds, and the parent ends us.
        signal.signal(number, lambda *_: None)
    try:
        inbox = load_inbox(target)
    except OmbudError as error:
        sys.exit(f"ombud: {error}")
    log_to_stderr(as_json=log_lines == "json")
    if name not in inbox.handlers:
        sys.exit(f"ombud: {target} has no handler {name!r} any more.")
    handler = inbox.handlers[name]
    limit_memory(handler.said.memory_megabytes)
    asyncio.run(serve(handler, inbox.starts, connection))


if __name__ == "__main__":
    main()
