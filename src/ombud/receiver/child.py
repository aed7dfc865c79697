"""The child's side of `children.py`.

usage: python -m ombud.receiver.child APP:INBOX            prints the handlers as a line of JSON
       python -m ombud.receiver.child APP:INBOX HANDLER FD runs calls that come as JSON lines on a socket
"""

import asyncio
import json
import socket
import sys
from dataclasses import asdict
from typing import Any

from ombud.errors import OmbudError
from ombud.mailbox.model import Done, Outcome
from ombud.receiver.children import LINE_BYTES
from ombud.receiver.execute import execute
from ombud.receiver.handlers import Handler
from ombud.receiver.inbox import load_inbox
from ombud.receiver.model import Call


async def serve(handler: Handler, connection: socket.socket) -> None:
    """Run calls until the parent closes the socket, each in a task of its own."""
    reader, writer = await asyncio.open_connection(sock=connection, limit=LINE_BYTES)
    running: set[asyncio.Task[None]] = set()

    async def run(message: dict[str, Any]) -> None:
        outcome = await execute(handler, Call(**message["call"]))
        writer.write(json.dumps({"number": message["number"], "outcome": _plain(outcome)}).encode() + b"\n")

    while line := await reader.readline():
        task = asyncio.create_task(run(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)


def _plain(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Done):
        return {"kind": "done"}
    return {"kind": type(outcome).__name__.lower(), **asdict(outcome)}


def main() -> None:
    """Describe the handlers, or run one."""
    target, *rest = sys.argv[1:]
    try:
        inbox = load_inbox(target)
    except OmbudError as error:
        sys.exit(f"ombud: {error}")
    if not rest:
        print(json.dumps([asdict(handler.facts) for handler in inbox.handlers.values()]))  # noqa: T201 - the answer
        return
    name, descriptor = rest
    asyncio.run(serve(inbox.handlers[name], socket.socket(fileno=int(descriptor))))


if __name__ == "__main__":
    main()
