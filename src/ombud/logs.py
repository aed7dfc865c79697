"""What a process writes to standard error: a record a line, in which nobody's text can pass for another one.

Texts from outside reach the log: an answer of a shop's API, what a handler raises, a name. So control characters are
escaped, values are cut, and the lines of a traceback are set apart.
"""

import json
import logging
from datetime import UTC, datetime

# Characters kept of a text that a record quotes, and of an error, which is a sentence with such texts in it.
VALUE_CHARACTERS = 256
ERROR_CHARACTERS = 2_000
# Characters kept of a message as a whole.
MESSAGE_CHARACTERS = 4_000
# Characters kept of a traceback, of its end: there it says what was raised.
TRACE_CHARACTERS = 8_000
# What stands before each line of a traceback, so that none begins as a record does.
TRACE_MARK = "    | "


class TextLines(logging.Formatter):
    """Time, level, logger and message on one line; a traceback below, each line of it marked."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        line = f"{_time(record)} {record.levelname} {record.name}: {_escaped(_message(record))}"
        return "\n".join([line, *(f"{TRACE_MARK}{_escaped(one)}" for one in _trace(record, self).split("\n") if one)])


class JsonLines(logging.Formatter):
    """Each record a JSON object on one line: `at`, `level`, `logger`, `message`, and `traceback` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON, in ASCII: every other character is escaped."""
        fields = {"at": _time(record), "level": record.levelname, "logger": record.name, "message": _message(record)}
        trace = _trace(record, self)
        return json.dumps(fields | {"traceback": trace} if trace else fields)


def log_to_stderr(*, as_json: bool = False) -> None:
    """Show warnings, ours and those of libraries, unless the app has said where its log goes."""
    shown = logging.StreamHandler()
    shown.setFormatter(JsonLines() if as_json else TextLines())
    logging.basicConfig(level=logging.WARNING, handlers=[shown])


def logs_json() -> bool:
    """Return whether this process writes JSON lines."""
    return any(isinstance(one.formatter, JsonLines) for one in logging.getLogger().handlers)


def _message(record: logging.LogRecord) -> str:
    args = record.args
    if isinstance(args, tuple):
        args = tuple(_cut_value(one) for one in args)
    elif args:
        args = {name: _cut_value(one) for name, one in args.items()}
    text = str(record.msg)
    return _cut(text % args if args else text, MESSAGE_CHARACTERS)


def _cut_value(value: object) -> object:
    """Shorten texts and errors; numbers and the like are left to their formats."""
    if isinstance(value, str):
        return _cut(value, VALUE_CHARACTERS)
    return _cut(str(value), ERROR_CHARACTERS) if isinstance(value, BaseException) else value


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def _trace(record: logging.LogRecord, formatter: logging.Formatter) -> str:
    return formatter.formatException(record.exc_info)[-TRACE_CHARACTERS:] if record.exc_info else ""


def _escaped(text: str) -> str:
    """Return a text in which every character that cannot be printed is an escape: line ends, ESC, U+2028."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
