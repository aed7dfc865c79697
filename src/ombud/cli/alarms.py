"""`ombud alarms`: alarms and their channels as the REST API has them, with the same fields, on the database itself."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ombud.admin.access import OPERATOR
from ombud.admin.alarms.book import list_alarms
from ombud.admin.alarms.causes import Cause
from ombud.admin.alarms.channel import channel_document
from ombud.admin.events import Document
from ombud.cli.failures import NETWORK, OK
from ombud.cli.fields import body_of
from ombud.cli.wiring import Place, admin_database, settings_of_environment
from ombud.errors import ConfigurationError
from ombud.mailbox.ids import ID_LIMIT, parse_id
from ombud.web.alarm_bodies import ChannelChanges, NewChannel, choices
from ombud.web.alarm_desk import AlarmDesk
from ombud.web.alarm_words import headline
from ombud.web.words import ENGLISH, words_in

# More than anybody looks at in a terminal.
MOST = 1_000
# Fields whose value is what stands there.
_TEXTS = frozenset(["kind", "target", "name", "language", "zone", "quiet_hours"])


def run_list(place: Place, *, as_json: bool) -> None:
    """Print alarms, newest first."""
    with _opened(place) as desk:
        alarms = desk.database.read(lambda: list_alarms(OPERATOR, ID_LIMIT - 1, MOST))
    if as_json:
        print(json.dumps({"data": alarms}, indent=2))
    else:
        print("\n".join(map(_alarm_line, alarms)) or "No alarms.")


def run_channels(place: Place, *, as_json: bool) -> None:
    """Print every channel, and how it does."""
    with _opened(place) as desk:
        found = desk.database.read(lambda: desk.edits.list(OPERATOR, ID_LIMIT - 1, MOST))
    documents = [channel_document(channel) for channel in found]
    if as_json:
        print(json.dumps({"data": documents}, indent=2))
    else:
        print("\n".join(map(_line, documents)) or "Nobody is told yet. See: ombud alarms add --help")


def run_add(kind: str, target: str, chosen: Sequence[str], place: Place, *, as_json: bool) -> None:
    """Add a channel and print it; `-` reads its target from standard input."""
    target = sys.stdin.readline().strip() if target == "-" else target
    body = body_of(NewChannel, chosen, _TEXTS, ("causes",), kind=kind, target=target)
    with _opened(place) as desk:
        asyncio.run(desk.check(body.kind, body.target))
        now = desk.database.clock()
        channel = desk.database.write(lambda: desk.edits.add(OPERATOR, body.edit(), body.shop_id, now))
    _print(channel_document(channel), as_json=as_json)


def run_edit(channel_id: str, chosen: Sequence[str], place: Place, *, as_json: bool) -> None:
    """Change a channel and print it."""
    number = _number(channel_id)
    changes = choices(body_of(ChannelChanges, chosen, _TEXTS, ("causes",)).model_dump(exclude_unset=True))
    if not changes:
        raise ConfigurationError("Nothing to change was named. See: ombud alarms edit --help")
    with _opened(place) as desk:
        now = desk.database.clock()
        channel = desk.database.write(lambda: desk.edits.change(OPERATOR, number, None, now, **changes))
    _print(channel_document(channel), as_json=as_json)


def run_delete(channel_id: str, place: Place, *, as_json: bool) -> None:
    """Delete a channel."""
    number = _number(channel_id)
    with _opened(place) as desk:
        now = desk.database.clock()
        desk.database.write(lambda: desk.edits.delete(OPERATOR, number, None, now))
    print(json.dumps({"id": channel_id, "deleted": True}) if as_json else f"{channel_id} is deleted.")


def run_test(channel_id: str, place: Place, *, as_json: bool) -> int:
    """Send a test, print what came of it, and return the exit code."""
    number = _number(channel_id)
    with _opened(place) as desk:
        _, reason = asyncio.run(desk.test(OPERATOR, number))
    if as_json:
        print(json.dumps({"sent": reason is None, "reason": reason}))
    else:
        print(reason or f"The test was sent to {channel_id}.")
    return OK if reason is None else NETWORK


@contextmanager
def _opened(place: Place) -> Iterator[AlarmDesk]:
    settings = settings_of_environment()
    with admin_database(place, settings) as database:
        writer = database.open_writer()
        try:
            yield AlarmDesk(writer, settings)
        finally:
            writer.close()


def _number(channel_id: str) -> int:
    return parse_id("alc", channel_id, "CHANNEL_ID")


def _print(document: Document, *, as_json: bool) -> None:
    print(json.dumps(document, indent=2) if as_json else _line(document))


def _line(document: Document) -> str:
    state = "disabled" if not document["enabled"] else "down" if document["failing_since"] else "open"
    return "  ".join(filter(None, [document["id"], state, document["target"], document["name"], document["reason"]]))


def _alarm_line(alarm: Document) -> str:
    what = headline(Cause(alarm["cause"]), alarm["facts"], words_in(ENGLISH))
    over = f"over {alarm['ended_at']}" if alarm["ended_at"] else "lasts"
    return f"{alarm['began_at']}  {over}  {what}"
