"""The pretend shop: the vendor's REST API v1 and pages to click, for developers without a shop, tests and demos."""

from ombud.shop.app import create_app
from ombud.shop.limit import Limit
from ombud.shop.shop import Shop

__all__ = ["Limit", "Shop", "create_app"]
