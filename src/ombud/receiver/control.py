"""What a handler may raise to say how its run ended. Any other exception is tried again."""


class Retry(Exception):
    """Try this run again, `after` seconds from now or when the schedule says."""

    def __init__(self, reason: str = "the handler asked for another try", after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Dead(Exception):
    """Give this run up: no later try can succeed. It stays to be seen and replayed."""


class Skip(Exception):
    """There is nothing to do, and that is well."""
