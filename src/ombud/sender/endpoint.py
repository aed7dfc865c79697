"""An endpoint as a value: what a merchant can choose, what of it can be accepted, and how it is stored."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ombud.db.operation import Row
from ombud.db.texts import check_text
from ombud.errors import InvalidInput
from ombud.sender.headers import Headers
from ombud.sender.request import prepare
from ombud.sender.transport_tls import check_authority
from ombud.settings import RETRY_PRESETS
from ombud.wire import CHOICES, EVENT_TYPES

# Characters.
LONGEST_DESCRIPTION = 500
# Characters of PEM: a few certificates. Each is read by every process that delivers.
LONGEST_AUTHORITY = 16_384
# Deliveries in a minute: a thousand a second is more than one endpoint gets from one process.
HIGHEST_RATE = 60_000


@dataclass(frozen=True)
class EndpointEdit:
    """What a merchant can choose.

    `headers` are added to each request. `strict`: the vendor's headers and no others. `only_200`: no other 2xx
    acknowledges. `authority`: PEM, the only one whose certificates hold. `latest_only`: of what waits about a product,
    the newest of each type. `rate_per_minute`: deliveries at most. `retry`: one of RETRY_PRESETS, empty for the usual.
    """

    url: str
    event_types: Sequence[str] = tuple(EVENT_TYPES)
    description: str = ""
    enabled: bool = True
    headers: Headers = ()
    strict: bool = False
    only_200: bool = False
    authority: str | None = None
    latest_only: bool = False
    rate_per_minute: int | None = None
    retry: str = ""

    def check(self) -> None:
        """Raise InvalidInput naming the first field that cannot be accepted: what a try would refuse, and more."""
        prepare(self.url, self.headers)
        if not self.event_types:
            raise InvalidInput("event_types", f"Choose at least one of: {', '.join(CHOICES)}.")
        for index, event_type in enumerate(self.event_types):
            if event_type not in CHOICES:
                name = f"event_types[{index}]"
                raise InvalidInput(name, f"{event_type!r} is not one of: {', '.join(CHOICES)}.")
        if len(self.description) > LONGEST_DESCRIPTION:
            raise InvalidInput("description", f"It has at most {LONGEST_DESCRIPTION} characters.")
        check_text(self.description, "description")
        if self.authority is not None:
            _check_authority(self.authority)
        if self.rate_per_minute is not None and not 0 < self.rate_per_minute <= HIGHEST_RATE:
            raise InvalidInput("rate_per_minute", f"It is a whole number from 1 to {HIGHEST_RATE}, or nothing.")
        if self.retry and self.retry not in RETRY_PRESETS:
            raise InvalidInput("retry", f"It is empty, or one of: {', '.join(RETRY_PRESETS)}.")

    def accepted(self) -> "EndpointEdit":
        """Return it as it is stored, every event type once and in order; raises InvalidInput."""
        self.check()
        return replace(self, event_types=in_order(self.event_types))


@dataclass(frozen=True)
class Endpoint:
    """An endpoint as stored. Times are UTC microseconds.

    `signed`: it has a secret. `previous_until`: the secret before that one is good until then as well.
    `disabled_reason`: None when a person did it. `backfill_id`: of the events of the past, those from this one on come.
    """

    id: int
    shop_id: int
    lane_id: int
    edit: EndpointEdit
    created_at: int
    updated_at: int
    signed: bool = False
    previous_until: int | None = None
    lanes: int = 1
    disabled_at: int | None = None
    disabled_reason: str | None = None
    backfill_id: int | None = None


def _check_authority(pem: str) -> None:
    if len(pem) > LONGEST_AUTHORITY:
        raise InvalidInput("authority", f"It has at most {LONGEST_AUTHORITY} characters.")
    if "PRIVATE KEY" in pem:
        raise InvalidInput("authority", "It holds a private key, which is not needed here. Give the certificate alone.")
    check_authority(pem)


def in_order(chosen: Collection[str]) -> tuple[str, ...]:
    """Return event types in the order of the vendor's page, each once."""
    return tuple(event_type for event_type in CHOICES if event_type in chosen)


def values_of(endpoint: Endpoint) -> dict[str, Any]:
    """Return the columns that an edit writes, but for its headers, which are encrypted."""
    edit = endpoint.edit
    return {
        "shop_id": endpoint.shop_id,
        "id": endpoint.id,
        "url": edit.url,
        "description": edit.description,
        "enabled": int(edit.enabled),
        "strict": int(edit.strict),
        "only_200": int(edit.only_200),
        "authority": edit.authority,
        "latest_only": int(edit.latest_only),
        "rate_per_minute": edit.rate_per_minute,
        "retry": edit.retry,
        "disabled_at": endpoint.disabled_at,
        "disabled_reason": endpoint.disabled_reason,
        "now": endpoint.updated_at,
    }


def endpoint_of(row: Row, headers: Headers) -> Endpoint:
    """Return an endpoint from its row, and its headers decrypted."""
    edit = EndpointEdit(
        url=row["url"],
        event_types=in_order((row["event_types"] or "").split(",")),
        description=row["description"],
        enabled=bool(row["enabled"]),
        headers=headers,
        strict=bool(row["strict"]),
        only_200=bool(row["only_200"]),
        authority=row["authority"],
        latest_only=bool(row["latest_only"]),
        rate_per_minute=row["rate_per_minute"],
        retry=row["retry"],
    )
    return Endpoint(
        id=row["id"],
        shop_id=row["shop_id"],
        lane_id=row["lane_id"],
        edit=edit,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        signed=bool(row["signed"]),
        previous_until=row["previous_until"],
        lanes=row["lanes"],
        disabled_at=row["disabled_at"],
        disabled_reason=row["disabled_reason"],
        backfill_id=row["backfill_id"],
    )
