"""Webhooks for online shops: send them, receive them, try them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ombud.client import (
        ApiError,
        AsyncShopClient,
        Budget,
        Category,
        Customer,
        Metadata,
        Order,
        OrderLine,
        OrderStatus,
        PaymentMethod,
        Priority,
        Product,
        RateLimited,
        ShippingMethod,
        ShopClient,
        Unauthorized,
        UnexpectedAnswer,
        Variant,
        WriteRejected,
    )
    from ombud.errors import ConfigurationError, InvalidInput, NetworkError, OmbudError
    from ombud.receiver.control import Dead, Retry, Skip
    from ombud.receiver.inbox import Inbox
    from ombud.receiver.model import Change, Context, Event, Failure, OrderId, Proceed, ProductId, UnknownEvent
    from ombud.receiver.router import Router

__version__ = "0.1.0"

# Where each public name lives. They are imported when first used, so that `ombud --help` stays fast.
_HOMES = {
    "ApiError": "ombud.client",
    "AsyncShopClient": "ombud.client",
    "Budget": "ombud.client",
    "Category": "ombud.client",
    "Change": "ombud.receiver.model",
    "ConfigurationError": "ombud.errors",
    "Context": "ombud.receiver.model",
    "Customer": "ombud.client",
    "Dead": "ombud.receiver.control",
    "Event": "ombud.receiver.model",
    "Failure": "ombud.receiver.model",
    "Inbox": "ombud.receiver.inbox",
    "InvalidInput": "ombud.errors",
    "Metadata": "ombud.client",
    "NetworkError": "ombud.errors",
    "OmbudError": "ombud.errors",
    "Order": "ombud.client",
    "OrderId": "ombud.receiver.model",
    "OrderLine": "ombud.client",
    "OrderStatus": "ombud.client",
    "PaymentMethod": "ombud.client",
    "Priority": "ombud.client",
    "Proceed": "ombud.receiver.model",
    "Product": "ombud.client",
    "ProductId": "ombud.receiver.model",
    "RateLimited": "ombud.client",
    "Retry": "ombud.receiver.control",
    "Router": "ombud.receiver.router",
    "ShippingMethod": "ombud.client",
    "ShopClient": "ombud.client",
    "Skip": "ombud.receiver.control",
    "Unauthorized": "ombud.client",
    "UnexpectedAnswer": "ombud.client",
    "UnknownEvent": "ombud.receiver.model",
    "Variant": "ombud.client",
    "WriteRejected": "ombud.client",
}

__all__ = [
    "ApiError",
    "AsyncShopClient",
    "Budget",
    "Category",
    "Change",
    "ConfigurationError",
    "Context",
    "Customer",
    "Dead",
    "Event",
    "Failure",
    "Inbox",
    "InvalidInput",
    "Metadata",
    "NetworkError",
    "OmbudError",
    "Order",
    "OrderId",
    "OrderLine",
    "OrderStatus",
    "PaymentMethod",
    "Priority",
    "Proceed",
    "Product",
    "ProductId",
    "RateLimited",
    "Retry",
    "Router",
    "ShippingMethod",
    "ShopClient",
    "Skip",
    "Unauthorized",
    "UnexpectedAnswer",
    "UnknownEvent",
    "Variant",
    "WriteRejected",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ombud' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
