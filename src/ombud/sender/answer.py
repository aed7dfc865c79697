"""What an endpoint answered, and how much of it is read."""

from dataclasses import dataclass

# Bytes of headers, and of body, that an endpoint may make us read. Neither changes what the status has decided.
HEADER_BYTES = 32 * 1024
BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered: its status, and its Retry-After as it stands."""

    status: int
    retry_after: str | None = None
