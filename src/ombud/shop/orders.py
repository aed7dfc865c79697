"""What can be done with orders.

Each real change of status publishes the event of the status entered, in the same transaction; no change, no event. A
sale (entering paid or done from unpaid or cancelled) takes its lines from the stock; the way back returns them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput, NotFound
from ombud.sender.outbox import Event
from ombud.shop.batch import Result, attempt, each
from ombud.shop.catalogue import search_pattern, search_text, write_document
from ombud.shop.lines import Line, edit_lines, taken_by
from ombud.shop.metadata import Metadata
from ombud.shop.order_document import NEW_ORDER, Order, edited, read_order
from ombud.shop.order_input import OrderChange, OrderDraft, OrderEdit
from ombud.shop.products import Products
from ombud.shop.status import EVENT_OF, WORDS, Status, find_status
from ombud.shop.trouble import Publish

sql = read_queries("ombud.shop")

# What a column can hold, and so what a bound that is not set is.
LARGEST = (1 << 63) - 1


@dataclass(frozen=True)
class OrderFilter:
    """Which orders a list shows, and in what order. Times are UTC microseconds, both ends included."""

    order_id: int | None = None
    search: str = ""
    status: Status | None = None
    paid_from: int | None = None
    paid_to: int | None = None
    status_from: int = 0
    order_by: str = "order_id"
    descending: bool = True
    limit: int = 1000
    offset: int = 0


class Orders:
    """The orders of one shop: what may be done with them, each an operation."""

    def __init__(self, products: Products, publish: Publish, clock: Callable[[], int]) -> None:
        self._products = products
        self._publish = publish
        self._clock = clock
        self._shop_id = products.catalogue.shop_id
        self.metadata = Metadata(self._shop_id, "order")

    def create(self, drafts: Sequence[OrderDraft]) -> Operation[list[Result[int]]]:
        """Store new orders, unpaid; returns for each its id, or why it was refused."""
        return each(attempt(self._create(draft)) for draft in drafts)

    def place_and_pay(self, draft: OrderDraft) -> Operation[int]:
        """Store a new order and pay it at once: `order.new`. Raises InvalidInput naming the field."""
        order_id = yield from self._create(draft)
        yield from self._change(OrderChange(order_id, Status.PAID.word))
        return order_id

    def change(self, changes: Sequence[OrderChange]) -> Operation[list[Result[None]]]:
        """Change orders; says for each whether it was done, or why it was refused."""
        return each(attempt(self._change(change)) for change in changes)

    def get(self, order_id: int) -> Operation[Order]:
        """Return an order; raises NotFound."""
        rows = yield sql["get_order"], {"shop_id": self._shop_id, "id": order_id}
        if not rows:
            raise NotFound(f"There is no order {order_id}.")
        return read_order(rows[0])

    def page(self, wanted: OrderFilter) -> Operation[list[Order]]:
        """Return a page of the orders that pass the filters."""
        newest_first = wanted.order_by == "order_id" and wanted.descending
        values = _bounds(wanted) | {
            "shop_id": self._shop_id,
            "search": search_pattern(wanted.search),
            "limit": wanted.limit,
            "offset": wanted.offset,
        }
        if not newest_first:
            values |= {"order_by": wanted.order_by, "direction": -1 if wanted.descending else 1}
        rows = yield sql["list_orders" if newest_first else "list_orders_sorted"], values
        return [read_order(row) for row in rows]

    def _create(self, draft: OrderDraft) -> Operation[int]:
        lines = yield from edit_lines(self._products.catalogue, [], draft.edit, draft.where)
        lines = yield from self._numbered(lines)
        order_id = (yield from self._products.catalogue.take_ids("order"))[0]
        now = self._clock()
        order = Order(order_id, Status.UNPAID, now, None, now, edited(NEW_ORDER, draft.edit, lines))
        yield sql["insert_order"], self._values(order) | {"created_at": now}
        yield from self.metadata.put(order_id, draft.metadata)
        return order_id

    def _change(self, change: OrderChange) -> Operation[None]:
        before = yield from self.get(change.order_id)
        status = _status(change) if change.status else before.status
        after = yield from self._edited(before, change)
        if status != before.status:
            after = _entered(after, status, self._clock())
        if after == before:
            return
        yield sql["update_order"], self._values(after)
        yield from self._move_stock(before, after)
        event_type = EVENT_OF.get(status) if status != before.status else None
        if event_type and not (change.skip_webhook and status is Status.PAID):
            yield from self._publish([Event(event_type, str(after.id), self._shop_id)])

    def _edited(self, order: Order, change: OrderChange) -> Operation[Order]:
        if change.edit == OrderEdit():
            return order
        lines = yield from edit_lines(self._products.catalogue, order.lines, change.edit, change.where)
        lines = yield from self._numbered(lines)
        return replace(order, document=edited(order.document, change.edit, lines))

    def _numbered(self, lines: Sequence[Line]) -> Operation[list[Line]]:
        """Give the new lines their ids."""
        new = [line for line in lines if not line["id"]]
        line_ids = iter((yield from self._products.catalogue.take_ids("line", len(new))))
        return [line if line["id"] else {**line, "id": next(line_ids)} for line in lines]

    def _move_stock(self, before: Order, after: Order) -> Operation[None]:
        given_back = taken_by(before.lines) if before.status.sold else Counter()
        given_back.subtract(taken_by(after.lines) if after.status.sold else Counter())
        yield from self._products.move_stock({thing: pieces for thing, pieces in given_back.items() if pieces})

    def _values(self, order: Order) -> dict[str, Any]:
        customer = order.document["customer"]
        return {
            "shop_id": self._shop_id,
            "id": order.id,
            "status": int(order.status),
            "total_amount": order.document["total_amount"],
            "paid_at": order.paid_at,
            "status_at": order.status_at,
            "search": search_text(order.id, customer["full_name"], customer["email"]),
            "document": write_document(order.document),
        }


def _status(change: OrderChange) -> Status:
    status = find_status(change.status or "")
    if status is None:
        field = f"{change.where}.status" if change.where else "status"
        raise InvalidInput(field, f"{change.status!r} is not one of: {', '.join(WORDS)}.")
    return status


def _entered(order: Order, status: Status, now: int) -> Order:
    """Return the order in its new status. A second sale has a new date of payment; unpaid has none."""
    paid_at = now if status.sold and not order.status.sold else order.paid_at
    return replace(order, status=status, status_at=now, paid_at=None if status is Status.UNPAID else paid_at)


def _bounds(wanted: OrderFilter) -> dict[str, Any]:
    """Write each filter as a range, so that one statement serves them all; -1 stands for "never paid"."""
    by_payment = wanted.paid_from is not None or wanted.paid_to is not None
    return {
        "lowest_id": wanted.order_id or 0,
        "highest_id": wanted.order_id or LARGEST,
        "lowest_status": min(Status) if wanted.status is None else int(wanted.status),
        "highest_status": max(Status) if wanted.status is None else int(wanted.status),
        "paid_from": (wanted.paid_from or 0) if by_payment else -1,
        "paid_to": LARGEST if wanted.paid_to is None else wanted.paid_to,
        "status_from": wanted.status_from,
    }
