"""`ombud replays`: jobs that do many things again, put on record for whoever works on the database."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ombud.admin.access import OPERATOR
from ombud.admin.delivery_filter import Asked, Texts
from ombud.admin.events import Document
from ombud.admin.resending import (
    KINDS,
    cancel_resending,
    count_wanted,
    get_resending,
    list_resendings,
    resending_document,
    start_resending,
)
from ombud.cli.wiring import (
    RECEIVER_FILE,
    SENDER_FILE,
    SENDER_TABLES,
    Place,
    database_url,
    open_existing,
    settings_of_environment,
)
from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.errors import InvalidInput
from ombud.mailbox.ids import ID_LIMIT, parse_id
from ombud.mailbox.model import Box
from ombud.receiver.receiver import PACKAGES as RECEIVER_TABLES

# Jobs that are listed: what fits on a screen.
LISTED = 20
# What a sender and a receiver have in common.
MAILBOX_TABLES = ["ombud.mailbox"]
_KINDS = {kind.kind: kind for kind in KINDS.values()}


def run_start(fields: Sequence[str], per_second: int, place: Place, *, dry_run: bool, as_json: bool) -> None:
    """Count what a filter finds, and have it done again unless this is a dry run."""
    asked = _asked(fields)
    sends = asked.box is Box.OUTBOX
    tables, file = (SENDER_TABLES, SENDER_FILE) if sends else (RECEIVER_TABLES, RECEIVER_FILE)
    with _opened(place, tables, file) as database:
        now = database.clock()
        found = database.read(lambda: count_wanted(OPERATOR, asked, now))
        if dry_run:
            least = "" if found.whole else "at least "
            words = f"{least}{found.count} {asked.kind}; nothing is done."
            print(json.dumps({"count": found.count, "count_is_exact": found.whole}) if as_json else words)
            return
        number = database.write(lambda: start_resending(OPERATOR, asked, per_second, found, now))
        job = database.read(lambda: get_resending(OPERATOR, number))
        _print(resending_document(job, now), as_json=as_json)


def run_list(place: Place, *, as_json: bool) -> None:
    """Print the latest jobs."""
    with _opened(place) as database:
        jobs = database.read(lambda: list_resendings(OPERATOR, None, ID_LIMIT - 1, LISTED))
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


def _asked(fields: Sequence[str]) -> Texts:
    pairs = dict(field.partition("=")[::2] for field in fields)
    of = pairs.pop("of", Asked.kind)
    if of not in _KINDS:
        raise InvalidInput("of", f"{of!r} is not one of: {', '.join(_KINDS)}.")
    kind = _KINDS[of]
    unknown = [name for name in pairs if name not in kind.names()]
    if unknown:
        raise InvalidInput(unknown[0], f"{unknown[0]!r} is not one of: {', '.join(kind.names())}.")
    return kind.read(pairs)


@contextmanager
def _opened(place: Place, tables: Sequence[str] = MAILBOX_TABLES, file: str = SENDER_FILE) -> Iterator[Database]:
    option, data = place
    database = open_existing(database_url(option, settings_of_environment(), data, file), tables)
    try:
        migrate(database, ["ombud.admin"])
        yield database
    finally:
        database.close()


def _print(document: Document, *, as_json: bool) -> None:
    print(json.dumps(document, indent=2) if as_json else _line(document))


def _line(document: Document) -> str:
    least = "" if document["count_is_exact"] else "at least "
    what = " ".join([document["of"], *document["filter"].values()])
    return f"{document['id']}  {document['state']}  {document['sent']} of {least}{document['count']}  {what}"
