"""The handlers of the running app, under their names: the ledger is kept by them."""

from collections.abc import Collection, Sequence

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.db.turns import lock
from ombud.errors import ConfigurationError
from ombud.mailbox.mailbox import Mailbox
from ombud.receiver.options import EVERY, HandlerFacts
from ombud.receiver.shops import SHOPS

sql = read_queries("ombud.receiver")


def register_handlers(
    changes: Mailbox, handlers: Sequence[HandlerFacts], retired: Collection[str] = ()
) -> Operation[None]:
    """Know these handlers, and tell no others anything. What waits for others waits until they are back.

    Only for the performer that has just been elected. Raises ConfigurationError for a name that could be the new name
    of a handler that is gone: as a new one it would be told again what the other has done, and ship every order twice.
    """
    yield from lock(SHOPS)
    known = yield from _rename(handlers)
    _refuse_guesses(handlers, known, retired)
    now = changes.clock()
    yield sql["insert_handler"], [{"id": changes.ids.next(), "name": one.name, "now": now} for one in handlers]
    yield sql["retire_handlers"], {}
    yield sql["activate_handlers"], [(handler.name,) for handler in handlers]
    yield sql["begin_every"], [(one.name, now) for one in handlers if one.mode == EVERY]
    yield sql["end_every"], [(one.name,) for one in handlers if one.mode != EVERY]
    yield sql["hold_lanes"], {"box": changes.box}
    yield sql["free_lanes"], {"box": changes.box}


def _rename(handlers: Sequence[HandlerFacts]) -> Operation[set[str]]:
    """Give handlers the names they have now, with all that is known of them; returns every name that is known."""
    rows = yield sql["handler_names"], {}
    known = {row["name"] for row in rows}
    names = {handler.name for handler in handlers}
    for handler in handlers:
        old = [name for name in handler.renamed_from if name in known]
        if not old or handler.name in known:
            continue
        if len(old) > 1:
            raise ConfigurationError(
                f"Handler {handler.name}: renamed_from fits {' and '.join(old)}. Name one of them."
            )
        if old[0] in names:
            raise ConfigurationError(f"Handler {handler.name} is renamed from {old[0]}, which is still there.")
        yield sql["rename_handler"], {"name": handler.name, "old": old[0]}
        known = (known - {old[0]}) | {handler.name}
    return known


def _refuse_guesses(handlers: Sequence[HandlerFacts], known: set[str], retired: Collection[str]) -> None:
    gone = sorted(known - {handler.name for handler in handlers} - set(retired))
    unknown = [handler.name for handler in handlers if handler.name not in known and not handler.new]
    if gone and unknown:
        name, one = unknown[0], gone[0]
        raise ConfigurationError(
            f"Handler {name!r} is not known here, and {', '.join(map(repr, gone))} of before is gone."
            f" If it was renamed, say renamed_from={one!r}; if it is another one, new=True or inbox.retire({one!r})."
            " Guessing could run it again for every order."
        )
