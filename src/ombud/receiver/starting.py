"""What is to be called where handlers run, before the first of them does."""

import inspect
from collections.abc import Sequence

from ombud.receiver.supply import Function


async def call_starts(starts: Sequence[Function]) -> None:
    """Call each in turn, on the loop of the handlers; raises what they raise.

    Plain ones too: nothing else runs yet, and what they make may belong to this loop or this thread.
    """
    for function in starts:
        made = function()
        if inspect.isawaitable(made):
            await made
