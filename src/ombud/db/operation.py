"""An operation is written once, as a generator: it yields a named statement with its parameters and is sent the rows.

The driver of each database runs it. So the meaning of an operation knows no connection, no event loop and no dialect,
and operations compose with `yield from`.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

Row: TypeAlias = Mapping[str, Any]
Values: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Statement:
    """One SQL statement with the name it has in its .sql file. Parameters are named: `:shop_id`."""

    name: str
    sql: str


# A list of values runs the statement once for each, and no rows come back.
Step: TypeAlias = tuple[Statement, Values | Sequence[Values]]
Operation: TypeAlias = Generator[Step, list[Row], T]
# A generator runs once; what may wait in a queue or be tried again is the function that makes it.
Make: TypeAlias = Callable[[], Operation[T]]
