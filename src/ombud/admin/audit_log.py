"""Who changed what: an entry beside each change, in its transaction."""

import secrets
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

from ombud.admin.access import Caller
from ombud.admin.events import Document, rfc3339
from ombud.db.operation import Operation
from ombud.db.queries import read_queries

T = TypeVar("T")

sql = read_queries("ombud.admin", "people.sql")

# Below the microseconds of a number made here: each process counts on from where chance put it.
_COUNTER_BITS = 10
_counter = count(secrets.randbits(_COUNTER_BITS - 1))
# How ids of entries begin.
PREFIX = "log"
# Characters of a detail that are kept: a line, whatever was typed.
LONGEST_DETAIL = 500


def number_at(now: int) -> int:
    """Return a 63-bit number that grows with time (UTC microseconds), for what people make by hand."""
    return now << _COUNTER_BITS | next(_counter) % (1 << _COUNTER_BITS)


def record(
    caller: Caller, action: str, target: str, now: int, *, shop_id: int = 0, detail: str = ""
) -> Operation[None]:
    """Write down that a caller did something to a target: `endpoint.add`, `ep_0k8…`. A detail holds no secret."""
    values = {"id": number_at(now), "now": now, "actor": caller.name, "action": action, "target": target}
    yield sql["insert_entry"], values | {"shop_id": shop_id, "detail": detail[:LONGEST_DETAIL]}


def recorded(make: Callable[[], Operation[T]], note: Callable[[T], Operation[None]]) -> Callable[[], Operation[T]]:
    """Return an operation that does a change and then writes it down; both or neither are stored."""

    def change() -> Operation[T]:
        result = yield from make()
        yield from note(result)
        return result

    return change


def list_entries(before: int, rows: int) -> Operation[list[Document]]:
    """Return entries with a number below `before`, newest first."""
    found = yield sql["list_entries"], {"before": before, "rows": rows}
    return [_entry(row) for row in found]


def _entry(row: Any) -> Document:
    return {
        "number": row["id"],
        "at": rfc3339(row["at"]),
        "actor": row["actor"],
        "action": row["action"],
        "target": row["target"],
        "shop_id": row["shop_id"],
        "detail": row["detail"],
    }
