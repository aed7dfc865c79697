"""A receiver inside a FastAPI app, which performs in the same process.

    export OMBUD_TOKEN=… QUICKBUTIK_API_KEY=…
    uvicorn examples.with_fastapi:app

The shop's webhooks go to http://HOST:8000/hooks/TOKEN. `lifespan` starts the work with the app; of several workers
one is elected to it. When handlers are heavy, give them processes of their own: start the app with
OMBUD_PERFORM=elsewhere, and beside it `ombud work examples.with_fastapi:inbox`.
"""

from fastapi import FastAPI

from ombud import Context, Inbox, Order

inbox = Inbox.from_env()
app = FastAPI(lifespan=inbox.lifespan)
app.mount("/hooks", inbox.asgi)

shipped: dict[str, str] = {}


@inbox.on("order.new")
async def ship(order: Order, context: Context) -> None:
    """Paid, confirmed by the shop's API, once per order. The key is for whoever must be able to tell a repetition."""
    shipped[order.id] = context.key


@app.get("/shipped")
async def list_shipped() -> dict[str, str]:
    """Your own routes stand beside the hooks."""
    return shipped
