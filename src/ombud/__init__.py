"""Webhooks for online shops: send them, receive them, try them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ombud.client import AsyncShopClient, Order, OrderStatus, Product, ShopClient
    from ombud.receiver.control import Dead, Retry, Skip
    from ombud.receiver.inbox import Inbox
    from ombud.receiver.model import Change, Context, Event, OrderId, ProductId

__version__ = "0.1.0"

# Where each public name lives. They are imported when first used, so that `ombud --help` stays fast.
_HOMES = {
    "AsyncShopClient": "ombud.client",
    "Change": "ombud.receiver.model",
    "Context": "ombud.receiver.model",
    "Dead": "ombud.receiver.control",
    "Event": "ombud.receiver.model",
    "Inbox": "ombud.receiver.inbox",
    "Order": "ombud.client",
    "OrderId": "ombud.receiver.model",
    "OrderStatus": "ombud.client",
    "Product": "ombud.client",
    "ProductId": "ombud.receiver.model",
    "Retry": "ombud.receiver.control",
    "ShopClient": "ombud.client",
    "Skip": "ombud.receiver.control",
}

__all__ = [
    "AsyncShopClient",
    "Change",
    "Context",
    "Dead",
    "Event",
    "Inbox",
    "Order",
    "OrderId",
    "OrderStatus",
    "Product",
    "ProductId",
    "Retry",
    "ShopClient",
    "Skip",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ombud' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
