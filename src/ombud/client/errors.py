"""What can go wrong between this client and the shop's API. No error ever holds the API key."""

from collections.abc import Sequence
from dataclasses import dataclass

from ombud.errors import OmbudError


class ApiError(OmbudError):
    """The shop's API answered with an error.

    `status` is the HTTP status, `text` the API's own words (shortened, without the key), `retry_after_seconds` what the
    header `Retry-After` asked for, or None.
    """

    def __init__(self, status: int, text: str = "", retry_after_seconds: float | None = None) -> None:
        super().__init__(f"The shop's API answered {status}: {text}" if text else f"The shop's API answered {status}.")
        self.status = status
        self.text = text
        self.retry_after_seconds = retry_after_seconds


class Unauthorized(ApiError):
    """The shop's API does not accept the key (401)."""

    def __init__(self, text: str = "") -> None:
        super().__init__(401, text)
        help_text = (
            "The shop's API does not accept the key (401). The shop's owner finds the right one in the control panel "
            "under Settings, API; it must be the key of this shop."
        )
        self.args = (help_text,)


class RateLimited(ApiError):
    """The shop's API asks to wait (429). `retry_after_seconds` says how long, or is None when it did not say.

    `sent` is False when the client's own budget knew that and kept the request back.
    """

    def __init__(self, retry_after_seconds: float | None, text: str = "", *, sent: bool = True) -> None:
        super().__init__(429, text, retry_after_seconds)
        self.sent = sent
        wait = "without saying how long" if retry_after_seconds is None else f"{retry_after_seconds:g} s"
        if sent:
            self.args = (f"The shop's API asks to wait (429): {wait}.",)
        else:
            self.args = (f"The budget of this API key has no turn soon enough; the next one is in {wait}.",)


class UnexpectedAnswer(OmbudError):
    """The shop's API answered something that is none of the known shapes.

    After a write it is not known whether the shop took it.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(f"The shop's API answered something unknown: {detail}.")
        self.detail = detail


class ForeignAnswer(UnexpectedAnswer):
    """What came is nothing of the API's: no JSON, the page of a web server or a gateway, or more than anybody reads."""


@dataclass(frozen=True)
class Rejection:
    """One item that the shop refused. `item` is its id, `create_2` for a new order, None where the reply names none."""

    item: str | None
    errors: tuple[str, ...]


class WriteRejected(OmbudError):
    """The shop refused a write or a part of it.

    `rejected` says what and why; `written` holds the ids that the same call did write, and of which it is known.
    """

    def __init__(self, rejected: Sequence[Rejection], written: Sequence[str] = ()) -> None:
        reasons = "; ".join(
            f"{one.item or 'the write'}: {', '.join(one.errors) or 'no reason given'}" for one in rejected
        )
        super().__init__(f"The shop refused {reasons}.")
        self.rejected = tuple(rejected)
        self.written = tuple(written)
