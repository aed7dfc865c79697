"""What an alarm may be about. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Cause(StrEnum):
    """Each is told by itself; a channel chooses among them."""

    ENDPOINT_FAILING = "endpoint.failing"
    ENDPOINT_DISABLED = "endpoint.disabled"
    DELIVERY_DEAD = "delivery.dead"
    KEY_REFUSED = "key.refused"
    WEBHOOKS_MISSING = "webhooks.missing"
    READ_DEAD = "read.dead"
    RUN_DEAD = "run.dead"
    WORK_LATE = "work.late"
    DISK_FULL = "disk.full"


ALL_CAUSES = tuple(Cause)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong now. `about` tells it from others of its cause; `shop_id` 0: of no shop alone.

    `since`: UTC microseconds. `facts` are what its words name; no secret is among them.
    """

    cause: Cause
    about: str
    shop_id: int
    since: int
    facts: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The facts as they are stored."""
        return json.dumps(self.facts, sort_keys=True)
