"""Handlers in child processes, one for each handler: one that hangs, exits or eats its core harms no other.

A child is started when its handler is first needed. It speaks JSON lines over a socket; `child.py` is its side.
"""

import asyncio
import itertools
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict
from typing import Any

from ombud.logs import logs_json
from ombud.mailbox.model import Dead, Done, Fault, Interrupted, Outcome, Retry, Skip
from ombud.receiver.model import Call
from ombud.receiver.options import HandlerFacts

# Seconds past a handler's own limit before its process is killed.
GRACE_SECONDS = 1.0
# Bytes of one line: an order or a product with its history; larger ones are defects.
LINE_BYTES = 16 * 1024 * 1024
# Seconds that importing an app may take.
IMPORT_SECONDS = 60.0

log = logging.getLogger("ombud.receiver")

_OUTCOMES: dict[str, type[Outcome]] = {"done": Done, "retry": Retry, "dead": Dead, "skip": Skip}


class ChildRunner:
    """Runs handlers of `app:inbox` in children."""

    def __init__(self, target: str, handlers: Mapping[str, HandlerFacts]) -> None:
        self._target = target
        self._handlers = handlers
        self._children: dict[str, _Child] = {}
        # A child that was given up takes a moment to be gone.
        self._ending: set[_Child] = set()

    async def run(self, call: Call) -> Outcome:
        """Run one call in its handler's child."""
        facts = self._handlers[call.handler]
        child = self._children.get(call.handler)
        if child is None or child.ended:
            if child is not None:
                self._ending = {one for one in self._ending if not one.gone} | {child}
            child = self._children[call.handler] = _Child([self._target, call.handler])
        return await child.run(call, facts.timeout_seconds)

    async def close(self) -> None:
        """End every child."""
        await asyncio.gather(*(child.close() for child in [*self._children.values(), *self._ending]))


class _Child:
    """One process and the calls that are in it."""

    def __init__(self, arguments: list[str]) -> None:
        self.ended = False
        self._numbers = itertools.count()
        self._answers: dict[int, asyncio.Future[Outcome]] = {}
        self._process: asyncio.subprocess.Process | None = None
        # What calls are written to, once the app is imported; None if it never was.
        self._ready: asyncio.Future[asyncio.StreamWriter | None] = asyncio.get_running_loop().create_future()
        self._life = asyncio.create_task(self._live(arguments))

    async def run(self, call: Call, timeout_seconds: float) -> Outcome:
        """Hand a call over and wait for its end; the time that the process takes to start is not the handler's."""
        number = next(self._numbers)
        line = json.dumps({"number": number, "call": asdict(call)}).encode() + b"\n"
        if len(line) > LINE_BYTES:
            return Dead(
                f"The object and what it was before have {len(line):,} bytes; a handler's process takes {LINE_BYTES:,}."
            )
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        writer = await asyncio.shield(self._ready)
        if writer is not None:
            writer.write(line)
        try:
            async with asyncio.timeout(timeout_seconds + GRACE_SECONDS):
                return await asyncio.shield(answer)
        except TimeoutError:
            if answer.done():
                # At the very moment at which another run of this process was given up.
                return answer.result()
            del self._answers[number]
            self._end(Interrupted("interrupted: another run of this handler took too long"))
            self._kill()
            return Retry(f"The handler took longer than {timeout_seconds:g} seconds and was killed.", fault=Fault.LANE)

    @property
    def gone(self) -> bool:
        """Whether nothing of it is left."""
        return self._life.done()

    async def close(self) -> None:
        """End the process, whatever it does."""
        self._life.cancel()
        await asyncio.gather(self._life, return_exceptions=True)

    async def _live(self, arguments: list[str]) -> None:
        """Start the process, take its answers, and settle what it leaves behind."""
        ours, theirs = socket.socketpair()
        how = "could not be started"
        try:
            with theirs:
                log_lines = "json" if logs_json() else "text"
                command = [sys.executable, "-m", "ombud.receiver.child", *arguments, log_lines, str(theirs.fileno())]
                self._process = await asyncio.create_subprocess_exec(
                    *command, stdin=asyncio.subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
                )
            how = "could not import the app"
            reader, writer = await asyncio.open_connection(sock=ours, limit=LINE_BYTES)
            with closing(writer):
                async with asyncio.timeout(IMPORT_SECONDS):
                    if await reader.readline():
                        how = "could not start: on_start failed"
                    hello = await reader.readline()
                if hello:
                    how = "ended in the middle of the run"
                    self._ready.set_result(writer)
                    await self._take_answers(reader)
        except (OSError, ValueError):
            log.exception("the process of handler %s cannot be used", arguments[1])
        finally:
            ours.close()
            code = await self._wait()
            self._end(Retry(f"The handler's process {how} (exit code {code}).", fault=Fault.LANE))
            if not self._ready.done():
                self._ready.set_result(None)

    async def _take_answers(self, reader: asyncio.StreamReader) -> None:
        # A process that is killed while calls wait in its socket resets the connection.
        with suppress(ConnectionError):
            while line := await reader.readline():
                message = json.loads(line)
                answer = self._answers.pop(message["number"], None)
                if answer is not None and not answer.done():
                    answer.set_result(_outcome(message["outcome"]))
                self.ended = self.ended or message["full"]
                if self.ended and not self._answers:
                    return

    async def _wait(self) -> int | None:
        """Wait until the process has ended; one that has closed its socket has a moment to say how it ended."""
        if self._process is None:
            return None
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await self._process.wait()
        except (TimeoutError, asyncio.CancelledError):
            pass
        self._kill()
        return await self._process.wait()

    def _kill(self) -> None:
        """End the process and what it has started: it leads a session of its own."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _end(self, outcome: Outcome) -> None:
        self.ended = True
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(outcome)
        self._answers.clear()


def _outcome(message: Mapping[str, Any]) -> Outcome:
    fields = {name: value for name, value in message.items() if name != "kind"}
    if "fault" in fields:
        fields["fault"] = Fault(fields["fault"])
    return _OUTCOMES[message["kind"]](**fields)
