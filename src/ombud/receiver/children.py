"""Handlers in child processes, one for each handler: one that hangs, exits or eats its core harms no other.

A child is started when its handler is first needed. It speaks JSON lines over a socket; `child.py` is its side.
"""

import asyncio
import itertools
import json
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ombud.errors import ConfigurationError
from ombud.mailbox.model import Dead, Done, Fault, Interrupted, Outcome, Retry, Skip
from ombud.receiver.handlers import HandlerFacts
from ombud.receiver.model import Call

# Seconds past a handler's own limit before its process is killed.
GRACE_SECONDS = 1.0
# Bytes of one line: an order or a product with its history; larger ones are defects.
LINE_BYTES = 16 * 1024 * 1024
# Seconds that importing an app may take.
IMPORT_SECONDS = 60.0

_OUTCOMES: dict[str, type[Outcome]] = {"done": Done, "retry": Retry, "dead": Dead, "skip": Skip}


async def describe(target: str) -> list[HandlerFacts]:
    """Import an app in a child and return its handlers; raises ConfigurationError with the child's last words."""
    process = await asyncio.create_subprocess_exec(
        *_command(target), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, error = await asyncio.wait_for(process.communicate(), IMPORT_SECONDS)
    except TimeoutError:
        process.kill()
        raise ConfigurationError(f"Importing {target} took longer than {IMPORT_SECONDS:g} seconds.") from None
    if process.returncode:
        words = error.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise ConfigurationError(f"Cannot import {target}: {words[-1].removeprefix('ombud: ')}")
    return [HandlerFacts(**facts) for facts in json.loads(out.splitlines()[-1])]


class ChildRunner:
    """Runs handlers of `app:inbox` in children."""

    def __init__(self, target: str, handlers: Mapping[str, HandlerFacts]) -> None:
        self._target = target
        self._handlers = handlers
        self._children: dict[str, _Child] = {}

    async def run(self, call: Call) -> Outcome:
        """Run one call in its handler's child."""
        facts = self._handlers[call.handler]
        child = self._children.get(call.handler)
        if child is None or child.ended:
            child = self._children[call.handler] = _Child()
            await child.start(_command(self._target, call.handler))
        return await child.run(call, facts.timeout_seconds)

    async def close(self) -> None:
        """End every child."""
        for child in self._children.values():
            await child.close()


class _Child:
    """One process and the calls that are in it."""

    def __init__(self) -> None:
        self.ended = False
        self._numbers = itertools.count()
        self._answers: dict[int, asyncio.Future[Outcome]] = {}
        self._started = asyncio.Event()

    async def start(self, command: list[str]) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *command, str(theirs.fileno()), stdin=asyncio.subprocess.DEVNULL, pass_fds=[theirs.fileno()]
                )
            reader, self._writer = await asyncio.open_connection(sock=ours, limit=LINE_BYTES)
            self._reading = asyncio.create_task(self._read(reader))
        except OSError:
            self.ended = True
            ours.close()
            raise
        finally:
            self._started.set()

    async def run(self, call: Call, timeout_seconds: float) -> Outcome:
        await self._started.wait()
        if self.ended:
            return Interrupted("interrupted: the handler's process could not be started")
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps({"number": number, "call": asdict(call)}).encode() + b"\n")
        try:
            async with asyncio.timeout(timeout_seconds + GRACE_SECONDS):
                return await asyncio.shield(answer)
        except TimeoutError:
            self._answers.pop(number, None)
            self._kill()
            return Retry(f"The handler took longer than {timeout_seconds:g} seconds and was killed.", fault=Fault.LANE)

    async def close(self) -> None:
        if not self.ended:
            self._writer.close()
            self._kill()
        await self._process.wait()
        await asyncio.gather(self._reading, return_exceptions=True)

    def _kill(self) -> None:
        """End the process; what else is in it has done nothing wrong."""
        self._end(Interrupted("interrupted: another run of this handler took too long"))
        if self._process.returncode is None:
            self._process.kill()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            answer = self._answers.pop(message["number"], None)
            if answer is not None:
                answer.set_result(_outcome(message["outcome"]))
        code = await self._process.wait()
        self._end(Retry(f"The handler's process ended in the middle of the run (exit code {code}).", fault=Fault.LANE))

    def _end(self, outcome: Outcome) -> None:
        self.ended = True
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(outcome)
        self._answers.clear()


def _command(target: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "ombud.receiver.child", target, *arguments]


def _outcome(message: Mapping[str, Any]) -> Outcome:
    fields = {name: value for name, value in message.items() if name != "kind"}
    if "fault" in fields:
        fields["fault"] = Fault(fields["fault"])
    return _OUTCOMES[message["kind"]](**fields)
