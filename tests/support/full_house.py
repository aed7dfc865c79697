"""A panel of both sides in whose databases every list has rows, and every text of a stored row can be replaced."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from itertools import cycle
from pathlib import Path

from ombud.admin.access import OPERATOR, Role
from ombud.admin.alarms.book import Look as Watched
from ombud.admin.alarms.book import note
from ombud.admin.alarms.book import sql as alarms
from ombud.admin.alarms.causes import Cause, Finding
from ombud.admin.audit_log import record
from ombud.admin.delivery_filter import Asked
from ombud.admin.keys import add_key, new_key
from ombud.admin.resending import count_wanted, start_resending
from ombud.db.database import Database
from ombud.db.operation import Operation, Row, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.ids import ID_LIMIT, format_id
from ombud.mailbox.model import Dead, Delivery, Done, Draft, Outcome
from ombud.receiver.documents import read_document
from ombud.receiver.findings import Look
from ombud.receiver.inbox import Inbox
from ombud.receiver.listed import HELD
from ombud.receiver.options import HandlerFacts
from ombud.receiver.receiver import PACKAGES
from ombud.receiver.registry import register_handlers
from ombud.receiver.shops import add_shop, list_shops, sql
from ombud.receiver.sources import change_sources
from ombud.receiver.telling import Teller
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.web.app import SenderApp
from tests.admin.post import Outcomes, Post, once
from tests.support.databases import lay_tables
from tests.support.people import log_in, somebody

# What is chosen from a list, read as something else or made of other columns: no text of anybody's.
NOT_TEXT = frozenset(
    {
        *("person.role", "entry_link.role", "api_key.scopes", "resending.filter", "resending.cursor"),
        *("subscription.event_type", "endpoint.headers", "lane.failed_subjects", "chore.name", "sweep.kind"),
        *("ledger.event_type", "ledger.version", "ledger.applied_version", "document.version", "mirror.version"),
        *("alarm.cause", "alarm.facts", "alarm_message.phase", "alarm_channel.kind", "alarm_channel.causes"),
        *("alarm_channel.language", "alarm_channel.zone"),
        *("mirror.listed_version", "reading.version", "meter.what", "event_key.key", "migration.name"),
    }
)


INSERT_CHANNEL = alarms["insert_channel"].sql
SETTINGS = Settings(allow_networks=(ip_network("127.0.0.0/8"),), token="a-token-of-the-tests", endpoints_per_shop=100)


class FullHouse:
    """The panel, with so many rows in each list, and whoever is logged in."""

    def __init__(
        self, folder: Path, rows: int = 3, names: Callable[[int], str] = "name {}".format, settings: Settings = SETTINGS
    ) -> None:
        """`names`: what stands in the fields of objects of the shop's API, of the row with that number."""
        database = SqliteDatabase(lay_tables(folder / "sender.db", "ombud.admin", "ombud.mailbox", "ombud.sender"))
        self.sender = Sender(database, settings)
        inbox = lay_tables(folder / "receiver.db", "ombud.admin", *PACKAGES)
        self.inbox = Inbox(replace(settings, database_url=f"sqlite:///{inbox}", perform="elsewhere"))
        receiver = self.inbox.receiver
        self.app = SenderApp(self.sender, receiver)
        self.databases: Sequence[Database] = (database, receiver.database)
        self._fill_sender(rows)
        self._fill_people(rows)
        self._fill_receiver(rows, names)
        self._fill_alarms(rows, names)
        # Which payload stands for a subject, by what stands there now.
        self._places: dict[str, dict[str, int]] = {database.name: {} for database in self.databases}
        self.cookies = log_in(self.app.people, name="owner of all")

    def close(self) -> None:
        """Close both databases."""
        self.sender.close()
        self.inbox.receiver.close()

    def rows(self) -> dict[tuple[str, str], list[Row]]:
        """Return every row of every table, but for when somebody was last seen."""
        found: dict[tuple[str, str], list[Row]] = {}
        for database in self.databases:
            for table in tables_of(database):
                rows = database.read(partial(once, f"select * from {table}"))
                seen = {"seen_at", "last_used_at", "seen"}
                found[database.name, table] = [{k: v for k, v in row.items() if k not in seen} for row in rows]
        return found

    def spoil(self, payloads: Sequence[str]) -> int:
        """Replace every text of every row by one of these; returns how many columns have been replaced."""
        spoilt = 0
        for database in self.databases:
            for table in tables_of(database):
                for column in texts_of(database, table):
                    spoilt += database.write(partial(_spoil, table, column, payloads, self._places[database.name]))
        return spoilt

    def _fill_sender(self, rows: int) -> None:
        database, endpoints = self.sender.database, self.sender.endpoints
        for number in range(rows):
            edit = EndpointEdit(f"https://8.8.8.8/{number}", description=f"number {number}")
            database.write(partial(endpoints.add, edit))
            if number == 0:
                events = [Event("order.new", str(one)) for one in range(rows)]
                database.write(partial(self.sender.outbox.publish, events))
        [endpoint, *_] = database.read(lambda: endpoints.list(ID_LIMIT - 1, 1))
        tested = database.write(lambda: endpoints.test(endpoint.id, None, "7"))
        ids = format_id("ep", endpoint.id), format_id("evt", tested)
        # What a page asks for after a test was sent from it.
        self.test_path = f"/settings/webhooks/{ids[0]}/test/{ids[1]}"
        Post(database, self.sender.outbox.mailbox).perform(every_other_fails())
        wanted, now = Asked(state="dead"), database.clock()
        found = database.read(lambda: count_wanted(OPERATOR, wanted, now))
        for _ in range(min(rows, 3)):
            database.write(lambda: start_resending(OPERATOR, wanted, 1, found, now))

    def _fill_people(self, rows: int) -> None:
        people = self.app.people
        for number in range(rows):
            somebody(people, Role.READER, name=f"reader {number}")
            people.database.write(partial(add_key, f"key {number}", new_key(), 1))
            people.database.write(partial(record, OPERATOR, "endpoint.add", str(number), number + 1, detail="x"))

    def _fill_alarms(self, rows: int, names: Callable[[int], str]) -> None:
        database = self.sender.database
        values = {"kind": "email", "target": "x", "causes": "", "language": "en", "zone": "UTC", "enabled": 1}
        values |= {"shop_id": 0, "quiet_from": 60, "quiet_until": 120, "now": 1}
        facts = [{"endpoint_id": str(number), "url": names(number), "reason": "x"} for number in range(rows)]
        findings = [Finding(Cause.ENDPOINT_DISABLED, str(one["endpoint_id"]), 1, 1, one) for one in facts]
        for number in range(rows):
            database.write(partial(once, INSERT_CHANNEL, **values, id=number + 1, name=f"channel {number}"))
        for now, seen in ((1, findings), (2, findings), (3, findings[1:]), (4, findings[1:])):
            database.write(partial(note, [Watched([Cause.ENDPOINT_DISABLED], seen)], now, 0))
        database.write(partial(once, "update alarm_channel set failed_at = 1, failures = 1, reason = 'It is down.'"))

    def _fill_receiver(self, rows: int, names: Callable[[int], str]) -> None:
        receiver = self.inbox.receiver
        database = receiver.database
        handlers = [HandlerFacts(f"handler {number}", ["product.add", "order.new"], 1.0) for number in range(2)]
        database.write(lambda: register_handlers(receiver.changes, handlers))
        for number in range(rows):
            database.write(partial(add_shop, receiver.arrivals, f"other {number}", f"a-token-of-{number}", "/a/file"))
        (shop, *_) = database.read(list_shops)
        database.write(lambda: change_sources(shop.name, ["192.0.2.7"], []))
        lanes = [shop.reader_lane_id]
        drafts = [Draft(shop.id, "product.add", f"product/{number}", lanes) for number in range(rows)]
        drafts += [Draft(shop.id, "unknown", "", [], f"an event type that is not known here: {n}") for n in range(rows)]
        database.write(lambda: receiver.arrivals.append(drafts))
        teller = Teller(receiver.changes, {facts.name: facts for facts in handlers})

        def read(delivery: Delivery) -> Done:
            number = int(delivery.subject.partition("/")[2])
            document = read_document({"id": number, "name": names(number), names(number): "x"})
            return Done(200, also=lambda: teller.record(Look(delivery, database.clock(), 2, document)))

        Post(database, receiver.arrivals).perform(read)
        Post(database, receiver.changes).perform(every_other_fails())
        more = [Draft(shop.id, "product.update", f"product/{number}", lanes) for number in range(rows)]
        database.write(lambda: receiver.arrivals.append(more))
        Post(database, receiver.arrivals).perform(lambda _: Dead("The API says no."))
        held = [Draft(shop.id, "product.reconcile", f"product/{number}", lanes) for number in range(rows)]
        ids = database.write(lambda: receiver.arrivals.append(held))
        values = [(id_, shop.reader_lane_id, HELD) for id_ in ids]
        database.write(lambda: hold(values))


