"""What holds a writer up, so that a test can see what waits behind it."""

import asyncio
import threading

from ombud.db.operation import Operation, Row, Statement


class Obstacle:
    """An operation that keeps the writer's thread busy until it is let go."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._free = threading.Event()

    def make(self) -> Operation[list[Row]]:
        self._reached.set()
        assert self._free.wait(30)
        rows = yield Statement("one", "select 1"), {}
        return rows

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, 30)

    def free(self) -> None:
        self._free.set()
