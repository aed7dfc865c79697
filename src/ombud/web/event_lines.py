"""Lines of JSON (NDJSON) out of a request whose end may be far away: some at a time, and a bound on what is held."""

from collections.abc import AsyncIterator, Iterator

from starlette.types import Receive, Scope

from ombud.errors import InvalidInput, TooLarge

# Content types by which many lines are told from one document.
KINDS = frozenset({b"application/x-ndjson", b"application/ndjson", b"application/jsonl", b"application/x-jsonlines"})
# Bytes of one line: the longest event fits many times.
LINE_BYTES = 16 * 1024
# Bytes of one request: about two million events, or a nightly export.
STREAM_BYTES = 256 * 1024 * 1024


def are_lines(scope: Scope) -> bool:
    """Return whether a request says that its body is lines of JSON."""
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    return kind.partition(b";")[0].strip().lower() in KINDS


async def read_lines(receive: Receive, most: int) -> AsyncIterator[list[tuple[int, bytes]]]:
    """Give whole lines with their numbers (from 1) as they come, `most` at a time; blank ones are left out.

    Nothing more is read from the client while they are worked on. Raises InvalidInput when the connection ends before
    the body, TooLarge for a line or a body that is.
    """
    rest, size, number = b"", 0, 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidInput("body", "The connection ended before the body did.")
        part, more = message.get("body", b""), bool(message.get("more_body"))
        size += len(part)
        if size > STREAM_BYTES:
            raise TooLarge(f"The body has more than {STREAM_BYTES} bytes. Send the rest in another request.")
        *whole, rest = (rest + part).split(b"\n")
        if not more:
            whole, rest = [*whole, rest], b""
        if any(len(line) > LINE_BYTES for line in (*whole, rest)):
            raise TooLarge(f"A line after line {number} has more than {LINE_BYTES} bytes.")
        for some in _dealt(list(enumerate(whole, number + 1)), most):
            yield some
        number += len(whole)


def _dealt(lines: list[tuple[int, bytes]], most: int) -> Iterator[list[tuple[int, bytes]]]:
    full = [(number, line) for number, line in lines if line.strip()]
    for start in range(0, len(full), most):
        yield full[start : start + most]
