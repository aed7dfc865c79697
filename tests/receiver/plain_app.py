"""An app that needs nothing but the base install."""

from ombud import Context, Inbox, Order
from tests.receiver.reports import report

inbox = Inbox.from_env()


@inbox.on("order.new")
def ship(order: Order, context: Context) -> None:
    report("ship", order=order.id, key=context.key)
