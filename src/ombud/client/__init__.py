"""The vendor's REST API v1, typed, blocking and async."""

from ombud.client.budget import Budget, BudgetState, Priority
from ombud.client.budgets import Budgets
from ombud.client.client import AsyncShopClient, ShopClient
from ombud.client.errors import ApiError, RateLimited, Rejection, Unauthorized, UnexpectedAnswer, WriteRejected
from ombud.client.models import (
    Address,
    Category,
    Customer,
    Image,
    LinePart,
    Metadata,
    Order,
    OrderLine,
    OrderStatus,
    Payment,
    PaymentMethod,
    Product,
    ShippingMethod,
    Variant,
)
from ombud.client.order_shapes import read_order
from ombud.client.other_shapes import read_category
from ombud.client.product_shapes import read_product

__all__ = [
    "Address",
    "ApiError",
    "AsyncShopClient",
    "Budget",
    "BudgetState",
    "Budgets",
    "Category",
    "Customer",
    "Image",
    "LinePart",
    "Metadata",
    "Order",
    "OrderLine",
    "OrderStatus",
    "Payment",
    "PaymentMethod",
    "Priority",
    "Product",
    "RateLimited",
    "Rejection",
    "ShippingMethod",
    "ShopClient",
    "Unauthorized",
    "UnexpectedAnswer",
    "Variant",
    "WriteRejected",
    "read_category",
    "read_order",
    "read_product",
]
