"""Tokens of hooks out of the access logs of web servers: whoever reads a log must not be able to send hints."""

import logging
import re
from collections.abc import MutableMapping
from typing import Any, Protocol
from weakref import WeakSet

# What stands in a log in place of a token.
REDACTED = "***"
# The loggers in which common servers write a request's path: uvicorn, hypercorn, granian, gunicorn, Flask's, Django's.
ACCESS_LOGGERS = (
    "uvicorn.access",
    "hypercorn.access",
    "granian.access",
    "_granian",
    "gunicorn.access",
    "werkzeug",
    "django.server",
    "django.request",
)
# Shorter words are no tokens (shops.py); whatever a URL or a log line puts around one is none of its characters.
_WORD = re.compile(r"[0-9A-Za-z_.~-]{8,200}")


class Knows(Protocol):
    """Who can tell a token from other words."""

    def knows(self, text: str) -> bool:
        """Return whether a text is a token."""


class RedactTokens(logging.Filter):
    """Replaces every word of a record that somebody knows as a token; lets every record through."""

    def __init__(self) -> None:
        super().__init__()
        self._knowing: WeakSet[Knows] = WeakSet()

    def ask(self, knowing: Knows) -> None:
        """Ask this one as well, while it is there."""
        self._knowing.add(knowing)

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place: it goes on to every handler as it is then."""
        record.msg = self._redacted(record.msg)
        arguments = record.args
        if isinstance(arguments, tuple):
            record.args = tuple(self._redacted(value) for value in arguments)
        elif isinstance(arguments, MutableMapping):
            # In place, too: gunicorn's mapping escapes what it gives out.
            arguments.update({name: self._redacted(value) for name, value in arguments.items()})
        return True

    def _redacted(self, value: Any) -> Any:
        return _WORD.sub(self._word, value) if isinstance(value, str) else value

    def _word(self, match: re.Match[str]) -> str:
        return REDACTED if any(one.knows(match[0]) for one in list(self._knowing)) else match[0]


_redacting = RedactTokens()


def redact_access_logs(knowing: Knows) -> None:
    """Keep the tokens that this one knows out of the access logs of this process."""
    _redacting.ask(knowing)
    for name in ACCESS_LOGGERS:
        logging.getLogger(name).addFilter(_redacting)
