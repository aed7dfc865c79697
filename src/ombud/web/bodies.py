"""What bodies and queries of requests are made of, and what the OpenAPI document says of their fields.

They are read as they come. What can be accepted is for the operation to say, in better words than a schema's.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

# What grammars of our own are called, where a pattern would not do: ombud.sender.url, and certificates in PEM.
URL_FORMAT, PEM_FORMAT = "webhook-url", "pem"
# An e-mail address of ombud.admin.alarms.channel, and a name of the time zone database.
ADDRESS_FORMAT, ZONE_FORMAT = "e-mail-address", "time-zone"
# A `date-time` that has passed, since 1970.
PAST_FORMAT = "past-date-time"
# 24 to 64 bytes in base 64.
_FOUR = "[A-Za-z0-9+/]{4}"
_END = "([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)"
SECRET_PATTERN = f"^(whsec_)?({_FOUR}){{8,20}}({_END}|{_FOUR}([A-Za-z0-9+/]{{2}}==)?)?$"
# A time, or nothing.
TIME = {"anyOf": [{"const": ""}, {"type": "string", "format": "date-time"}]}
# What a database can keep (ombud.db.texts).
STORABLE = "^[^\\u0000]*$"


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Behind the bounds of an integer: it is whole as JSON Schema counts, so 7.0 is one, too.
AS_WHOLE = BeforeValidator(_whole)
Whole = Annotated[int, AS_WHOLE]


def described(words: str, **schema: Any) -> Any:
    """Return a field of a model with what the OpenAPI document says of it; it is checked elsewhere, in better words."""
    return Field(description=words, json_schema_extra=schema)


def _without_defaults(schema: dict[str, Any]) -> None:
    """Have a schema say nothing of defaults, where they stand for what is left out."""
    for field in schema["properties"].values():
        field.pop("default", None)


def optional(pattern: str) -> str:
    """Return a pattern that an empty text matches, too."""
    return f"^({pattern[1:-1]})?$"


class Body(BaseModel):
    """These fields and no others, each of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self, name: str) -> Any:
        """Return a field, or None when the client has left it out."""
        return getattr(self, name) if name in self.model_fields_set else None


class Changes(Body):
    """Which fields to change; what is left out stays, whatever its default here."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)
