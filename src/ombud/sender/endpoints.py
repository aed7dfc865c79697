"""Endpoints: where a shop's events go, and which of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.db.turns import lock
from ombud.errors import Conflict, InvalidInput, NotFound
from ombud.mailbox.ids import first_id_of, format_id
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import NEVER, Draft
from ombud.sender.backfill import Backfill
from ombud.sender.endpoint import Endpoint, EndpointEdit, endpoint_of, values_of
from ombud.sender.guard import Guard
from ombud.sender.outbox import DEFAULT_SHOP_ID, EVERY_SHOP_ID, TEST_DATA, Event, lane_of_subject
from ombud.sender.vault import Vault
from ombud.settings import ENDPOINTS_PER_SHOP
from ombud.signing import read_secret
from ombud.wire import EVENT_TYPES

sql = read_queries("ombud.sender")

# Lanes of an endpoint that listens to every shop: with one, all shops would share its window and its backlog.
PLATFORM_LANES = 8
# Seconds that the secret before a new one is good as well: a day, to change it at the receiver; at most a week.
OVERLAP_SECONDS = 86_400
LONGEST_OVERLAP_SECONDS = 7 * 86_400
# What a test event is about, unless somebody says otherwise: a number that no shop has.
TEST_OBJECT_ID = "0"
# Tests of one endpoint in a minute: enough to try, and no way to send somebody else requests by hand.
TESTS_PER_MINUTE = 5


class Endpoints:
    """The endpoints of a sender's mailbox."""

    def __init__(
        self,
        mailbox: Mailbox,
        vault: Vault,
        guard: Guard | None = None,
        per_shop: int = ENDPOINTS_PER_SHOP,
        backfill: Backfill | None = None,
    ) -> None:
        """`vault` encrypts. Without a `guard` no range is allowed. `per_shop`: how many endpoints a shop has."""
        self._mailbox = mailbox
        self._vault = vault
        self._backfill = backfill or Backfill(mailbox)
        self._guard = guard or Guard()
        self._per_shop = per_shop

    def add(
        self, edit: EndpointEdit, shop_id: int = DEFAULT_SHOP_ID, secret: str | None = None, since: int | None = None
    ) -> Operation[Endpoint]:
        """Store a new endpoint; it hears of events from now on. Without a `secret` nothing is signed.

        `since`: UTC microseconds; it hears also of what has happened since then and is still kept, behind what is live.
        Raises InvalidInput, or Conflict when the shop has its fill.
        """
        edit = edit.accepted()
        self._guard.check(edit.url)
        if secret is not None:
            read_secret(secret)
        yield from self._find_room(shop_id)
        endpoint_id, lanes = self._mailbox.ids.next(), PLATFORM_LANES if shop_id == EVERY_SHOP_ID else 1
        lane_id = yield from self._mailbox.add_lane(shop_id, endpoint_id)
        for slot in range(1, lanes):
            yield from self._mailbox.add_lane(shop_id, endpoint_id, slot)
        now = self._mailbox.clock()
        endpoint = Endpoint(
            id=endpoint_id,
            shop_id=shop_id,
            lane_id=lane_id,
            edit=edit,
            created_at=now,
            updated_at=now,
            signed=secret is not None,
            lanes=lanes,
            disabled_at=None if edit.enabled else now,
        )
        kept = {"secret": (yield from self._vault.encrypted_secret(endpoint_id, secret))}
        values = yield from self._values_of(endpoint)
        yield sql["insert_endpoint"], values | {"lane_id": lane_id, "lanes": lanes} | kept
        yield from _subscribe(endpoint)
        if since is None:
            return endpoint
        yield from self._backfill.start(endpoint, since)
        return (yield from self.get(endpoint_id))

    def get(self, endpoint_id: int) -> Operation[Endpoint]:
        """Return an endpoint; raises NotFound when there is none, or no longer."""
        rows = yield sql["get_endpoint"], {"id": endpoint_id}
        if not rows:
            raise NotFound(f"There is no endpoint {format_id('ep', endpoint_id)}.")
        return self._endpoint_of(rows[0])

    def list(self, before: int, rows: int, shop_id: int | None = None) -> Operation[list[Endpoint]]:
        """Return endpoints older than an id, newest first; those of one shop when it is given."""
        name = "list_endpoints" if shop_id is None else "list_endpoints_of_shop"
        found = yield sql[name], {"before": before, "rows": rows, "shop_id": shop_id}
        return [self._endpoint_of(row) for row in found]

    def change(self, endpoint_id: int, **changes: Any) -> Operation[Endpoint]:
        """Change some of the fields of EndpointEdit; the next load of its lanes uses them. Raises InvalidInput."""
        old = yield from self.get(endpoint_id)
        edit = replace(old.edit, **changes).accepted()
        moved, enabled = edit.url != old.edit.url, edit.enabled and not old.edit.enabled
        if moved:
            # What was accepted under other rules can still be described, or switched off.
            self._guard.check(edit.url)
        endpoint = _switched(replace(old, edit=edit, updated_at=self._mailbox.clock()), old)
        lanes = yield from self._lane_rows(old)
        if moved or enabled:
            # Before its own row: a turn that notes how it does has its lanes before that.
            yield from self._mailbox.resume(*(lane["id"] for lane in lanes if lane["hold_until"] != NEVER))
        switched = int(edit.enabled != old.edit.enabled)
        yield sql["update_endpoint"], (yield from self._values_of(endpoint)) | {"switched": switched}
        if moved or enabled:
            values = {"id": endpoint_id, "shop_id": endpoint.shop_id, "box": self._mailbox.box}
            yield sql["reset_endpoint"], values
        yield sql["delete_subscriptions"], {"endpoint_id": endpoint_id}
        yield from _subscribe(endpoint)
        yield from self._mailbox.ring(*(lane["id"] for lane in lanes))
        return (yield from self.get(endpoint_id))

    def rotate_secret(
        self, endpoint_id: int, secret: str, overlap_seconds: int = OVERLAP_SECONDS
    ) -> Operation[Endpoint]:
        """Sign with this secret from now on, and for `overlap_seconds` with the one before it as well.

        0 ends the one before at once. Raises InvalidInput, which never shows a secret.
        """
        read_secret(secret)
        if not 0 <= overlap_seconds <= LONGEST_OVERLAP_SECONDS:
            raise InvalidInput("overlap_seconds", f"It is a whole number from 0 to {LONGEST_OVERLAP_SECONDS}.")
        endpoint = yield from self.get(endpoint_id)
        now = self._mailbox.clock()
        until = now + overlap_seconds * 1_000_000 if endpoint.signed and overlap_seconds else None
        previous = None if until is None else (yield from self._moved_secret(endpoint_id))
        kept = yield from self._vault.encrypted_secret(endpoint_id, secret)
        values = {"id": endpoint_id, "secret": kept, "previous_secret": previous, "until": until, "now": now}
        yield sql["rotate_secret"], values
        yield from self._mailbox.ring(*(yield from self.lanes_of(endpoint)))
        return replace(endpoint, signed=True, previous_until=until, updated_at=now)

    def pause(self, endpoint_id: int) -> Operation[Endpoint]:
        """Send it nothing until somebody resumes it; what waits stays, and waits longer."""
        endpoint = yield from self.get(endpoint_id)
        yield from self._mailbox.pause(*(yield from self.lanes_of(endpoint)))
        return endpoint

    def resume(self, endpoint_id: int) -> Operation[Endpoint]:
        """Send again, or look at once whether a failing endpoint is back."""
        endpoint = yield from self.get(endpoint_id)
        yield from self._mailbox.resume(*(yield from self.lanes_of(endpoint)))
        return endpoint

    def test(self, endpoint_id: int, event_type: str | None = None, object_id: str = TEST_OBJECT_ID) -> Operation[int]:
        """Send it one event that is marked as a test and never repeated; returns the event's id.

        A failing endpoint is tried at once. Raises Conflict while it is disabled or paused, or past TESTS_PER_MINUTE,
        and InvalidInput.
        """
        endpoint = yield from self.get(endpoint_id)
        wanted = [one for one in endpoint.edit.event_types if one in EVENT_TYPES]
        # One that hears of the sender alone is tried with what every receiver knows.
        chosen = event_type or next(iter(wanted or EVENT_TYPES))
        event = Event(chosen, object_id, endpoint.shop_id or DEFAULT_SHOP_ID)
        if not endpoint.edit.enabled:
            raise Conflict("The endpoint is disabled. Enable it first.")
        lanes = yield from self._lane_rows(endpoint)
        if any(lane["hold_until"] == NEVER for lane in lanes):
            raise Conflict("The endpoint is paused. Resume it first.")
        since = first_id_of(self._mailbox.clock() - 60_000_000)
        asked = {"shop_id": endpoint.shop_id, "id": endpoint_id, "since": since, "data": TEST_DATA}
        if (yield sql["recent_tests"], asked)[0]["tests"] >= TESTS_PER_MINUTE:
            raise Conflict(f"The endpoint was sent {TESTS_PER_MINUTE} tests within a minute, which is the most. Wait.")
        lane_id = lane_of_subject([lane["id"] for lane in lanes], event.shop_id, event.subject)
        draft = Draft(endpoint.shop_id, event.event_type, event.subject, [lane_id], TEST_DATA)
        [event_id] = yield from self._mailbox.append([draft])
        if any(lane["closed_at"] is not None for lane in lanes):
            yield from self._mailbox.resume(lane_id)
        return event_id

    def delete(self, endpoint_id: int) -> Operation[None]:
        """Send it nothing more. What was sent stays to be read; what waits ends as skipped."""
        endpoint = yield from self.get(endpoint_id)
        now = self._mailbox.clock()
        yield sql["delete_endpoint"], {"shop_id": endpoint.shop_id, "id": endpoint_id, "now": now}
        yield from self._mailbox.ring(*(yield from self.lanes_of(endpoint)))

    def restore(self, endpoint_id: int) -> Operation[Endpoint]:
        """Undo the deletion: it hears of events from now on. What was skipped meanwhile can be replayed.

        Raises NotFound for an unknown one, Conflict for one that is not deleted or when the shop has its fill.
        """
        rows = yield sql["shop_of_deleted"], {"id": endpoint_id}
        if not rows:
            yield from self.get(endpoint_id)
            raise Conflict(f"The endpoint {format_id('ep', endpoint_id)} is not deleted.")
        shop_id = rows[0]["shop_id"]
        yield from self._find_room(shop_id)
        yield sql["restore_endpoint"], {"shop_id": shop_id, "id": endpoint_id, "now": self._mailbox.clock()}
        endpoint = yield from self.get(endpoint_id)
        yield from self._mailbox.ring(*(yield from self.lanes_of(endpoint)))
        return endpoint

    def lanes_of(self, endpoint: Endpoint) -> Operation[tuple[int, ...]]:
        """Return the ids of an endpoint's lanes."""
        if endpoint.lanes == 1:
            return (endpoint.lane_id,)
        return tuple(row["id"] for row in (yield from self._lane_rows(endpoint)))

    def _moved_secret(self, endpoint_id: int) -> Operation[str | None]:
        """Return the secret as it is stored in the column of the one before."""
        [row] = yield sql["secret_of_endpoint"], {"id": endpoint_id}
        [secret] = self._vault.secrets(endpoint_id, row["secret"])
        return (yield from self._vault.encrypted_secret(endpoint_id, secret, "previous_secret"))

    def _values_of(self, endpoint: Endpoint) -> Operation[dict[str, Any]]:
        headers = yield from self._vault.encrypted_headers(endpoint.id, endpoint.edit.headers)
        return values_of(endpoint) | {"headers": headers}

    def _endpoint_of(self, row: Row) -> Endpoint:
        return endpoint_of(row, self._vault.headers(row["id"], row["headers"]))

    def _lane_rows(self, endpoint: Endpoint) -> Operation[Sequence[Row]]:
        values = {"box": self._mailbox.box, "shop_id": endpoint.shop_id, "id": endpoint.id}
        return (yield sql["lanes_of_endpoint"], values)

    def _find_room(self, shop_id: int) -> Operation[None]:
        yield from lock(f"endpoints of {shop_id}")
        rows = yield sql["count_endpoints"], {"shop_id": shop_id}
        if rows[0]["endpoints"] >= self._per_shop:
            raise Conflict(f"This shop has {self._per_shop} endpoints, which is the most. Delete one first.")


def _subscribe(endpoint: Endpoint) -> Operation[None]:
    yield (
        sql["insert_subscription"],
        [
            {"shop_id": endpoint.shop_id, "event_type": event_type, "endpoint_id": endpoint.id}
            for event_type in endpoint.edit.event_types
        ],
    )


def _switched(endpoint: Endpoint, old: Endpoint) -> Endpoint:
    if endpoint.edit.enabled == old.edit.enabled:
        return endpoint
    return replace(endpoint, disabled_at=None if endpoint.edit.enabled else endpoint.updated_at, disabled_reason=None)
