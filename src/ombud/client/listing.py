"""Lists, read page by page while the shop goes on changing.

The API pages by offset and nothing else, so whatever comes or goes before the place where we are shifts all that
follows. Three rules keep the list whole. Pages overlap by one: a page must begin with a thing before which nothing is
missing, else something before it went away, and we step back. What is known is not given twice. And after the end the
beginning is read again, because a thing that was changed may have jumped there before we came to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from ombud.client.call import Call, Params
from ombud.client.errors import UnexpectedAnswer
from ombud.client.models import Thing

FRUITLESS_PAGES = 3  # pages in a row without anything new: arrivals explain some, a list that ignores the offset all


@dataclass(frozen=True)
class Listing(Generic[Thing]):
    """One list. A page of fewer than `full` things is the last one."""

    path: str
    params: Params
    full: int
    read: Callable[[Any], list[Thing]]

    def page(self, offset: int = 0) -> Call[tuple[Thing, ...]]:
        """One page, which is empty where the API says that there is none."""
        return Call(
            "GET",
            self.path,
            lambda answer: () if answer.missing else tuple(self.read(answer.json())),
            (*self.params, ("offset", str(offset))),
        )


class Walk(Generic[Thing]):
    """Where we are in a list: `call` is the next page to ask for, `take` gives what is new in it."""

    def __init__(self, listing: Listing[Thing]) -> None:
        self._listing = listing
        self._overlap = 0 if listing.full == 1 else 1
        self._offset: int | None = 0
        self._stride = self._longest = 1
        self._seen: set[str] = set()
        # Of these, those before which nothing is missing. A page that was reached over a gap is seen, and no more.
        self._joined: set[str] = set()
        self._pages = self._fruitless = 0
        self._closing = False

    def call(self) -> Call[tuple[Thing, ...]] | None:
        """The next page; None at the end."""
        return None if self._offset is None else self._listing.page(self._offset)

    def take(self, things: Sequence[Thing]) -> list[Thing]:
        """The things of the page that was asked for and that were not given before."""
        joins = not self._offset or (bool(things) and things[0].id in self._joined)
        fresh = list({thing.id: thing for thing in things if thing.id not in self._seen}.values())
        self._seen.update(thing.id for thing in fresh)
        if joins:
            self._joined.update(thing.id for thing in things)
        self._count(len(things), len(fresh), joins=joins)
        self._offset = self._following(len(things), joins=joins, new=len(fresh))
        return fresh

    def _following(self, size: int, *, joins: bool, new: int) -> int | None:
        offset = self._offset or 0
        if self._overlap and not joins:
            return max(0, offset - self._stride)
        if size < self._listing.full or (self._closing and not new):
            return self._beginning()
        self._stride = max(1, size - self._overlap)
        return offset + self._stride

    def _beginning(self) -> int | None:
        """Look at the first page again, once, if there was more than one."""
        again = not self._closing and self._pages > 1
        self._closing = True
        return 0 if again else None

    def _count(self, size: int, new: int, *, joins: bool) -> None:
        self._pages += 1
        self._longest = max(self._longest, size)
        # On the way back pages are known, and right to be; so they are on the way forward after it.
        self._fruitless = 0 if new else self._fruitless + joins
        if self._fruitless > FRUITLESS_PAGES + len(self._seen) // max(1, self._longest - self._overlap):
            raise UnexpectedAnswer("the same page again and again; it does not follow the offset")
