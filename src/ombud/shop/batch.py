"""Several things in one request: one that cannot be done is said beside the others, which still go through."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ombud.db.operation import Operation
from ombud.errors import InvalidInput, NotFound

T = TypeVar("T")


@dataclass(frozen=True)
class Result(Generic[T]):
    """What became of one thing of a request: its value, or why there is none."""

    value: T | None = None
    error: InvalidInput | NotFound | None = None

    @property
    def errors(self) -> list[str]:
        """The error in words, with the field it is about; empty for a success."""
        return [] if self.error is None else [words(self.error)]


def each(operations: Iterable[Operation[T]]) -> Operation[list[T]]:
    """Run operations one after the other; returns what they return."""
    results: list[T] = []
    for operation in operations:
        result = yield from operation
        results.append(result)
    return results


def attempt(operation: Operation[T]) -> Operation[Result[T]]:
    """Run a part of a larger operation, which goes on if it is refused.

    The part must make all its checks before its first write: nothing is undone here.
    """
    try:
        return Result((yield from operation))
    except (InvalidInput, NotFound) as error:
        return Result(error=error)


def words(error: Exception) -> str:
    """Return an error as the API says it: `[0].products[1].qty: It must be a number.`"""
    return f"{error.field}: {error}" if isinstance(error, InvalidInput) else str(error)
