"""Cursor pages: `?limit=` and `?cursor=`, newest first."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Header, Path, Query

from ombud.mailbox.ids import ID_LIMIT, parse_id
from ombud.web.bodies import STORABLE, described

# Rows of one page: what a person scans, and what a script may ask for.
PAGE_ROWS = 50
MOST_PAGE_ROWS = 500

Limit = Annotated[int, Query(ge=1, le=MOST_PAGE_ROWS, description="Rows of a page.")]
# A subject to look for; `90017` alone is an order.
Subject = Annotated[str, described("Only about this: order/90017.", pattern=STORABLE)]
Id = Annotated[str, Path(description="The id as the API gave it.")]
IfMatch = Annotated[
    str | None, Header(description="The `ETag` that was read: another version is left alone (412).", examples=["*"])
]
Cursor = Annotated[str, Query(description="`next_cursor` of the page before.")]
# Of a list by name.
NameCursor = Annotated[
    str,
    Query(
        description="`next_cursor` of the page before: the name of its last row.",
        json_schema_extra={"pattern": STORABLE},
    ),
]


def before_cursor(prefix: str, cursor: str) -> int:
    """Return the id below which a page begins; raises InvalidInput for a cursor that is none."""
    return parse_id(prefix, cursor, "cursor") if cursor else ID_LIMIT - 1


def page(documents: Sequence[dict[str, Any]], limit: int, by: str = "id") -> dict[str, Any]:
    """Return a page as a document: its rows, and where the next one begins or null. `by`: what they are sorted by."""
    return {"data": documents, "next_cursor": documents[-1][by] if len(documents) == limit else None}
