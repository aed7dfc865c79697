"""Builds of the receiver in which a crash does harm: each must be caught."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any

import pytest

from ombud.mailbox.model import Done
from ombud.receiver import caller
from ombud.receiver.reader import Reader
from tests.faults.mailbox.driver import Point


def record_after_the_settle(patch: pytest.MonkeyPatch) -> None:
    """Write what a look has found in a transaction of its own, behind the one that ends its arrival."""
    real, under_way = Reader.perform, set[asyncio.Task[None]]()

    async def perform(self: Reader, delivery: Any, facts: Any) -> Any:
        outcome = await real(self, delivery, facts)
        if not isinstance(outcome, Done) or outcome.also is None:
            return outcome
        also, then = outcome.also, outcome.then

        def write() -> None:
            task = asyncio.get_running_loop().create_task(self._looks.write(also))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            if then is not None:
                then()

        return replace(outcome, also=None, then=write)

    patch.setattr(Reader, "perform", perform)


def another_key_for_each_try(patch: pytest.MonkeyPatch) -> None:
    """Make the effect key of the run, not of the change."""
    real = caller._bare_call

    def bare_call(*arguments: Any) -> Any:
        call = yield from real(*arguments)
        return replace(call, key=f"{call.key}-{token_hex(4)}")

    patch.setattr(caller, "_bare_call", bare_call)


@dataclass(frozen=True)
class Build:
    """How to break it, and where dying does harm then."""

    apply: Callable[[pytest.MonkeyPatch], None]
    point: Point


BUILDS: Mapping[str, Build] = {
    "record_after_the_settle": Build(record_after_the_settle, ("commit of results", "after")),
    "another_key_for_each_try": Build(another_key_for_each_try, ("handle", "after")),
}
