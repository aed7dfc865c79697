"""Fields of the REST API on the command line: `--set NAME=VALUE`, with the same words when one is wrong."""

import json
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ombud.errors import ConfigurationError, InvalidInput

Body = TypeVar("Body", bound=BaseModel)


def body_of(
    model: type[Body], chosen: Sequence[str], texts: Collection[str], lists: Collection[str] = (), **fields: Any
) -> Body:
    """Return the body that the REST API would have been sent; raises InvalidInput naming the field.

    The value of one of `texts` is what stands there, that of one of `lists` its parts between commas; of others it is
    JSON.
    """
    for one in chosen:
        name, equals, text = one.partition("=")
        if not equals:
            raise InvalidInput("--set", f"--set {one}: it is FIELD=VALUE.")
        value = _read(text)
        if name in lists:
            fields[name] = [part.strip() for part in value.split(",") if part.strip()]
        else:
            fields[name] = value if name in texts else _json(name, value)
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise InvalidInput(name, f"{name}: {first['msg']}.") from None


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidInput(name, f"{name}: it is true, false, null, a number, or an object in JSON.") from None


def _read(text: str) -> str:
    """Return a value, or with `@` what is in the file of that name: what is secret must not be in a command."""
    if not text.startswith("@"):
        return text
    if text == "@-":
        return sys.stdin.read().strip()
    try:
        return Path(text[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{text[1:]} cannot be read: {error}.") from None
