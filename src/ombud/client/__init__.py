"""The vendor's REST API v1, typed, blocking and async."""

from ombud.client.client import AsyncShopClient, ShopClient
from ombud.client.errors import ApiError, RateLimited, Rejection, Unauthorized, UnexpectedAnswer, WriteRejected
from ombud.client.models import (
    Address,
    Customer,
    Image,
    Order,
    OrderLine,
    OrderStatus,
    PaymentMethod,
    Product,
    Variant,
)
from ombud.client.shapes import read_order, read_product

__all__ = [
    "Address",
    "ApiError",
    "AsyncShopClient",
    "Customer",
    "Image",
    "Order",
    "OrderLine",
    "OrderStatus",
    "PaymentMethod",
    "Product",
    "RateLimited",
    "Rejection",
    "ShopClient",
    "Unauthorized",
    "UnexpectedAnswer",
    "Variant",
    "WriteRejected",
    "read_order",
    "read_product",
]
