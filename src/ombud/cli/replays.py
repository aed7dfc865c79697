"""`ombud replays`: jobs that send many deliveries again, put on record for whoever delivers on the database."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ombud.admin.access import OPERATOR
from ombud.admin.delivery_filter import FIELDS, Asked
from ombud.admin.events import Document
from ombud.admin.resending import (
    cancel_resending,
    count_wanted,
    get_resending,
    list_resendings,
    resending_document,
    start_resending,
)
from ombud.cli.wiring import database_url, open_existing, settings_of_environment
from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.errors import InvalidInput
from ombud.mailbox.ids import ID_LIMIT, parse_id

Place = tuple[str, Path | None]

# Jobs that are listed: what fits on a screen.
LISTED = 20


def run_start(fields: Sequence[str], per_second: int, place: Place, *, dry_run: bool, as_json: bool) -> None:
    """Count what a filter finds, and have it sent again unless this is a dry run."""
    asked = _asked(fields)
    with _opened(place) as database:
        now = database.clock()
        found = database.read(lambda: count_wanted(OPERATOR, asked.filter(now)))
        if dry_run:
            least = "" if found.whole else "at least "
            words = f"{least}{found.count} deliveries; nothing is sent."
            print(json.dumps({"count": found.count, "count_is_exact": found.whole}) if as_json else words)
            return
        number = database.write(lambda: start_resending(OPERATOR, asked, per_second, found, now))
        job = database.read(lambda: get_resending(OPERATOR, number))
        _print(resending_document(job, now), as_json=as_json)


def run_list(place: Place, *, as_json: bool) -> None:
    """Print the latest jobs."""
    with _opened(place) as database:
        jobs = database.read(lambda: list_resendings(OPERATOR, ID_LIMIT - 1, LISTED))
        documents = [resending_document(job, database.clock()) for job in jobs]
    if as_json:
        print(json.dumps({"data": documents}, indent=2))
    else:
        print("\n".join(map(_line, documents)) or "No replays yet. Start one: ombud replays start --help")


def run_cancel(replay_id: str, place: Place, *, as_json: bool) -> None:
    """End a job, and print how far it has come."""
    with _opened(place) as database:
        number, now = parse_id("rpl", replay_id, "REPLAY_ID"), database.clock()
        job = database.write(lambda: cancel_resending(OPERATOR, number, now))
        _print(resending_document(job, now), as_json=as_json)


def _asked(fields: Sequence[str]) -> Asked:
    pairs = dict(field.partition("=")[::2] for field in fields)
    unknown = [name for name in pairs if name not in FIELDS]
    if unknown:
        raise InvalidInput(unknown[0], f"{unknown[0]!r} is not one of: {', '.join(FIELDS)}.")
    return Asked.read(pairs)


@contextmanager
def _opened(place: Place) -> Iterator[Database]:
    database = open_existing(database_url(place[0], settings_of_environment(), place[1]))
    try:
        migrate(database, ["ombud.admin"])
        yield database
    finally:
        database.close()


def _print(document: Document, *, as_json: bool) -> None:
    print(json.dumps(document, indent=2) if as_json else _line(document))


def _line(document: Document) -> str:
    least = "" if document["count_is_exact"] else "at least "
    filters = " ".join(document["filter"].values())
    return f"{document['id']}  {document['state']}  {document['sent']} of {least}{document['count']}  {filters}"
