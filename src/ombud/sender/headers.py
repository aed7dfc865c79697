"""Headers that a merchant adds to their own webhooks, such as a key for a gateway: what may stand in them."""

import re
from collections.abc import Iterable, Sequence

from ombud.errors import InvalidInput

Headers = tuple[tuple[str, str], ...]

# Enough for a gateway's key, a tenant and a few labels; together with the URL it stays below what servers take (8 KiB).
MOST_HEADERS = 20
# Characters.
LONGEST_NAME = 64
LONGEST_VALUE = 1_024
LONGEST_TOGETHER = 4_096

# RFC 9110, 5.6.2 and 5.5, without the obsolete bytes above ASCII: no CR, LF or NUL, no blank at either end.
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[!-~]([ \t!-~]*[!-~])?")
# What is ours, or means something to whoever carries the request: connections, bodies, proxies, caches, cookies.
_OURS = frozenset(
    [
        *("host", "user-agent", "cache-control", "accept", "accept-encoding", "connection", "keep-alive", "upgrade"),
        *("content-length", "content-type", "content-encoding", "transfer-encoding", "te", "trailer", "expect"),
        *("via", "forwarded", "max-forwards", "http2-settings", "date", "cookie", "range", "pragma", "referer"),
        *("from", "origin"),
    ]
)
_OUR_PREFIXES = ("webhook-", "proxy-", "sec-", "if-", "x-forwarded-", "x-real-ip", "x-http-method", "x-method-override")


def name_pattern() -> str:
    """Return what a name can be as a regular expression of ECMA 262, which cannot leave case out of account."""
    ours = [f"{_any_case(name)}$" for name in sorted(_OURS)] + [_any_case(prefix) for prefix in _OUR_PREFIXES]
    return f"^(?!{'|'.join(ours)}){_NAME.pattern}$"


def value_pattern() -> str:
    """Return what a value can be, as such an expression."""
    return f"^{_VALUE.pattern}$"


def check_headers(headers: Iterable[tuple[str, str]], field: str = "headers") -> Headers:
    """Return the headers as they are sent; raises InvalidInput that names the first one that cannot be."""
    checked: list[tuple[str, str]] = []
    seen: set[str] = set()
    for name, value in headers:
        _check_name(name, field)
        if name.lower() in seen:
            raise InvalidInput(field, f"The header {name} is there twice.")
        if not _VALUE.fullmatch(value) or len(value) > LONGEST_VALUE:
            raise InvalidInput(
                field,
                f"The value of {name} is 1 to {LONGEST_VALUE} printable ASCII characters, without blanks at the ends.",
            )
        seen.add(name.lower())
        checked.append((name, value))
    _check_size(checked, field)
    return tuple(checked)


def _check_name(name: str, field: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise InvalidInput(
            field, f"A header's name is 1 to {LONGEST_NAME} of the characters 0-9 A-Z a-z ! # $ % & ' * + - . ^ _ ` | ~"
        )
    if name.lower() in _OURS or name.lower().startswith(_OUR_PREFIXES):
        raise InvalidInput(
            field, f"The header {name} is set by the sender, or means something on the way. Use another."
        )


def _check_size(headers: Sequence[tuple[str, str]], field: str) -> None:
    if len(headers) > MOST_HEADERS:
        raise InvalidInput(field, f"There are {len(headers)} headers; {MOST_HEADERS} is the most.")
    size = sum(len(name) + len(value) for name, value in headers)
    if size > LONGEST_TOGETHER:
        raise InvalidInput(field, f"The headers have {size} characters together; {LONGEST_TOGETHER} is the most.")


def _any_case(word: str) -> str:
    return "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in word)
