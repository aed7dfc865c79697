"""What an answer means: every status, and every way to write Retry-After."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ombud.mailbox.model import Done, Fault, Retry
from ombud.mailbox.retry import LONGEST_PAUSE_SECONDS
from ombud.sender.transport import Answer
from ombud.sender.verdict import outcome_of, retry_after_seconds

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)

# What the words say and whom it speaks against, by status; whatever is not here is as its class.
LANE_STATUSES = {*range(300, 400), 429, *range(500, 600)}
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
    assert outcome.after == (77.0 if status in {429, 503} else None)
    assert outcome.reason.startswith(f"Answered {status}: ")
    assert WORDS.get(status // 100, "unknown status") in outcome.reason


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("1", 1.0),
        ("120", 120.0),
        ("86400", 86_400.0),
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
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(text, NOW) == seconds


@settings(deadline=None)
@given(st.integers(0, 10**40).map(str) | st.from_regex(r"[0-9]{1,5000}", fullmatch=True))
@example("9" * 30_000)
def test_a_huge_number_is_a_long_wait(text: str) -> None:
    seconds = retry_after_seconds(text, NOW)

    assert seconds is not None
    assert seconds >= min(float(text), LONGEST_PAUSE_SECONDS)


@settings(deadline=None)
@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - hypothesis wants it
def test_a_date_waits_until_then(when: datetime) -> None:
    exact = when.replace(microsecond=0, tzinfo=UTC)

    seconds = retry_after_seconds(format_datetime(exact, usegmt=True), NOW)

    assert seconds is not None
    assert timedelta(seconds=seconds) == max(timedelta(), exact - NOW)


PIECES = st.sampled_from(
    ["Mon", ",", "01", "Jan", "2027", "00:00:00", ":", "GMT", "+0100", "-", "9" * 20, "EST", "(", "\0"]
)


@settings(deadline=None)
@given(st.text() | st.lists(PIECES | st.text(max_size=3), max_size=9).map(" ".join))
@example("Mon, 01 Jan 2027 00:00:00 +99999999999999999999")
def test_no_text_raises_or_gives_a_wait_below_zero(text: str) -> None:
    seconds = retry_after_seconds(text, NOW)

    assert seconds is None or seconds >= 0.0
