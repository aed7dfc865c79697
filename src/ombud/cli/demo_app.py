"""The demo's sample app: six handlers that write down what they were called with."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ombud.client import Order, Product
from ombud.receiver.inbox import Inbox
from ombud.receiver.model import Change, Context
from ombud.settings import Settings

FILE = "handled.jsonl"


def create_demo_inbox(settings: Settings, folder: Path) -> Inbox:
    """Return an inbox whose handlers append a line to `handled.jsonl` for each run."""
    inbox = Inbox(settings)
    path = folder / FILE

    def write(context: Context, subject: str, status: str | None, read: Mapping[str, Any]) -> None:
        line = {
            "at": datetime.now(UTC).isoformat(),
            "handler": context.handler,
            "subject": subject,
            "status": status,
            "key": context.key,
            **read,
        }
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)

    def write_order(context: Context, order: Order) -> None:
        write(context, f"order/{order.id}", order.status_text, {"order": order.raw})

    def write_product(context: Context, product: Product, change: Change) -> None:
        status = "gone" if change.after is None else "there"
        write(context, f"product/{product.id}", status, {"product": product.raw})

    for event_type in ("order.new", "order.done", "order.cancelled"):
        inbox.on(event_type, name=event_type)(write_order)
    for event_type in ("product.add", "product.update", "product.delete"):
        inbox.on(event_type, name=event_type)(write_product)
    return inbox
