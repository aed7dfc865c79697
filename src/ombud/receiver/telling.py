"""One transaction for what a look has found: the reading, the document, what is known, and who is told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ombud.client import UnexpectedAnswer
from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Box
from ombud.receiver.changes import News, append_change
from ombud.receiver.documents import unpack
from ombud.receiver.every import Whose, untold
from ombud.receiver.findings import Finding, Known, Look, known_of, told_of, whole_second
from ombud.receiver.ledger import (
    ORDER_EVENTS,
    OrderSeen,
    Seen,
    Telling,
    Told,
    holds,
    last_told,
    order_telling,
    product_telling,
)
from ombud.receiver.listed import BACKFILLS, RECONCILES
from ombud.receiver.marks import mark_of
from ombud.receiver.meter import REDUNDANT, note_told
from ombud.receiver.options import EVERY, HandlerFacts
from ombud.receiver.own_writes import Changed, Silent, silent_for
from ombud.receiver.watching import watched
from ombud.wire import EVENT_TYPES

sql = read_queries("ombud.receiver")

# Seconds that a webhook may take from the shop to here.
WAY_SECONDS = 2.0
# Seconds before its shop was known here that an order may have been paid, and a webhook be believed that it is new: the
# hour by which the shop's clocks go back in autumn, and a quarter for clocks that differ.
GRACE_SECONDS = 4_500.0

PRODUCT_EVENTS = ("product.add", "product.update", "product.delete")


class Teller:
    """Writes down what was found and appends one delivery for each handler that must hear of it."""

    def __init__(self, changes: Mailbox, handlers: Mapping[str, HandlerFacts], volatile: Sequence[str] = ()) -> None:
        """`handlers`: those of the running app, by name. `volatile` as of `lasting`."""
        self._volatile = volatile
        self._changes = changes
        self._handlers = handlers

    @property
    def tells_every(self) -> bool:
        """Whether anybody hears of every webhook."""
        return any(handler.mode == EVERY for handler in self._handlers.values())

    @property
    def tells_unknown(self) -> bool:
        """Whether anybody hears of products that are gone and were never seen here."""
        return any(handler.allow_unknown for handler in self._handlers.values())

    def record(self, look: Look, *, last: bool = False) -> Operation[None]:
        """Record the look and tell whom it concerns; runs inside the settle of its arrival.

        `last`: should it show nothing new, no other look will for this arrival.
        """
        known = yield from known_of(look.delivery.shop_id, look.delivery.subject)
        reading_id = self._changes.ids.next()
        yield sql["insert_reading"], _reading(look, reading_id)
        if look.document is not None:
            values = {"shop_id": look.delivery.shop_id, "version": look.document.version, "body": look.document.body}
            yield sql["insert_document"], values | {"now": self._changes.clock()}
        yield sql["put_mirror"], _mirror(look, known, reading_id)
        if last and look.delivery.type in EVENT_TYPES and _is_as_known(look, known):
            kind = EVENT_TYPES[look.delivery.type]
            yield from note_told(look.delivery.shop_id, kind, REDUNDANT, self._changes.clock())
        handlers = yield sql["active_handlers"], {}
        finding = Finding(look, known, reading_id, (yield from _own_doing(look, known, self._volatile)))
        for event_type in ORDER_EVENTS if look.order_status is not None else PRODUCT_EVENTS:
            old = yield from _came_before(event_type, look, known)
            told = False
            for handler in handlers:
                facts = self._handlers.get(handler["name"])
                if facts is not None and event_type in facts.event_types:
                    told |= yield from self._tell(event_type, handler, finding, old=old)
            if told:
                kind, source = event_type.partition(".")[0], _source(event_type, look.delivery.type)
                yield from note_told(look.delivery.shop_id, kind, source, self._changes.clock())

    def _tell(self, event_type: str, handler: Row, finding: Finding, *, old: bool) -> Operation[bool]:
        """Tell one handler of one event what it must be told; returns whether there was anything.

        `old`: it was so before its shop was known here.
        """
        telling = yield from self._decide(event_type, handler, finding, old=old)
        each = yield from self._each(event_type, handler, finding.look)
        if (handler["name"], event_type) in finding.own:
            if telling is not None:
                yield from self._silence(event_type, handler, telling, finding)
            return False
        fires = not each and telling is not None and telling.fire
        if not old:
            for arrival in each:
                one = {"epoch": arrival["id"], "arrival": arrival["id"], "received_at": arrival["created_at"]}
                yield from self._append(event_type, handler, one | {"source": "webhook", EVERY: True}, finding)
            if fires and telling is not None:
                yield from self._append(event_type, handler, {"epoch": telling.told.epoch}, finding)
        return not old and (fires or bool(each))

    def _each(self, event_type: str, handler: Row, look: Look) -> Operation[list[Row]]:
        """Return the webhooks of which a handler of every one has not been told, when what they say is so."""
        facts = self._handlers[handler["name"]]
        document = None if look.document is None else look.document.body
        if handler["every_at"] is None or not holds(
            event_type, None if document is None else unpack(document), include_cancelled=facts.include_cancelled
        ):
            return []
        key = {"shop_id": look.delivery.shop_id, "subject": look.delivery.subject, "event_type": event_type}
        until, arrival = look.covers_until, look.delivery.event_id
        return (yield from untold(Whose(key | {"handler_id": handler["id"]}, handler["every_at"], until, arrival)))

    def _decide(self, event_type: str, handler: Row, finding: Finding, *, old: bool) -> Operation[Telling | None]:
        """Decide what one handler must be told, and remember that it was; of what is `old`, that it was not."""
        look, known = finding.look, finding.known
        key = {
            "shop_id": look.delivery.shop_id,
            "handler_id": handler["id"],
            "subject": look.delivery.subject,
            "event_type": event_type,
        }
        told, facts = (yield from told_of(key)), self._handlers[handler["name"]]
        if look.order_status is not None and look.document is not None:
            mark = mark_of(event_type, facts, look.paid_at, look.document.body)
            order = OrderSeen(look.order_status, look.document.version, look.paid_at is not None, mark)
            if told.holds and not told.epoch and not old:
                told = Told()  # it was too old to be told, and is so no more: somebody has asked for the past
            telling = order_telling(event_type, order, told, include_cancelled=facts.include_cancelled)
        else:
            seen = replace(_seen(look, known), allow_unknown=facts.allow_unknown)
            telling = product_telling(event_type, facts.event_types, seen, told)
            if telling is not None and telling.fire and facts.watch and event_type == "product.update":
                telling = yield from self._unless_unwatched(facts, look, last_told(seen, told), telling)
        if telling is not None:
            told = telling.told
            values = {"holds": int(told.holds), "version": told.version, "mark": told.mark, "known": known.version}
            epoch = told.epoch - int(old and telling.fire)
            yield sql["put_ledger"], key | values | {"epoch": epoch}
        return telling

    def _silence(self, event_type: str, handler: Row, telling: Telling, finding: Finding) -> Operation[None]:
        """Tell a handler nothing of its own doing: it counts as known, and what it was told before stays so."""
        look, known = finding.look, finding.known
        key = {"shop_id": look.delivery.shop_id, "handler_id": handler["id"], "subject": look.delivery.subject}
        if telling.fire and look.order_status is None:
            told = {"epoch": telling.told.epoch - 1, "holds": 0, "version": look.version, "mark": None}
            yield sql["put_ledger"], key | told | {"event_type": event_type, "known": known.version}
        yield sql["put_applied_silently"], key | {"version": look.version, "known": known.version}

    def _unless_unwatched(
        self, handler: HandlerFacts, look: Look, last: str | None, telling: Telling
    ) -> Operation[Telling]:
        """Tell nothing when what the handler watches is as it was told last; nobody may know, or can read, that."""
        if look.document is None or last in (None, look.version):
            return telling
        rows = yield sql["get_document"], {"shop_id": look.delivery.shop_id, "version": last}
        if not rows:
            return telling
        try:
            old, new = (watched(unpack(body), handler.watch) for body in (rows[0]["body"], look.document.body))
        except UnexpectedAnswer:
            return telling
        return telling if old != new else Telling(Told(telling.told.epoch - 1, version=look.version), fire=False)

    def _append(self, event_type: str, handler: Row, told: Mapping[str, Any], finding: Finding) -> Operation[None]:
        look = finding.look
        data = {
            "version": look.version,
            "known": finding.known.version,
            "reading": finding.reading_id,
            "arrival": look.delivery.event_id,
            "received_at": look.delivery.created_at,
            "source": _source(event_type, look.delivery.type),
            **told,
        }
        news = News(look.delivery.shop_id, event_type, look.delivery.subject, look.delivery.event_id, data)
        yield from append_change(self._changes, handler["id"], self._handlers[handler["name"]], news)


def _own_doing(look: Look, known: Known, volatile: Sequence[str]) -> Operation[Silent]:
    """Return which handlers need not hear which events, as what this look has found is their own doing."""
    status = look.order_status
    if _is_as_known(look, known):
        return frozenset()
    body, key = None if look.document is None else look.document.body, (look.delivery.shop_id, look.delivery.subject)
    word = None if status is None else status.word
    return (yield from silent_for(Changed(*key, known.version, body, look.started_at, word, volatile)))


def _is_as_known(look: Look, known: Known) -> bool:
    """Whether a look has found what was known: of an order its state, which is what events tell of."""
    return look.version == known.version if look.order_status is None else look.order_status is known.order_status


def _source(event_type: str, said: str) -> str:
    if said in RECONCILES:
        return "reconcile"
    if said in BACKFILLS:
        return "backfill"
    return "webhook" if said == event_type else "inferred"


def _came_before(event_type: str, look: Look, known: Known) -> Operation[bool]:
    """Whether an order was paid before its shop was known here: then it is remembered as new, and nobody is told.

    A webhook that says so may have been on its way; one that comes much later is repeated, or forged.
    """
    if look.paid_at is None or event_type != "order.new":
        return False
    key = {"shop_id": look.delivery.shop_id, "subject": look.delivery.subject, "event_type": event_type}
    said = yield sql["announced"], key | {"box": Box.INBOX}
    grace = GRACE_SECONDS if said else 0.0
    return look.paid_at < whole_second(known.begins_at) - grace * 1_000_000


def _seen(look: Look, known: Known) -> Seen:
    baseline_at, hint = known.baseline_at, look.delivery
    return Seen(
        version=look.version,
        known_version=known.version,
        hint=hint.type,
        baseline=baseline_at is not None,
        backfilled=baseline_at is not None and known.backfill is not None,
        before_baseline=baseline_at is not None and hint.created_at <= baseline_at + WAY_SECONDS * 1_000_000,
    )


def _reading(look: Look, reading_id: int) -> dict[str, Any]:
    return {
        "shop_id": look.delivery.shop_id,
        "id": reading_id,
        "event_id": look.delivery.event_id,
        "subject": look.delivery.subject,
        "started_at": look.started_at,
        "milliseconds": look.milliseconds,
        "status": 404 if look.document is None else 200,
        "version": look.version,
        "listed": int(look.listed),
    }


def _mirror(look: Look, known: Known, reading_id: int) -> dict[str, Any]:
    born = look.version is not None and known.version is None
    # What was gone before anybody saw it has been, too: it is told once.
    gone_unseen = look.version is None and not known.incarnation
    return {
        "shop_id": look.delivery.shop_id,
        "subject": look.delivery.subject,
        "version": look.version,
        "incarnation": known.incarnation + int(born or gone_unseen),
        "reading_id": reading_id,
        "status": None if look.order_status is None else int(look.order_status),
    }
