"""What an answer means for a delivery: one table, in words that a merchant can act on."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ombud.mailbox.model import Done, Fault, Outcome, Retry
from ombud.sender.transport import Answer

_TOO_MANY_REQUESTS = 429
_UNAVAILABLE = 503

# The first status of a class: what to say, and whom it speaks against.
_CLASSES = {
    300: ("a redirect; redirects are not followed. Enter the final URL", Fault.LANE),
    400: ("the endpoint refuses this request. Check its path, its token and its firewall", Fault.DELIVERY),
    500: ("the endpoint failed inside. Look into its log", Fault.LANE),
}


def outcome_of(answer: Answer, now: datetime) -> Outcome:
    """Return what an answer means. Any 2xx acknowledges; everything else is tried again."""
    status = answer.status
    if status < 300:  # noqa: PLR2004 - the classes of RFC 9110, 15
        return Done(status=status)
    words, fault = _CLASSES.get(status // 100 * 100, ("an unknown status", Fault.DELIVERY))
    after = None
    if status in {_TOO_MANY_REQUESTS, _UNAVAILABLE}:
        fault = Fault.LANE
        after = retry_after_seconds(answer.retry_after, now)
    return Retry(f"Answered {status}: {words}.", after=after, fault=fault, status=status)


def retry_after_seconds(text: str | None, now: datetime) -> float | None:
    """Return how long a Retry-After asks us to wait (RFC 9110, 10.2.3), or None when it says nothing readable."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())
