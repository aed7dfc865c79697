"""What is written down beside the answers, once in a while each: that a token is used, where requests come from, and
that there were too many.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ombud.db.operation import Operation
from ombud.receiver.meter import note_refused
from ombud.receiver.shops import sql
from ombud.receiver.sources import note_source

# Seconds between two notes of the same: precise enough for who waits until nobody uses the old token.
NOTE_SECONDS = 60.0
# Notes that wait to be written; all of them are written with the next answer.
MOST_NOTES = 100
# Tokens and addresses of which this process remembers that they were noted.
REMEMBER_NOTED = 10_000


@dataclass(frozen=True)
class Note:
    """The use of a token, or of an address; or that webhooks were refused, at UTC microseconds."""

    shop_id: int
    token_hash: bytes | None = None
    source: str | None = None
    known: bool = False
    refused_at: int | None = None


class Notebook:
    """Collects notes until somebody writes them."""

    def __init__(self) -> None:
        # What is to be written down now.
        self.waiting: list[Note] = []
        # Until when (monotonic seconds) nothing need be said of it again.
        self._noted: dict[tuple[int, bytes | str | None], float] = {}

    def add(self, note: Note, ago: int) -> bool:
        """Have something written down, unless it was within the last minute: here, or `ago` microseconds elsewhere."""
        now, key = time.monotonic(), (note.shop_id, note.token_hash or note.source)
        if ago < NOTE_SECONDS * 1_000_000 or self._noted.get(key, 0.0) > now or len(self.waiting) >= MOST_NOTES:
            return False
        if len(self._noted) >= REMEMBER_NOTED:
            self._noted.clear()
        self._noted[key] = now + NOTE_SECONDS
        self.waiting.append(note)
        return True

    def take(self) -> Sequence[Note]:
        """Return what is to be written down now; whoever takes it writes it, after the answer if that is possible."""
        if not self.waiting:
            return ()
        notes, self.waiting = self.waiting, []
        return notes


def write_notes(notes: Sequence[Note]) -> Operation[None]:
    """Write down what was noted."""
    for note in notes:
        if note.token_hash is not None:
            yield sql["note_token_use"], {"id": note.shop_id, "token_hash": note.token_hash}
        if note.source is not None:
            yield from note_source(note.shop_id, note.source, known=note.known)
        if note.refused_at is not None:
            yield from note_refused(note.shop_id, note.refused_at)
