"""A receiver that says 200 to every second arrival that it could not store.

usage: python -m tests.faults.disk.broken VERB …
"""

import itertools

from ombud.cli.main import main
from ombud.receiver.asgi import AsgiHook, Scope
from ombud.receiver.hook import NOT_STORED, OK, Reply

_answer = AsgiHook._answer
_refusals = itertools.count()


async def answer_too_kindly(self: AsgiHook, scope: Scope) -> Reply:
    reply = await _answer(self, scope)
    return OK if reply is NOT_STORED and next(_refusals) % 2 else reply


if __name__ == "__main__":
    AsgiHook._answer = answer_too_kindly  # type: ignore[method-assign]
    main()
