"""What an answer means: every status, and every way to write Retry-After; and that the page says the same."""

import string
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ombud.mailbox.model import Done, Fault, Interrupted, Retry
from ombud.sender.answer import Answer
from ombud.sender.outcome import LONGEST_WAIT_SECONDS, Gone, outcome_of, outcome_of_failure, retry_after_seconds
from ombud.sender.verdict import TABLE, Again, DeliveryFailed, DestinationRefused, Failure, reason, row_of
from tests.support.verdicts_page import page

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)

# Written down a second time, by hand: whom a status speaks against, whether Retry-After counts, and its class's words.
LANE_STATUSES = {*range(300, 400), 429, *range(500, 600)}
ASKED_STATUSES = {429, 503}
WORDS = {3: "redirects are not followed", 4: "refuses this request", 5: "failed inside"}


@pytest.mark.parametrize("status", range(200, 1000))
def test_every_status(status: int) -> None:
    outcome = outcome_of(Answer(status, "77"), NOW)

    assert outcome.status == status
    if status < 300:
        assert outcome == Done(status=status)
        return
    assert isinstance(outcome, Retry)
    assert outcome.fault is (Fault.LANE if status in LANE_STATUSES else Fault.DELIVERY)
    assert outcome.after == (77.0 if status in ASKED_STATUSES else None)
    assert outcome.reason.startswith(f"Answered {status}: ")
    assert outcome.reason.endswith(".")
    words = "too many requests" if status == 429 else WORDS.get(status // 100, "unknown status")
    assert words in outcome.reason


@pytest.mark.parametrize("status", range(200, 1000))
def test_410_alone_asks_to_hear_no_more(status: int) -> None:
    assert isinstance(outcome_of(Answer(status), NOW), Gone) is (status == 410)


@pytest.mark.parametrize("status", range(200, 300))
def test_an_endpoint_that_takes_200_alone(status: int) -> None:
    outcome = outcome_of(Answer(status), NOW, only_200=True)

    if status == 200:
        assert outcome == Done(status=200)
    else:
        assert isinstance(outcome, Retry)
        assert (outcome.status, outcome.fault) == (status, Fault.DELIVERY)
        assert "nothing but 200" in outcome.reason


@pytest.mark.parametrize("failure", Failure)
def test_every_failure_has_words_and_an_outcome(failure: Failure) -> None:
    said = {"host": "shop.example", "port": 81, "address": "192.0.2.1", "place": "192.0.2.1 is", "detail": "thus."}
    error = DeliveryFailed(failure, **said)
    outcome = outcome_of_failure(error, error.failure)

    assert str(error) == str(DestinationRefused(failure, **said))
    if failure is Failure.OURS:
        assert isinstance(outcome, Interrupted)
    else:
        # Connection, TLS, name and broken answers are the endpoint's, whatever the event.
        assert isinstance(outcome, Retry)
        assert (outcome.fault, outcome.after, outcome.status) == (Fault.LANE, None, None)
    assert outcome.reason == str(error)


def test_the_table_has_a_row_for_everything_and_nothing_else() -> None:
    keys = set(TABLE)
    assert set(Failure) <= keys
    statuses = {key for key in keys - set(Failure) if key.isdigit()}
    assert keys - set(Failure) - statuses == {"2xx", "3xx", "4xx", "5xx", "other", "not-200"}
    # A row that nothing leads to is a mistake.
    assert all(row_of(int(status)) is TABLE[status] for status in statuses)


@pytest.mark.parametrize("key", TABLE)
def test_a_row_says_what_happened_and_how_to_mend_it(key: str) -> None:
    row = TABLE[key]
    names = {name for _, name, _, _ in string.Formatter().parse(row.words + row.fix) if name}

    assert names <= {"host", "port", "address", "place", "detail"}
    assert row.words.endswith((".", "{detail}"))
    assert row.fix.endswith(".")
    assert row.fix[0].isupper()
    assert (row.against is None) is (row.again in {Again.NEVER, Again.FREE})
    # What the other side says is shown as it stands, whatever is in it.
    assert "{host} {0}" in reason(row, **dict.fromkeys(names, "{host} {0}")) or not names


def test_the_page_is_written_from_the_table() -> None:
    written = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text()

    assert written == page(), "run: python -m tests.support.verdicts_page > docs/verdicts.md"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("1", 1.0),
        ("120", 120.0),
        ("86400", 86_400.0),
        ("86401", 86_400.0),
        ("0000000000000120", 120.0),
        # What is no number and no date says nothing.
        ("", None),
        (" ", None),
        ("-1", None),
        ("-120", None),
        ("+120", None),
        ("1.5", None),
        ("1e3", None),
        ("0x10", None),
        ("soon", None),
        ("120 seconds", None),
        ("120, 240", None),
        ("١٢٠", None),
        ("²", None),
        ("\xff", None),
        ("\x00", None),
        ("Mon", None),
        ("Mon, 32 Jan 2027 00:00:00 GMT", None),
        ("Mon, 01 Jan 2027 25:00:00 GMT", None),
        ("Mon, 01 Jan 99999 00:00:00 GMT", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2027 00:00:00 +99999999999999999999", None),
        ("Mon, 01 Jan 2027 99999999999999999999:00:00 GMT", None),
        # Dates, in the three spellings of RFC 9110 5.6.7 and some that are met.
        ("Mon, 01 Jun 2026 12:00:30 GMT", 30.0),
        ("Monday, 01-Jun-26 12:00:30 GMT", 30.0),
        ("Mon Jun  1 12:00:30 2026", 30.0),
        ("Mon, 01 Jun 2026 14:00:30 +0200", 30.0),
        ("Mon, 01 Jun 2026 12:00:30", 30.0),
        ("01 Jun 2026 12:00:30 GMT", 30.0),
        ("Mon, 01 Jun 2026 11:59:59 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Mon, 01 Jun 2028 12:00:30 GMT", 86_400.0),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(text, NOW) == seconds


@settings(deadline=None)
@given(st.integers(0, 10**40).map(str) | st.from_regex(r"[0-9]{1,5000}", fullmatch=True))
@example("9" * 30_000)
def test_a_huge_number_is_a_day(text: str) -> None:
    assert retry_after_seconds(text, NOW) == min(float(text), LONGEST_WAIT_SECONDS)


@settings(deadline=None)
@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - hypothesis wants it
def test_a_date_waits_until_then(when: datetime) -> None:
    exact = when.replace(microsecond=0, tzinfo=UTC)

    seconds = retry_after_seconds(format_datetime(exact, usegmt=True), NOW)

    assert seconds is not None
    assert timedelta(seconds=seconds) == min(max(timedelta(), exact - NOW), timedelta(days=1))


PIECES = st.sampled_from(
    ["Mon", ",", "01", "Jan", "2027", "00:00:00", ":", "GMT", "+0100", "-", "9" * 20, "EST", "(", "\0"]
)


@settings(deadline=None)
@given(st.text() | st.lists(PIECES | st.text(max_size=3), max_size=9).map(" ".join))
@example("Mon, 01 Jan 2027 00:00:00 +99999999999999999999")
def test_no_text_raises_or_gives_a_wait_out_of_bounds(text: str) -> None:
    seconds = retry_after_seconds(text, NOW)

    assert seconds is None or 0.0 <= seconds <= LONGEST_WAIT_SECONDS
