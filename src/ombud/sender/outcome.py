"""What an attempt means for its delivery: the row of the table as an outcome, and what Retry-After asks for."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ombud.errors import OmbudError
from ombud.mailbox.model import Dead, Done, Fault, Interrupted, Outcome, Retry
from ombud.sender.answer import Answer
from ombud.sender.verdict import TABLE, Again, Failure, Row, reason, row_of

# Seconds: the longest wait that Retry-After may ask for. A date in ten years is a mistake, not a wish.
LONGEST_WAIT_SECONDS = 86_400.0

_OK = 200
_REDIRECTS = 300


@dataclass(frozen=True)
class Gone(Retry):
    """The endpoint answered 410. It is tried again; said twice, an hour apart, it is the endpoint's wish to end."""


_ACKNOWLEDGED = {status: Done(status=status) for status in range(_OK, _REDIRECTS)}


def outcome_of(answer: Answer, now: datetime | None = None, *, only_200: bool = False) -> Outcome:
    """Return what an answer means. Any 2xx acknowledges, or 200 alone; everything else is tried again."""
    status = answer.status
    if status == _OK or (status < _REDIRECTS and not only_200):
        return _ACKNOWLEDGED[status]
    row = TABLE["not-200"] if status < _REDIRECTS else row_of(status)
    words = f"Answered {status}: {reason(row)}"
    fault = _fault(row)
    if row.again is Again.GONE:
        return Gone(words, fault=fault, status=status)
    after = retry_after_seconds(answer.retry_after, now or datetime.now(UTC)) if row.again is Again.ASKED else None
    return Retry(words, after=after, fault=fault, status=status)


def outcome_of_failure(error: OmbudError, failure: Failure) -> Outcome:
    """Return what an attempt without an answer means. What is our own fault counts for nothing and may repeat."""
    row = TABLE[failure]
    return Interrupted(str(error)) if row.against is None else Retry(str(error), fault=row.against)


def never_again(outcome: Outcome) -> Outcome:
    """Return what an attempt means that nobody wants repeated: a test's."""
    if isinstance(outcome, Retry):
        return Dead(f"{outcome.reason} A test is not repeated.", fault=outcome.fault, status=outcome.status)
    return outcome


def retry_after_seconds(text: str | None, now: datetime) -> float | None:
    """Return how long a Retry-After asks us to wait (RFC 9110, 10.2.3), or None when it says nothing readable.

    At most LONGEST_WAIT_SECONDS.
    """
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WAIT_SECONDS)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(max(0.0, (when - now).total_seconds()), LONGEST_WAIT_SECONDS)


def _fault(row: Row) -> Fault:
    assert row.against is not None
    return row.against
