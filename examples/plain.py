"""A receiver without any web framework.

    export OMBUD_TOKEN=… QUICKBUTIK_API_KEY=…
    ombud receive examples.plain:inbox

The shop's webhooks go to http://HOST:8702/hooks/TOKEN; what arrived and what became of it is at http://HOST:8702/.
"""

from ombud import Change, Context, Inbox, Order, Product

inbox = Inbox.from_env()


@inbox.on("order.new")
async def ship(order: Order, context: Context) -> None:
    """Paid, confirmed by the shop's API, once per order."""
    print(f"ship order {order.id}, {order.total_amount} {order.currency} (key {context.key})", flush=True)


@inbox.on("product.add", "product.update", "product.delete")
async def sync(product: Product, change: Change) -> None:
    """Once per real change."""
    print(f"product {product.id} {product.title}: {'gone' if change.after is None else product.qty}", flush=True)
