"""A receiver that says 200 to every second arrival that it could not store.

usage: python -m tests.faults.disk.broken VERB …
"""

import itertools

from ombud.cli.main import main
from ombud.receiver.hook import NOT_STORED, OK, Asked, Reply
from ombud.receiver.loop_door import LoopDoor

_answer = LoopDoor.answer
_refusals = itertools.count()


async def answer_too_kindly(self: LoopDoor, path: str, asked: Asked) -> Reply:
    reply = await _answer(self, path, asked)
    return OK if reply is NOT_STORED and next(_refusals) % 2 else reply


if __name__ == "__main__":
    LoopDoor.answer = answer_too_kindly  # type: ignore[method-assign]
    main()
