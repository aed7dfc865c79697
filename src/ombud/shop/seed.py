"""Something to look at in a new shop: three products and one order that nobody has paid yet."""

from decimal import Decimal

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.shop.order_input import read_order_draft
from ombud.shop.orders import Orders
from ombud.shop.product_input import read_new_product
from ombud.shop.products import Products
from ombud.shop.reading import Fields

sql = read_queries("ombud.shop")

PRODUCTS = (
    {"title": "Mug", "sku": "MUG-1", "price": Decimal("249.50"), "stock": 40, "weight": 350},
    {"title": "Tea towel", "sku": "TOWEL-1", "price": Decimal("129.00"), "stock": 100, "weight": 80},
    {"title": "Oak tray", "sku": "TRAY-1", "price": Decimal("499.00"), "stock": 8, "weight": 900},
)
ORDER = {
    "customer": {"email": "anna@example.test", "billing_details": {"firstname": "Anna", "lastname": "Test"}},
    "shipping": {"name": "Parcel", "price": Decimal("49.00")},
    "products": [{"sku": "MUG-1", "qty": 2}],
}


def seed(orders: Orders, products: Products) -> Operation[bool]:
    """Store them if the shop has no product and no order; returns whether it did."""
    rows = yield sql["count_things"], {"shop_id": products.catalogue.shop_id}
    if rows[0]["things"]:
        return False
    yield from products.add([read_new_product(Fields(product)) for product in PRODUCTS])
    yield from orders.create([read_order_draft(Fields(ORDER))])
    return True
