"""The ways to pay and to send that this shop offers. The vendor documents no reply: the shapes are ours."""

from typing import Any

PAYMENT_METHODS: tuple[dict[str, Any], ...] = (
    {"method_id": "1", "name": "Card (pretend)"},
    {"method_id": "2", "name": "Invoice (pretend)"},
)
SHIPPING_METHODS: tuple[dict[str, Any], ...] = (
    {"shipping_id": "1", "name": "Parcel", "price": "49.00", "countries": ["SE", "NO", "DK", "FI"]},
    {"shipping_id": "2", "name": "Fetch in the shop", "price": "0.00", "countries": ["SE"]},
)
