"""An app as integrators write it: FastAPI, Starlette and WSGI around one inbox, whose handlers say what they do."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from ombud.client import Order, Product
from ombud.receiver.inbox import Inbox
from ombud.receiver.model import Change, Context, Event
from tests.receiver.reports import report

inbox = Inbox.from_env()


@inbox.on("order.new")
async def ship(order: Order, context: Context) -> None:
    report("ship", order=order.id, key=context.key)


@inbox.on("product.add", "product.update", "product.delete")
def sync(event: Event, product: Product, change: Change, context: Context) -> None:
    report("sync", product=product.id, event=event.event_type, gone=change.after is None, key=context.key)


fast = FastAPI(lifespan=inbox.lifespan)
fast.mount("/hooks", inbox.asgi)

rsgi = inbox.rsgi

star = Starlette(routes=[Mount("/hooks", inbox.asgi)], lifespan=inbox.lifespan)


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The inbox below /hooks, and nothing else."""
    path = environ["PATH_INFO"]
    if path.startswith("/hooks/"):
        moved = {"SCRIPT_NAME": "/hooks", "PATH_INFO": path.removeprefix("/hooks")}
        return inbox.wsgi(environ | moved, start_response)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the shop"]
