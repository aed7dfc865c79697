"""Stand-ins for the systems that handlers reach: they put on record what was asked of them, and by which run."""

import asyncio
import contextvars
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


class Killed(BaseException):
    """The process of a handler is gone, as far as the handler can tell."""


@dataclass(frozen=True)
class Effect:
    """One thing that was asked of the outside: `warehouse.book`, and by which run; nothing of the latter by a test."""

    name: str
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]
    handler: str | None = None
    key: str | None = None
    attempt: int = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """The texts among its arguments that have the run's key in them: by these an outside knows a repetition."""
        if self.key is None:
            return ()
        return tuple(text for text in _texts([*self.arguments, self.named]) if self.key in text)


@dataclass
class Life:
    """A run, as the outside sees it. `kill_at`: the step at which its process dies; 0 for never."""

    handler: str
    key: str
    attempt: int
    kill_at: int = 0
    steps: int = 0
    killed_at: str | None = None
    where: list[str] = field(default_factory=list)

    def step(self, where: str) -> bool:
        """Take a step; returns whether it was the last one."""
        self.steps += 1
        self.where.append(where)
        if self.steps != self.kill_at:
            return False
        self.killed_at = where
        return True


CURRENT: contextvars.ContextVar[Life | None] = contextvars.ContextVar("ombud_testing_life", default=None)


class Outside:
    """A stand-in with whatever methods it is asked for; each call is an `Effect`. Its methods are awaited.

    `returns`: by the name of a method what it answers, or a function that does, of the same arguments. `plain`: the
    methods are plain functions. `repeatable`: the names of those that may be called again without a key.
    """

    def __init__(
        self,
        name: str,
        record: Callable[[Effect], None],
        *,
        plain: bool = False,
        returns: Mapping[str, Any] | None = None,
        repeatable: Collection[str] = (),
    ) -> None:
        self._name = name
        self._record = record
        self._plain = plain
        self._returns = returns or {}
        self.repeatable = frozenset(f"{name}.{method}" for method in repeatable)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("__"):
            raise AttributeError(method)
        name = f"{self._name}.{method}"

        def call(*arguments: Any, **named: Any) -> Any:
            life = CURRENT.get()
            if life is not None and life.killed_at is not None:
                # What is left of a dead process, cleaning up, reaches nobody.
                raise Killed
            if self._plain:
                _plain_step(life, f"before {name}")
            effect = Effect(name, arguments, named)
            if life is not None:
                effect = Effect(name, arguments, named, life.handler, life.key, life.attempt)
            self._record(effect)
            if self._plain:
                _plain_step(life, f"after {name}")
            answer = self._returns.get(method)
            return answer(*arguments, **named) if callable(answer) else answer

        async def call_async(*arguments: Any, **named: Any) -> Any:
            # A request that is on its way, and its answer: a process may die at either.
            await asyncio.sleep(0)
            answer = call(*arguments, **named)
            await asyncio.sleep(0)
            return answer

        return call if self._plain else call_async


def _plain_step(life: Life | None, where: str) -> None:
    if life is not None and life.step(where):
        raise Killed


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for part in value.values():
                yield from _texts(part)
        case list() | tuple() | set() | frozenset():
            for part in value:
                yield from _texts(part)
