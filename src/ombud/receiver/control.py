"""What a handler may raise to say how its run ended. Any other exception is tried again."""

import math


class Retry(Exception):
    """Try this run again, `after` seconds from now or when the schedule says; a day at most.

    Raises TypeError for what is no reason, and ValueError for what is no number of seconds.
    """

    def __init__(self, reason: str = "the handler asked for another try", after: float | None = None) -> None:
        if not isinstance(reason, str):
            raise TypeError(f"Retry({reason!r}): the reason is a text. A pause is named: Retry(after={reason!r}).")
        if after is not None and not _is_pause(after):
            raise ValueError(f"Retry(after={after!r}): it is a number of seconds from 0.")
        super().__init__(reason)
        self.after = after


class Dead(Exception):
    """Give this run up: no later try can succeed. It stays to be seen and replayed."""


class Skip(Exception):
    """There is nothing to do, and that is well."""


# What may be raised to say how a run ended.
WORDS = (Retry, Dead, Skip)


def _is_pause(after: object) -> bool:
    return isinstance(after, int | float) and math.isfinite(after) and after >= 0