def hold(arrivals: Sequence[tuple[int, int, str]]) -> Operation[None]:
    """Have arrivals wait for a person: of each its id, its lane and why."""
    yield sql["hold_arrival"], arrivals


def every_other_fails() -> Outcomes:
    """Let the first delivery succeed, the next one fail, and so on: ids say nothing of how many there are."""
    outcomes: Iterator[Outcome] = cycle((Done(200), Dead("answered 503", status=503)))
    return lambda _: next(outcomes)


def tables_of(database: Database) -> list[str]:
    """Return the names of a database's tables."""
    text = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by name"
    return [row["name"] for row in database.read(partial(once, text))]


def texts_of(database: Database, table: str) -> list[str]:
    """Return the columns of a table that hold somebody's text."""
    text = f"select name from pragma_table_info('{table}') where lower(type) = 'text' order by cid"
    names = [row["name"] for row in database.read(partial(once, text))]
    return [name for name in names if f"{table}.{name}" not in NOT_TEXT]


def _spoil(table: str, column: str, payloads: Sequence[str], places: dict[str, int]) -> Operation[int]:
    """Give each row one of the payloads. A subject is given the same one everywhere, so that rows still meet."""
    keys = yield Statement("keys", f"select name from pragma_table_info('{table}') where pk > 0"), {}
    names = [row["name"] for row in keys if row["name"] != column]
    where = f"{column} is not null and {column} <> ''" + (
        " and box = 2" if (table, column) == ("event", "data") else ""
    )
    rows = yield Statement("rows", f"select {', '.join([*names, column])} as text from {table} where {where}"), {}
    match = " and ".join([f"{column} = :text", *(f"{name} = :{name}" for name in names)])
    text = f"update {table} set {column} = :payload where {match}"
    for number, row in enumerate(rows):
        turns, place = divmod(number, len(payloads))
        if column == "subject":
            turns, place = 0, places.setdefault(row["text"], len(places) // 2 % len(payloads))
            places[payloads[place]] = place
        yield Statement("spoil", text), {**row, "payload": payloads[place] + " " * turns}
    return int(bool(rows))
