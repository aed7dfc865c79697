"""Which texts a database can keep: JSON and addresses can write more than UTF-8 and PostgreSQL hold."""

import re

from ombud.errors import InvalidInput

# NUL, which PostgreSQL's text cannot hold, and a surrogate of UTF-16 alone, which UTF-8 cannot.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def check_text(text: str, field: str) -> str:
    """Return a text that can be stored and looked for; raises InvalidInput naming the field."""
    if _UNSTORABLE.search(text):
        raise InvalidInput(field, "It has a NUL character, or half a character: a surrogate of UTF-16 alone.")
    return text
