"""The processes of a campaign: forked from a server that has everything imported, so that each start takes no time."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.faults.mailbox import roles
from tests.faults.mailbox.roles import Job

# Seconds: generous on a busy machine; a process that takes this long has failed.
PATIENCE_SECONDS = 60.0

# multiprocessing may look for ended processes whenever it starts one, and each end is told only once.
_lock = threading.Lock()
_context = multiprocessing.get_context("forkserver")
# Modules of roles: what the server has, no process imports.
PRELOADED = (
    *("tests.faults.mailbox.chapters", "tests.faults.mailbox.handing_in", "tests.faults.mailbox.migrating"),
    *("tests.faults.mailbox.replaying", "tests.faults.mailbox.roles", "tests.faults.receiver.life"),
)
# pytest's main module is imported by every child.
_context.set_forkserver_preload(["pytest", *PRELOADED])


class Member:
    """One process, and the line to it."""

    def __init__(self, role: Callable[[Job, Connection], Any], job: Job) -> None:
        assert role.__module__ in PRELOADED, f"each process would import {role.__module__}"
        self.job = job = replace(job, process=uuid4().hex)
        self.line, there = _context.Pipe()
        self.process = _context.Process(target=roles.run, args=(role, job, there), daemon=True)
        with _lock:
            self.process.start()
        there.close()

    def hear(self) -> Any:
        """Return the next word of it."""
        assert self.line.poll(PATIENCE_SECONDS), f"{self.job.name} says nothing{self.said}"
        try:
            return self.line.recv()
        except (EOFError, ConnectionResetError):
            raise AssertionError(f"{self.job.name} ended with {self._exit_code()}{self.said}") from None

    def ready(self) -> "Member":
        """Wait until it works."""
        assert self.hear() == "ready"
        return self

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def end(self) -> int:
        """Wait for its end; returns the exit code, which is that of kill -9 when it was killed."""
        code = self._exit_code()
        assert code is not None, f"{self.job.name} does not end{self.said}"
        self.line.close()
        return code

    def _exit_code(self) -> int | None:
        wait([self.process.sentinel], PATIENCE_SECONDS)
        with _lock:
            return self.process.exitcode

    def stop(self) -> None:
        """Have it end by itself, as a supervisor would."""
        os.kill(self.pid, signal.SIGTERM)
        assert self.end() == 0, self.said

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def stopped(self) -> bool:
        """Whether SIGSTOP has stopped it."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    @property
    def said(self) -> str:
        """What it has logged, for people."""
        log = self.job.folder / f"{self.job.own_name}.log"
        return "\n" + log.read_text()[-4000:] if log.exists() else ""


class Crew:
    """Starts processes, and ends what is left of them."""

    def __init__(self) -> None:
        self.members: list[Member] = []

    def start(self, role: Callable[[Job, Connection], Any], job: Job) -> Member:
        member = Member(role, job)
        self.members.append(member)
        return member


@contextmanager
def gathered() -> Iterator[Crew]:
    """A crew that goes home at the end."""
    crew = Crew()
    try:
        yield crew
    finally:
        for member in crew.members:
            if not member.line.closed:
                member.kill()


def quieten(member: Member) -> None:
    """End what ON has begun."""
    member.line.send(0.0)
    # ON has ended, and so have the 0 seconds.
    words: list[str] = []
    while words.count("quiet") < 2:
        words.append(member.hear())


def wait_until(condition: Callable[[], Any], what: Callable[[], str], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until the condition holds; looks every few milliseconds, since other processes bring it about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.005)
