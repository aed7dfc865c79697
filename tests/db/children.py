"""Real forks: work that is done in a child while the test goes on, and what it answered."""

import multiprocessing
import os
import signal
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

# A child's end of the line to its test.
Line: TypeAlias = Connection

_FORK = multiprocessing.get_context("fork")
# Seconds after which a child that says nothing is taken for hung.
PATIENCE_SECONDS = 20.0


class Child:
    """A forked child. Its work gets a line to the test: `recv` waits for the test, `send` tells it something."""

    def __init__(self, work: Callable[[Line], Any]) -> None:
        self._here, there = _FORK.Pipe()
        self._process = _FORK.Process(target=_run, args=(work, there), daemon=True)
        with warnings.catch_warnings():
            # Newer Pythons warn that forking beside threads is risky, which is what these tests are about.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        there.close()

    def say(self, word: Any = None) -> None:
        self._here.send(word)

    def hear(self) -> Any:
        """Return what the child sends next, or what its work returned in the end."""
        assert self._here.poll(PATIENCE_SECONDS), "the child says nothing"
        said = self._here.recv()
        assert not isinstance(said, _Failed), said
        return said

    def end(self) -> int:
        """Wait for its end; returns the exit code."""
        self._process.join(PATIENCE_SECONDS)
        code = self._process.exitcode
        assert code is not None, "the child does not end"
        self._here.close()
        return code

    def kill(self) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGKILL)
        assert self.end() == -signal.SIGKILL


class _Failed(str):
    __slots__ = ()


def _run(work: Callable[[Line], Any], line: Line) -> None:
    try:
        answer = work(line)
    except BaseException:  # noqa: BLE001 - whatever it is, the test shows it
        answer = _Failed(traceback.format_exc())
    line.send(answer)


def in_child(work: Callable[[], Any]) -> Any:
    """Fork, do the work there, and return what it returned."""
    child = Child(lambda _: work())
    answer = child.hear()
    assert child.end() == 0
    return answer
