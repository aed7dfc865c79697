"""What must be true of every chapter in the end, wherever its process died."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ombud.admin.audit import audit
from ombud.db.database import Database
from ombud.db.operation import Statement
from ombud.receiver.options import expand
from tests.faults.mailbox import diary
from tests.faults.mailbox.post import once
from tests.faults.receiver.life import HANDLERS, Chapter

_ARRIVALS = Statement("list_arrivals", "select type, subject from event where box = 2")
_UNENDED = Statement(
    "list_unended",
    "select e.box, e.type, e.subject, d.state, d.reason from event e"
    " join delivery d on d.day = e.day and d.event_id = e.id where d.state not in (1, 3)",
)


@dataclass
class Verdict:
    """`effects`: how many there were; `repeated`: how many of them under a key that had been there before."""

    effects: int = 0
    repeated: int = 0
    wrong: list[str] = field(default_factory=list)


def judge(folder: Path, database: Database, chapters: Sequence[Chapter]) -> Verdict:
    """Judge the chapters of one database, all of which have been ended."""
    lines = list(diary.read(folder))
    verdict = Verdict()
    verdict.wrong += [f"{row} has not ended" for row in database.read(once(_UNENDED))]
    stored = [tuple(row) for row in database.read(once(_ARRIVALS))]
    for line in lines:
        if line["what"] == "ack":
            kind = line["event_type"].partition(".")[0]
            if (line["event_type"], f"{kind}/{line['object_id']}") not in stored:
                verdict.wrong.append(f"lost, though it was acknowledged: {line}")
    keys: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for line in lines:
        if line["what"] == "effect":
            keys[line["handler"], line["event_type"], line["object_id"]].append(line["key"])
    for chapter in chapters:
        verdict.wrong += _of_chapter(chapter, keys)
    verdict.effects = sum(map(len, keys.values()))
    verdict.repeated = verdict.effects - sum(len(set(some)) for some in keys.values())
    if findings := database.write(lambda: audit(lambda _: False)).findings:
        verdict.wrong.append(f"the audit: {findings}")
    return verdict


def _of_chapter(chapter: Chapter, keys: dict[tuple[str, str, str], list[str]]) -> Iterator[str]:
    for handler, patterns in HANDLERS.items():
        for event_type in expand(patterns, handler):
            object_id = chapter.order_id if event_type.startswith("order") else chapter.product_id
            made = keys[handler, event_type, object_id]
            if not made:
                yield f"chapter {chapter.number}: {handler} was never called for {event_type}"
            elif len(set(made)) > 1:
                yield f"chapter {chapter.number}: {handler} was called for {event_type} under {len(set(made))} keys"
