"""A request to the API as a value: what to send, and what its answer means. Nothing here sends anything."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from ombud.client.answer import Answer

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Params = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Call(Generic[T_co]):
    """One request. `parse` turns a complete answer into the result or raises an `OmbudError`."""

    method: str
    path: str
    parse: Callable[[Answer], T_co]
    params: Params = ()
    body: bytes | None = field(default=None, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.body is None else {"Content-Type": "application/json"}


# Several calls one after the other, as a generator that is sent the result of each; it returns the result of all.
Steps: TypeAlias = Generator[Call[Any], Any, T]
