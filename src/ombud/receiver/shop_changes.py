"""What a person may change about a shop of an inbox: its tokens, its budget, its key, and whether it is paused."""

import math

from ombud.db.operation import Operation
from ombud.db.turns import lock
from ombud.errors import Conflict, InvalidInput, NotFound
from ombud.mailbox.mailbox import Mailbox
from ombud.receiver.shops import SHOPS, Shop, check_token, read_shop, require_own, sql, token_hash

# Reads per second: more than any API of a shop serves, so a typing error.
MOST_READS_PER_SECOND = 1_000.0


def find_shop(name: str) -> Operation[Shop]:
    """Return the shop of that name; raises NotFound."""
    rows = yield sql["shop_named"], {"name": name}
    if not rows:
        raise NotFound(f"There is no shop named {name!r}. `ombud shops list` shows them all.")
    return read_shop(rows[0])


def rotate_token(name: str, token: str) -> Operation[None]:
    """Give a shop a new token. The present one stays good beside it; one from before that ends now.

    Raises NotFound, InvalidInput for the token, Conflict when another shop has it.
    """
    yield from lock(SHOPS)
    shop = yield from find_shop(name)
    check_token(token)
    yield from require_own(token, shop.id)
    yield sql["set_token"], {"id": shop.id, "token_hash": token_hash(token)}


def end_previous_token(name: str) -> Operation[None]:
    """End the token from before the last rotation. Raises NotFound, Conflict when there is none."""
    rows = yield sql["shop_named"], {"name": name}
    shop = yield from find_shop(name)
    if rows[0]["previous_token_hash"] is None:
        raise Conflict(f"Shop {name!r} has one token alone. `ombud shops rotate` gives it another beside it.")
    yield sql["end_previous_token"], {"id": shop.id, "previous_token_hash": rows[0]["previous_token_hash"]}


def set_reads_per_second(name: str, reads_per_second: float | None) -> Operation[None]:
    """Set how often the shop's API may be read; None is the setting of the inbox. Raises NotFound, InvalidInput."""
    shop = yield from find_shop(name)
    yield sql["set_reads_per_second"], {"id": shop.id, "reads_per_second": check_reads(reads_per_second)}


def set_api_key_file(name: str, path: str | None) -> Operation[None]:
    """Name the file with the shop's API key; None is the environment's key. Raises NotFound."""
    shop = yield from find_shop(name)
    yield sql["set_api_key_file"], {"id": shop.id, "api_key_file": path}


def check_reads(reads_per_second: float | None) -> float | None:
    """Return a budget that can be kept; raises InvalidInput."""
    given = reads_per_second
    if given is not None and not (math.isfinite(given) and 0 < given <= MOST_READS_PER_SECOND):
        raise InvalidInput(
            "reads_per_second", f"Reads per second are a number above 0, at most {MOST_READS_PER_SECOND:g}."
        )
    return given


def pause_shop(arrivals: Mailbox, changes: Mailbox, name: str) -> Operation[None]:
    """Read nothing and call no handler for a shop until it is resumed; its webhooks are stored. Raises NotFound.

    What is in flight ends.
    """
    yield from lock(SHOPS)
    shop = yield from find_shop(name)
    yield sql["set_paused"], {"id": shop.id, "paused_at": shop.paused_at or arrivals.clock()}
    yield from arrivals.pause(shop.reader_lane_id)
    yield from changes.pause(*(yield from _handler_lanes(changes, shop)))


def resume_shop(arrivals: Mailbox, changes: Mailbox, name: str) -> Operation[None]:
    """Go on with all that has waited. Raises NotFound."""
    yield from lock(SHOPS)
    shop = yield from find_shop(name)
    yield sql["set_paused"], {"id": shop.id, "paused_at": None}
    yield from arrivals.resume(shop.reader_lane_id)
    yield from changes.resume(*(yield from _handler_lanes(changes, shop)))


def _handler_lanes(changes: Mailbox, shop: Shop) -> Operation[list[int]]:
    rows = yield sql["handler_lanes_of_shop"], {"box": changes.box, "shop_id": shop.id}
    return [row["id"] for row in rows]
