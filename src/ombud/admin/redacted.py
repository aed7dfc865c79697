"""Texts that others wrote, without what may be a secret in them: what a page of the panel may show. Pure."""

import re
from typing import Any

from ombud.sender.url import redacted

_URL = re.compile(r"https?://[^\s'\"<>]+", re.IGNORECASE)
_NAMED_SECRET = re.compile(r"(?i)\b([a-z_-]*(?:token|key|secret|password|signature))(\s*[=:]\s*)[^\s&,;]+")
_LONG_WORD = re.compile(r"(?<![0-9A-Za-z_-])(?!(?:evt|dlv|ep|rd)_)(?=[^\s]*[0-9])(?=[^\s]*[A-Za-z])[0-9A-Za-z_-]{20,}")
_EVENT_TYPE = re.compile(r"(?:^|[ &])event_type=([a-z]{1,20}\.[a-z_]{1,20})(?:&|$)")

# Fields of documents whose text others wrote.
_OF_OTHERS = frozenset({"reason", "shop", "handler", "traceback"})


def without_secrets(text: str | None) -> str | None:
    """Return a text that others wrote without what may be a secret: paths and queries, named values, long words."""
    if text is None:
        return None
    text = _URL.sub(lambda match: redacted(match[0]), text)
    return _LONG_WORD.sub("…", _NAMED_SECRET.sub(r"\1\2…", text))


def shown_note(note: str | None) -> str | None:
    """Return what was wrong with a webhook, and its event type; its query may hold anything."""
    if note is None:
        return None
    problem, _, query = note.partition(": ")
    event_type = _EVENT_TYPE.search(f" {query}")
    return f"{problem} ({event_type[1]})" if event_type else problem


def shown_document(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document of what arrived, or of a run, as a page may show it."""
    return {name: _shown(name, value) for name, value in document.items()}


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return shown_document(value)
    if isinstance(value, list):
        return [_shown(name, part) for part in value]
    if name == "note":
        return shown_note(value)
    return without_secrets(value) if name in _OF_OTHERS else value
