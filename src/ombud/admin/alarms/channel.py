"""A channel: where somebody is told of alarms, of which, in what language, and when not. A value."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import idna

from ombud.admin.alarms.causes import ALL_CAUSES, Cause
from ombud.admin.alarms.quiet import ZONE, Quiet, check_zone, quiet_text, read_quiet
from ombud.admin.events import Document, rfc3339, rfc3339_or_none
from ombud.db.operation import Row
from ombud.db.texts import check_text
from ombud.errors import InvalidInput
from ombud.mailbox.ids import format_id
from ombud.sender.url import redacted

# Characters of a name; of an address (RFC 5321, 4.5.3.1.3, without its brackets).
LONGEST_NAME = 100
NAME_PATTERN = r"^[^\u0000-\u001f\u007f]*$"
LONGEST_ADDRESS = 254
# What people read.
NO_ADDRESS = "It is one e-mail address, such as anna@example.com."
# What a message can be in: the panel's languages.
LANGUAGES = ("en", "sv")
# RFC 5321, 4.1.2, without quotes and addresses in brackets.
_ATOM, _LABEL = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
ADDRESS_PATTERN = rf"^{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}$"


class Kind(StrEnum):
    """How somebody is told."""

    EMAIL = "email"
    WEBHOOK = "webhook"


@dataclass(frozen=True)
class ChannelEdit:
    """What somebody chooses. `target`: an e-mail address, or the URL of a webhook. `causes`: empty for all.

    `quiet_hours`: `22:00-07:00` in `zone`; empty for none.
    """

    kind: str
    target: str
    name: str = ""
    causes: Sequence[str] = ()
    language: str = LANGUAGES[0]
    zone: str = ZONE
    quiet_hours: str = ""
    enabled: bool = True

    def accepted(self) -> "ChannelEdit":
        """Return it as it is stored; raises InvalidInput naming the first field that cannot be. A URL is not judged."""
        if self.kind not in tuple(Kind):
            raise InvalidInput("kind", f"It is one of: {', '.join(Kind)}.")
        target = check_address(self.target) if self.kind == Kind.EMAIL else self.target
        if len(self.name) > LONGEST_NAME or not re.fullmatch(NAME_PATTERN, check_text(self.name, "name")):
            raise InvalidInput("name", f"It has at most {LONGEST_NAME} characters, none of them a control character.")
        if not set(self.causes) <= set(Cause):
            raise InvalidInput("causes", f"Choose among: {', '.join(Cause)}.")
        if self.language not in LANGUAGES:
            raise InvalidInput("language", f"It is one of: {', '.join(LANGUAGES)}.")
        check_zone(self.zone)
        chosen = tuple(cause for cause in ALL_CAUSES if cause in self.causes)
        edit = replace(self, target=target, causes=() if chosen == ALL_CAUSES else chosen)
        _ = edit.quiet
        return edit

    @property
    def quiet(self) -> Quiet | None:
        """The quiet hours; raises InvalidInput."""
        return read_quiet(self.quiet_hours, self.zone)


@dataclass(frozen=True)
class Channel:
    """A channel as stored, and how it does. Times are UTC microseconds.

    `failed_at`: since when it is down, and the `reason` of the last try. `waiting`: what it has not told yet.
    """

    id: int
    shop_id: int
    edit: ChannelEdit
    created_at: int
    updated_at: int
    sent_at: int | None = None
    failures: int = 0
    failed_at: int | None = None
    reason: str | None = None
    waiting: int = 0
    next_at: int = 0


def check_address(text: str, field: str = "target") -> str:
    """Return an e-mail address; raises InvalidInput for what is none, or more than one."""
    if len(text) > LONGEST_ADDRESS or not re.fullmatch(ADDRESS_PATTERN, text):
        raise InvalidInput(field, NO_ADDRESS)
    return text


def with_ascii_domain(text: str) -> str:
    """Return an address as mail servers take it: the name of a domain in other letters has one in ASCII as well."""
    local, at, domain = text.rpartition("@")
    try:
        return f"{local}{at}{idna.encode(domain, uts46=True).decode('ascii')}" if at else text
    except idna.IDNAError:
        return text


def values_of(edit: ChannelEdit) -> dict[str, Any]:
    """Return an accepted edit as it is stored."""
    quiet = edit.quiet
    return {
        "kind": edit.kind,
        "target": edit.target,
        "name": edit.name,
        "causes": ",".join(edit.causes),
        "language": edit.language,
        "zone": edit.zone,
        "quiet_from": None if quiet is None else quiet.since,
        "quiet_until": None if quiet is None else quiet.until,
        "enabled": int(edit.enabled),
    }


def channel_of(row: Row) -> Channel:
    """Return the channel of a row."""
    quiet = quiet_of(row)
    edit = ChannelEdit(
        kind=row["kind"],
        target=row["target"],
        name=row["name"],
        causes=tuple(row["causes"].split(",")) if row["causes"] else (),
        language=row["language"],
        zone=row["zone"],
        quiet_hours="" if quiet is None else quiet_text(quiet.since, quiet.until),
        enabled=bool(row["enabled"]),
    )
    names = ("id", "shop_id", "created_at", "updated_at")
    state = ("sent_at", "failures", "failed_at", "reason", "waiting", "next_at")
    return Channel(edit=edit, **{name: row[name] for name in names + state})


def quiet_of(row: Row) -> Quiet | None:
    """Return the quiet hours of a row."""
    return None if row["quiet_from"] is None else Quiet(row["quiet_from"], row["quiet_until"], row["zone"])


def channel_document(channel: Channel) -> Document:
    """Return a channel in the shape of the REST API. The URL of a webhook is a secret, and only its host is shown."""
    edit = channel.edit
    return {
        "id": format_id("alc", channel.id),
        "shop_id": channel.shop_id,
        "kind": edit.kind,
        "target": shown_target(edit),
        "name": edit.name,
        "causes": list(edit.causes or ALL_CAUSES),
        "language": edit.language,
        "zone": edit.zone,
        "quiet_hours": edit.quiet_hours or None,
        "enabled": edit.enabled,
        "created_at": rfc3339(channel.created_at),
        "waiting": channel.waiting,
        "sent_at": rfc3339_or_none(channel.sent_at),
        "failing_since": rfc3339_or_none(channel.failed_at),
        "reason": channel.reason,
        # 0 after an edit: at once.
        "next_try_at": rfc3339_or_none(channel.next_at or None) if channel.failures else None,
    }


def shown_target(edit: ChannelEdit) -> str:
    """Return where a channel leads, without what is secret in it."""
    return edit.target if edit.kind == Kind.EMAIL else redacted(edit.target)


def etag_of(channel: Channel) -> str:
    """Return the tag of a channel as it was chosen: another after every edit."""
    return f'"{channel.updated_at:x}"'
