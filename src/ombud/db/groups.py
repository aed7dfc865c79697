"""What writers of both databases do with a batch: make groups of it, and tell everybody who waits the result. Pure."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from ombud.db.database import Together
from ombud.db.operation import Make
from ombud.errors import StorageUnavailable

# An operation alone, or how an item is written together with others; the item; and who waits. A tuple, since one is
# made for every webhook.
Waiting: TypeAlias = tuple[Make[Any] | None, Together[Any, Any] | None, Any, "asyncio.Future[Any]"]
# Who waits, with the value or the error that is the answer.
Answer: TypeAlias = tuple["asyncio.Future[Any]", Any]


@dataclass
class Group:
    """What becomes one operation, and who waits for what of it."""

    make: Make[Any]
    answers: list["asyncio.Future[Any]"]
    together: Together[Any, Any] | None = None
    items: list[Any] = field(default_factory=list)


def grouped(batch: list[Waiting]) -> list[Group]:
    """Make one group of all items that are written in the same way, where the first of them stands."""
    groups: list[Group] = []
    by_way: dict[Together[Any, Any], Group] = {}
    for make, together, item, answer in batch:
        if together is None:
            assert make is not None
            groups.append(Group(make, [answer]))
            continue
        group = by_way.get(together)
        if group is None:
            items: list[Any] = []
            group = by_way[together] = Group(partial(together, items), [], together, items)
            groups.append(group)
        group.items.append(item)
        group.answers.append(answer)
    return groups


def deal(groups: list[Group], results: list[Any]) -> tuple[list[Answer], list[Group]]:
    """Return who is told what, and the groups to run instead of those that raised: each item alone."""
    answers: list[Answer] = []
    singly: list[Group] = []
    for group, result in zip(groups, results, strict=True):
        if len(group.items) > 1 and isinstance(result, Exception) and not isinstance(result, StorageUnavailable):
            singly += _singly(group)
        else:
            answers += _dealt(group, result)
    return answers, singly


def tell(answers: list[Answer]) -> None:
    """Tell everybody, on whatever loop they wait."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
    for answer in answers:
        by_loop.setdefault(answer[0].get_loop(), []).append(answer)
    for loop, of_loop in by_loop.items():
        # A loop that has been closed has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(tell_here, of_loop)


def tell_here(answers: list[Answer]) -> None:
    """Tell those who wait on this loop."""
    for answer, result in answers:
        if answer.done():
            continue
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)


def _singly(group: Group) -> list[Group]:
    together = group.together
    assert together is not None
    return [
        Group(partial(together, [item]), [answer], together, [item])
        for item, answer in zip(group.items, group.answers, strict=True)
    ]


def _dealt(group: Group, result: Any) -> list[Answer]:
    """Return what each who waits for a group is told."""
    if isinstance(result, StorageUnavailable):
        # An error of its own for each: one that is raised in many tasks collects the tracebacks of all.
        return [(answer, StorageUnavailable(str(result))) for answer in group.answers]
    if group.together is None or isinstance(result, BaseException):
        return [(answer, result) for answer in group.answers]
    if len(result) != len(group.answers):
        error = RuntimeError(f"{group.together!r} was given {len(group.answers)} items and gave {len(result)} results")
        return [(answer, error) for answer in group.answers]
    return list(zip(group.answers, result, strict=True))
