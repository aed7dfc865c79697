"""The API key, and how it is kept out of every text that people may see."""

import base64
import hashlib
import html
import json
from typing import NoReturn
from urllib.parse import quote, quote_plus

from ombud.errors import ConfigurationError

MAX_TEXT = 300  # characters of the other side's words kept in an error; enough for a sentence, too little for a page
HIDDEN = "[key]"


class Secret:
    """Holds the key for its two uses, signing in and being hidden. Raises `ConfigurationError` for a broken key."""

    def __init__(self, key: str) -> None:
        if not key or not key.isprintable():
            raise ConfigurationError(
                "The shop's API key is empty or holds a line break or another unprintable character; "
                "copy it again from the control panel under Settings, API."
            )
        self._key = key
        self._forms = _forms(key)

    def __repr__(self) -> str:
        return "<Secret>"

    def __reduce__(self) -> NoReturn:
        """Whatever travels or is stored, this does not."""
        raise TypeError("a secret cannot be copied or pickled")

    def fingerprint(self) -> str:
        """Tells one key from another without telling either."""
        return hashlib.sha256(self._key.encode()).hexdigest()

    def authorization(self) -> str:
        """HTTP Basic with the key as name and as password, in UTF-8: the vendor's rule."""
        return f"Basic {_token(self._key)}"

    def hide(self, words: str) -> str:
        """The other side's words without the key in any form it may have been echoed in, on one line, shortened."""
        for form in self._forms:
            words = words.replace(form, HIDDEN)
        line = "".join(letter if letter.isprintable() else " " for letter in words)
        return line if len(line) <= MAX_TEXT else line[:MAX_TEXT] + "…"


def _token(key: str) -> str:
    return base64.b64encode(f"{key}:{key}".encode()).decode()


def _forms(key: str) -> list[str]:
    plain = [key, html.escape(key), json.dumps(key)[1:-1], json.dumps(key).replace("/", "\\/")[1:-1], repr(key)[1:-1]]
    coded = [_token(key), quote(key), quote(key, safe=""), quote_plus(key)]
    return sorted({*plain, *coded}, key=len, reverse=True)
