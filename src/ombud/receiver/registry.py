"""The handlers of the running app, under their names: the ledger is kept by them."""

from collections.abc import Sequence

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.mailbox.mailbox import Mailbox
from ombud.receiver.handlers import HandlerFacts

sql = read_queries("ombud.receiver")


def register_handlers(changes: Mailbox, handlers: Sequence[HandlerFacts]) -> Operation[None]:
    """Know these handlers, and tell no others anything. What waits for others waits until they are back.

    Only for the performer that has just been elected.
    """
    now = changes.clock()
    yield sql["insert_handler"], [{"id": changes.ids.next(), "name": one.name, "now": now} for one in handlers]
    yield sql["retire_handlers"], {}
    yield sql["activate_handlers"], [(handler.name,) for handler in handlers]
    yield sql["hold_lanes"], {"box": changes.box}
    yield sql["free_lanes"], {"box": changes.box}
