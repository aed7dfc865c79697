"""The shapes in which the API v1 shows things: numbers as text, dates in Stockholm time, money with two decimals.

Sources: the vendor's reference for the fields; order lines have numbers for ids and quantities there, alone.
"""

from typing import Any

from ombud.shop.catalogue import Product
from ombud.shop.dates import date_text
from ombud.shop.order_document import Order


def order_short(order: Order) -> dict[str, Any]:
    """Return an order as a list shows it."""
    return {
        "order_id": str(order.id),
        "date_created": date_text(order.created_at),
        "total_amount": order.document["total_amount"],
        "status": str(int(order.status)),
    }


def order_full(order: Order) -> dict[str, Any]:
    """Return an order with its details."""
    document = order.document
    return order_short(order) | {
        "date_paid": None if order.paid_at is None else date_text(order.paid_at),
        "total_pay_amount": document["total_amount"] if order.status.sold else "0.00",
        "items_amount": document["items_amount"],
        "shipping_amount": document["shipping_amount"],
        "shipping_id": document["shipping_id"],
        "shipping_name": document["shipping_name"],
        "discount_amount": document["discount_amount"],
        "tax_amount": document["tax_amount"],
        "currency": document["currency"],
        "notes": document["notes"],
        "is_taxfree": False,
        "is_taxontop": False,
        "total_weight": document["total_weight"],
        "refunds": [],
        "paymethod": document["paymethod"],
        "customer": document["customer"],
        "products": document["products"],
    }


def product_short(product: Product) -> dict[str, Any]:
    """Return a product as a list shows it. The fields of the vendor's short form are not documented; these are ours."""
    document = product.document
    return {
        "id": str(product.id),
        "sku": document["sku"],
        "hasVariants": "1" if product.variants else "0",
        "title": document["title"],
        "visible": document["visible"],
        "qty": document["qty"],
        "price": document["price"],
        "date_modified": date_text(product.changed_at),
    }


def product_full(product: Product) -> dict[str, Any]:
    """Return a product with its details. Categories are a list of paths, each a list of steps."""
    # A product that was stored before there were categories knows the name alone.
    name = product.document["headcategory_name"]
    return {
        **product_short(product),
        "categories": [[{"category": name}]] if name else [],
        **product.document,
        "url": f"/products/{product.id}",
        "product_package_products": [],
    }
