"""Publishing: an event and one delivery for each endpoint that wants it, in the caller's transaction."""

import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.db.texts import check_text
from ombud.errors import Conflict, InvalidInput, OmbudError
from ombud.mailbox.ids import IdSource
from ombud.mailbox.mailbox import Clock, Mailbox, Policy
from ombud.mailbox.memory import Memory
from ombud.mailbox.model import Box, Draft
from ombud.settings import Settings
from ombud.wire import EVENT_TYPES, OBJECT_ID, subject_of

sql = read_queries("ombud.sender")

# An installation with one shop need not name it.
DEFAULT_SHOP_ID = 1
# The data of an event that somebody made to try an endpoint.
TEST_DATA = '{"test":true}'
# Endpoints of this shop hear of every shop's events.
EVERY_SHOP_ID = 0
# Shop ids are stored as 63-bit integers; 0 means "every shop" and has no events of its own.
LARGEST_SHOP_ID = (1 << 63) - 1
# Characters: room for a UUID, a URL-safe hash or "order-90017-paid-3".
LONGEST_EVENT_KEY = 255

# An event's place in its batch, or its shop and key.
Identity = int | tuple[int, str]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a shop. Raises InvalidInput, naming the field, when it cannot have.

    An `event_key` makes publishing idempotent: the same key in the same shop is stored once.
    """

    event_type: str
    object_id: str
    shop_id: int = DEFAULT_SHOP_ID
    event_key: str | None = None

    def __post_init__(self) -> None:
        if self.event_type not in EVENT_TYPES:
            raise InvalidInput("event_type", f"{self.event_type!r} is not one of: {', '.join(EVENT_TYPES)}.")
        if not OBJECT_ID.fullmatch(self.object_id):
            field = f"{EVENT_TYPES[self.event_type]}_id"
            raise InvalidInput(field, "It is 1 to 64 of the characters 0-9 A-Z a-z _ . : -")
        if not 0 < self.shop_id <= LARGEST_SHOP_ID:
            raise InvalidInput("shop_id", f"It is a whole number from 1 to {LARGEST_SHOP_ID}.")
        if self.event_key is not None and not 0 < len(self.event_key) <= LONGEST_EVENT_KEY:
            raise InvalidInput("event_key", f"It has 1 to {LONGEST_EVENT_KEY} characters.")
        if self.event_key is not None:
            check_text(self.event_key, "event_key")

    @property
    def subject(self) -> str:
        """What it is about: `order/90017`."""
        return subject_of(self.event_type, self.object_id)


class Fact(NamedTuple):
    """What happened, to what, in which shop; `EVERY_SHOP_ID` for what belongs to none."""

    shop_id: int
    type: str
    subject: str


class Wanting(NamedTuple):
    """Who must hear of a type of event of a shop: lanes, and endpoints that are spread over several: one of each."""

    lane_ids: list[int]
    spread: list[int]


class Published(NamedTuple):
    """A stored event: its id, and how many deliveries were written with it."""

    event_id: int
    deliveries: int


class EventKeyTaken(OmbudError):
    """Another node has stored an event under one of these keys at the same moment. Publish again, and it is found."""


class Outbox:
    """The mailbox of a sender."""

    def __init__(self, ids: IdSource, clock: Clock, settings: Settings) -> None:
        policy, version = Policy.of(settings, gives_up=True), sql["endpoint_version"]
        self.mailbox = Mailbox(Box.OUTBOX, sql["destination_facts"], ids, clock, policy, version)
        # By shop and type of event.
        self._wanting: Memory[tuple[int, str], Wanting] = Memory(version)

    def publish_all(self, batches: Sequence[Sequence[Event]]) -> Operation[list[list[Published]]]:
        """Store batches of events together; returns one answer for each event of each. Raises Conflict for all."""
        published = iter((yield from self.publish([event for batch in batches for event in batch])))
        return [[next(published) for _ in batch] for batch in batches]

    def publish(self, events: Sequence[Event]) -> Operation[list[Published]]:
        """Store events with their deliveries, all or nothing; returns one answer for each, in their order.

        Raises Conflict when an event key already stands for another event.
        """
        if all(event.event_key is None for event in events):
            return (yield from self._store(events))
        identities = [_identity(place, event) for place, event in enumerate(events)]
        stored = yield from self._stored_before(events)
        fresh = {identity: event for identity, event in zip(identities, events, strict=True) if identity not in stored}
        stored |= zip(fresh, (yield from self._store(list(fresh.values()))), strict=True)
        # Everywhere in the same succession: two nodes with the same keys would wait for each other.
        keys = sorted(_key_row(event, stored[identity]) for identity, event in _keyed(fresh))
        if len((yield sql["put_event_keys"], keys, tuple)) < len(keys):
            raise EventKeyTaken
        return [stored[identity] for identity in identities]

    def _store(self, events: Sequence[Event]) -> Operation[list[Published]]:
        drafts = yield from self.draft([Fact(e.shop_id, e.event_type, e.subject) for e in events])
        ids = yield from self.mailbox.append(drafts)
        return [Published(event_id, len(draft.lane_ids)) for event_id, draft in zip(ids, drafts, strict=True)]

    def draft(self, facts: Sequence[Fact]) -> Operation[list[Draft]]:
        """Return what is to be appended of these facts: each with the lanes that must hear of it."""
        wanting = yield from self._who_wants(dict.fromkeys((fact.shop_id, fact.type) for fact in facts))
        platform = yield from self._lanes_of({one for each in wanting.values() for one in each.spread})
        drafts = []
        for shop_id, type_, subject in facts:
            lane_ids, spread = wanting[shop_id, type_]
            if spread:
                others = [lane_of_subject(platform[endpoint_id], shop_id, subject) for endpoint_id in spread]
                lane_ids = [*lane_ids, *others]
            drafts.append(Draft(shop_id, type_, subject, lane_ids))
        return drafts

    def _who_wants(self, keys: Collection[tuple[int, str]]) -> Operation[Mapping[tuple[int, str], Wanting]]:
        """Return who must hear of these types of these shops."""
        known = yield from self._wanting.current()
        found = {key: Wanting([], []) for key in keys if key not in known}
        for shop_id, event_type, lane_id, lanes, endpoint_id in (yield sql["lanes_for"], list(found), tuple):
            one = found[shop_id, event_type]
            if lanes == 1:
                one.lane_ids.append(lane_id)
            else:
                one.spread.append(endpoint_id)
        known |= found
        return {key: known[key] for key in keys}

    def _lanes_of(self, endpoint_ids: Collection[int]) -> Operation[Mapping[int, Sequence[int]]]:
        found: dict[int, list[int]] = {endpoint_id: [] for endpoint_id in endpoint_ids}
        asked = [(endpoint_id, int(self.mailbox.box)) for endpoint_id in found]
        for endpoint_id, lane_id in (yield sql["lanes_of_platform"], asked, tuple):
            found[endpoint_id].append(lane_id)
        return found

    def _stored_before(self, events: Sequence[Event]) -> Operation[dict[Identity, Published]]:
        """Return what these events' keys stand for already."""
        stored: dict[Identity, Published] = {}
        meaning: dict[Identity, tuple[str, str]] = {}
        keyed = list(_keyed(dict(enumerate(events))))
        keys = list({(event.shop_id, event.event_key) for _, event in keyed})
        for shop_id, key, event_id, type_, about, fan_out in (yield sql["find_event_keys"], keys, tuple):
            stored[shop_id, key] = Published(event_id, fan_out)
            meaning[shop_id, key] = (type_, about)
        for identity, event in keyed:
            event_type, subject = meaning.setdefault(identity, (event.event_type, event.subject))
            if (event.event_type, event.subject) != (event_type, subject):
                raise Conflict(
                    f"The event key {event.event_key!r} already stands for {event_type} of {subject}."
                    " Use a new key for a new event."
                )
        return stored


def lane_of_subject(lanes: Sequence[int], shop_id: int, subject: str) -> int:
    """Return which of an endpoint's lanes an event belongs to: the same for everything about one subject of a shop."""
    return lanes[zlib.crc32(f"{shop_id}/{subject}".encode()) % len(lanes)]


def _identity(place: int, event: Event) -> Identity:
    """What makes two events of a batch the same one: their key, or nothing."""
    return place if event.event_key is None else (event.shop_id, event.event_key)


def _keyed(events: Mapping[Any, Event]) -> Iterator[tuple[Identity, Event]]:
    return ((_identity(0, event), event) for event in events.values() if event.event_key is not None)


def _key_row(event: Event, published: Published) -> tuple[int, str, int]:
    assert event.event_key is not None
    return (event.shop_id, event.event_key, published.event_id)
