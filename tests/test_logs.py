"""What stands in the log: a record a line, whatever texts are in it."""

import json
import logging
import re

import pytest

from ombud.logs import ERROR_CHARACTERS, TRACE_MARK, VALUE_CHARACTERS, JsonLines, TextLines, logs_json

HOSTILE = (
    '\n{"level": "ERROR", "message": "forged"}',
    "\r2026-11-27T09:00:00.000Z ERROR ombud: forged",
    "\x1b[2J\x1b]0;title\x07",
    "\u2028forged\u2029\x85\x0b\x0c",
    "\ud800\u202e\ufeff\x00",
    "x" * 100_000,
)
RECORD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING ombud: \S")


def record_of(message: str, *args: object, error: Exception | None = None) -> logging.LogRecord:
    failure = None if error is None else (type(error), error, None)
    return logging.LogRecord("ombud", logging.WARNING, __file__, 1, message, args, failure)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_record_is_one_line_and_its_traceback_is_none_of_them(text: str) -> None:
    record = record_of("stored %s: %s", text, ValueError(text), error=ValueError(f"no\n{text}"))
    first, *others = TextLines().format(record).split("\n")
    assert RECORD.match(first)
    assert first.isprintable()
    assert len(first) < 2 * (VALUE_CHARACTERS + ERROR_CHARACTERS)
    assert others
    for line in others:
        assert line.startswith(TRACE_MARK)
        assert line.isprintable()
    whole = JsonLines().format(record)
    assert whole.isascii()
    assert whole.splitlines() == [whole]
    parsed = json.loads(whole)
    assert (parsed["level"], parsed["logger"]) == ("WARNING", "ombud")
    assert parsed["message"].startswith("stored ")
    assert "ValueError" in parsed["traceback"] or len(text) > 10_000


def test_the_usual_formatter_is_found_out() -> None:
    record = record_of("stored %s", HOSTILE[0])
    assert not logging.Formatter().format(record).isprintable()


def test_what_is_no_text_keeps_its_format() -> None:
    record = record_of("after %g seconds, %d of %r", 0.5, 2, ["a"])
    assert TextLines().format(record).endswith("after 0.5 seconds, 2 of ['a']")
    assert JsonLines().format(record_of("100%")).endswith('"message": "100%"}')


def test_only_who_asked_for_json_has_it() -> None:
    assert not logs_json()
