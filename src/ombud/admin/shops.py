"""The shops of an inbox, as documents for a person. No token is in them: only its hash is stored."""

from ombud.admin.events import Document, rfc3339, rfc3339_or_none
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.mailbox.model import Box
from ombud.receiver.sources import list_sources

sql = read_queries("ombud.admin")


def shop_documents() -> Operation[list[Document]]:
    """Return every shop, oldest first: its tokens, its key, its budget, whether it is paused, and what waits."""
    rows = yield sql["shops_of_inbox"], {"arrivals": Box.INBOX, "changes": Box.CHANGES}
    return [shop_document(row, row["reads"], row["runs"]) for row in rows]


def shop_document(row: Row, reads: int, runs: int) -> Document:
    """Return a shop; `reads` and `runs` wait for it."""
    return {
        "name": row["name"],
        "tokens": [_token(row["token_used_at"])]
        + ([_token(row["previous_token_used_at"])] if row["has_previous"] else []),
        "api_key_file": row["api_key_file"],
        "reads_per_second": row["reads_per_second"],
        "paused_at": rfc3339_or_none(row["paused_at"]),
        "created_at": rfc3339(row["created_at"]),
        "waiting": {"reads": reads, "runs": runs},
    }


def source_documents(name: str) -> Operation[list[Document]]:
    """Return the addresses that a shop's webhooks came from, the latest first. Raises NotFound."""
    rows = yield from list_sources(name)
    return [
        {
            "address": row["address"],
            "known": bool(row["known"]),
            "first_at": rfc3339(row["first_at"]),
            "last_at": rfc3339_or_none(row["last_at"]),
        }
        for row in rows
    ]


def _token(used_at: int | None) -> Document:
    return {"used_at": rfc3339_or_none(used_at)}
