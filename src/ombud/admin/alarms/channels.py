"""Channels of alarms: what people and keys may do with those that they see, each change on record."""

from dataclasses import replace
from typing import Any

from ombud.admin.access import Caller
from ombud.admin.alarms.book import ALARMS, sql
from ombud.admin.alarms.channel import Channel, ChannelEdit, Kind, channel_of, etag_of, shown_target, values_of
from ombud.admin.audit_log import number_at, record
from ombud.admin.edits import check_match
from ombud.db.operation import Operation
from ombud.db.turns import lock
from ombud.errors import Conflict, NotFound
from ombud.mailbox.ids import format_id
from ombud.sender.guard import Guard

# More than a shop has people who are told; each alarm is written once for each.
CHANNELS_PER_SHOP = 20
# Microseconds between two tests of a channel: whoever may press the button must not fill somebody's mailbox.
TEST_APART = 10_000_000

# What people read.
TOO_SOON = f"It was tested a moment ago. Wait {TEST_APART // 1_000_000} seconds."
NO_MAIL = "E-mail is not set up here: an operator sets OMBUD_SMTP_HOST and OMBUD_MAIL_FROM."


class ChannelEdits:
    """Each raises NotFound for channels that the caller does not see. `match` is an If-Match (Outdated)."""

    def __init__(self, guard: Guard, *, mail: bool) -> None:
        """`guard` judges URLs of webhooks. `mail`: this installation can send e-mail."""
        self._guard = guard
        self._mail = mail

    def get(self, caller: Caller, number: int) -> Operation[Channel]:
        """Return a channel."""
        rows = yield sql["get_channel"], {"id": number}
        if not rows or not caller.sees(rows[0]["shop_id"]):
            raise NotFound(f"There is no alarm channel {format_id('alc', number)}.")
        return channel_of(rows[0])

    def list(self, caller: Caller, before: int, rows: int) -> Operation[list[Channel]]:
        """Return those that a caller sees with an id below `before`, newest first."""
        found = yield sql["list_channels"], {"shop_id": caller.shop_id, "before": before, "rows": rows}
        return [channel_of(row) for row in found]

    def add(self, caller: Caller, edit: ChannelEdit, shop_id: int, now: int) -> Operation[Channel]:
        """Add one for a shop, 0 for every one, which has been checked. Raises InvalidInput, or Conflict."""
        accepted = edit.accepted()
        if accepted.kind == Kind.WEBHOOK:
            self._guard.check(accepted.target, "target")
        elif not self._mail:
            raise Conflict(NO_MAIL)
        # Two that add one at the same moment must count each other's.
        yield from lock(f"alarm channels of {shop_id}")
        rows = yield sql["count_channels"], {"shop_id": shop_id}
        if rows[0]["channels"] >= CHANNELS_PER_SHOP:
            raise Conflict(f"There are {CHANNELS_PER_SHOP} alarm channels, which is the most. Delete one first.")
        number = number_at(now)
        yield sql["insert_channel"], values_of(accepted) | {"id": number, "shop_id": shop_id, "now": now}
        channel = yield from self.get(caller, number)
        yield from _note(caller, "alarm.add", channel, now, _detail(channel))
        return channel

    def change(self, caller: Caller, number: int, match: str | None, now: int, **changes: Any) -> Operation[Channel]:
        """Change some of the fields of ChannelEdit, but neither kind nor target. Raises InvalidInput."""
        yield from lock(format_id("alc", number))
        channel = yield from self.get(caller, number)
        accepted = replace(channel.edit, **changes).accepted()
        # A precondition is looked at last (RFC 9110, 13.2.1).
        check_match(match, etag_of(channel), format_id("alc", number))
        # An edit must have another tag, however soon it follows.
        values = values_of(accepted) | {"id": number, "now": max(now, channel.updated_at + 1)}
        yield sql["update_channel"], values
        changed = yield from self.get(caller, number)
        yield from _note(caller, "alarm.change", changed, now, ", ".join(changes))
        return changed

    def delete(self, caller: Caller, number: int, match: str | None, now: int) -> Operation[None]:
        """Delete one; nobody is told there any more."""
        yield from lock(format_id("alc", number))
        # So that no look, which has read that there is this channel, leaves messages for it.
        yield from lock(ALARMS)
        channel = yield from self.get(caller, number)
        check_match(match, etag_of(channel), format_id("alc", number))
        yield sql["delete_messages_of_channel"], {"id": number}
        yield sql["delete_channel"], {"id": number}
        yield from _note(caller, "alarm.delete", channel, now, _detail(channel))

    def begin_test(self, caller: Caller, number: int, now: int) -> Operation[Channel]:
        """Write down that somebody tries a channel, and return it. Raises Conflict when that was a moment ago."""
        channel = yield from self.get(caller, number)
        if channel.edit.kind == Kind.EMAIL and not self._mail:
            raise Conflict(NO_MAIL)
        if not (yield sql["begin_test"], {"id": number, "now": now, "before": now - TEST_APART}):
            raise Conflict(TOO_SOON)
        yield from _note(caller, "alarm.test", channel, now)
        return channel


def note_test(number: int, reason: str | None, now: int) -> Operation[None]:
    """Write down what came of a test: None when it was sent."""
    if reason is None:
        yield sql["test_sent"], {"id": number, "now": now}
    else:
        yield sql["test_failed"], {"id": number, "now": now, "reason": reason}


def _detail(channel: Channel) -> str:
    return f"{channel.edit.kind} {shown_target(channel.edit)}"


def _note(caller: Caller, action: str, channel: Channel, now: int, detail: str = "") -> Operation[None]:
    target = format_id("alc", channel.id)
    yield from record(caller, action, target, now, shop_id=channel.shop_id, detail=detail)
