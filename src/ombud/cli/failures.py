"""Exit codes, and the one line that an error prints."""

import sys

from ombud.errors import ConfigurationError, InvalidInput, NetworkError, NotFound, OmbudError, Refused

OK = 0
FAILURE = 1
USAGE = 2
NOT_FOUND = 3
REFUSED = 4
NETWORK = 5
INTERRUPTED = 130

_CODES: dict[type[OmbudError], int] = {
    ConfigurationError: USAGE,
    InvalidInput: USAGE,
    NotFound: NOT_FOUND,
    Refused: REFUSED,
    NetworkError: NETWORK,
}


def exit_code_of(error: OmbudError) -> int:
    """Return the exit code of an error."""
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), FAILURE)


def say_error(message: str) -> None:
    """Print one line on standard error."""
    print(f"ombud: {' '.join(message.split())}", file=sys.stderr)
