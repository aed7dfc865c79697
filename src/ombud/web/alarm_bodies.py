"""What a client sends about channels of alarms, as it comes. What can be accepted is for ChannelEdit to say."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from ombud.admin.access import EVERY_SHOP
from ombud.admin.alarms.causes import ALL_CAUSES
from ombud.admin.alarms.channel import (
    ADDRESS_PATTERN,
    LANGUAGES,
    LONGEST_ADDRESS,
    LONGEST_NAME,
    NAME_PATTERN,
    ChannelEdit,
    Kind,
)
from ombud.admin.alarms.quiet import HOURS_PATTERN, ZONE
from ombud.sender.outbox import LARGEST_SHOP_ID
from ombud.sender.url import LONGEST_URL
from ombud.web.bodies import (
    ADDRESS_FORMAT,
    AS_WHOLE,
    URL_FORMAT,
    ZONE_FORMAT,
    Body,
    Changes,
    described,
    optional,
)

# What a target is, by the kind of its channel.
TARGETS = {
    Kind.EMAIL: {
        "description": "An e-mail address.",
        "type": "string",
        "format": ADDRESS_FORMAT,
        "pattern": ADDRESS_PATTERN,
        "maxLength": LONGEST_ADDRESS,
    },
    Kind.WEBHOOK: {
        "description": "A URL that takes a POST of JSON with a `text`; only its host is shown.",
        "type": "string",
        "format": URL_FORMAT,
        "maxLength": LONGEST_URL,
    },
}
Name = Annotated[str, described("What people call it.", maxLength=LONGEST_NAME, pattern=NAME_PATTERN)]
Causes = Annotated[
    list[str],
    described("Of what it hears; of everything without any.", items={"type": "string", "enum": list(ALL_CAUSES)}),
]
Language = Annotated[str, described("Of its messages.", enum=list(LANGUAGES))]
Zone = Annotated[str, described("Of its quiet hours, and of times in messages.", format=ZONE_FORMAT)]
QuietHours = Annotated[
    str | None, described("When nothing is sent: `22:00-07:00`. One summary follows.", pattern=optional(HOURS_PATTERN))
]
ShopId = Annotated[
    int,
    Field(ge=0, le=LARGEST_SHOP_ID, description="0: it hears of every shop. Default: the key's shop."),
    AS_WHOLE,
]


def _by_kind(schema: dict[str, Any]) -> None:
    """Say for each kind of channel what its target is."""
    fields, required = schema.pop("properties"), schema.pop("required")
    schema["oneOf"] = [
        {
            "type": "object",
            "additionalProperties": False,
            "required": required,
            "properties": fields | {"kind": {"const": kind.value}, "target": target},
        }
        for kind, target in TARGETS.items()
    ]
    del schema["type"], schema["additionalProperties"]


class _Choices(Body):
    """What can be changed later."""

    name: Name = ""
    causes: Causes = Field([])
    language: Language = LANGUAGES[0]
    zone: Zone = ZONE
    quiet_hours: QuietHours = None
    enabled: bool = True


class NewChannel(_Choices):
    """A channel to be."""

    model_config = ConfigDict(json_schema_extra=_by_kind)

    kind: str
    target: str
    shop_id: ShopId = EVERY_SHOP

    def edit(self) -> ChannelEdit:
        """Return what is asked for."""
        return ChannelEdit(**choices(self.model_dump(exclude={"shop_id"})))


class ChannelChanges(_Choices, Changes):
    """What to change of a channel; what is left out stays. Where it leads stays for ever."""


def choices(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields of a body as ChannelEdit has them."""
    if "quiet_hours" in fields:
        fields["quiet_hours"] = fields["quiet_hours"] or ""
    if "causes" in fields:
        fields["causes"] = tuple(fields["causes"])
    return fields
