"""Products as stored: the document is what the API shows, less the ids and dates that stand in columns."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ombud.db.operation import Operation, Row
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput, NotFound

sql = read_queries("ombud.shop")

# The first id of each kind of thing; they differ, so that one taken for another shows.
FIRST_IDS = {"order": 90_001, "product": 101, "variant": 501, "line": 7_001, "category": 11}


@dataclass(frozen=True)
class Product:
    """A product. `changed_at` is UTC microseconds."""

    id: int
    changed_at: int
    document: dict[str, Any]

    @property
    def variants(self) -> list[dict[str, Any]]:
        """Its variants, as the API shows them; empty for most."""
        found: list[dict[str, Any]] = self.document["variants"]
        return found

    def variant(self, variant_id: int) -> dict[str, Any]:
        """Return one of its variants; raises NotFound."""
        for variant in self.variants:
            if variant["id"] == str(variant_id):
                return variant
        raise NotFound(f"There is no variant {variant_id} of product {self.id}.")


@dataclass(frozen=True)
class Target:
    """How a caller names a product or one of its variants; `where` is the place of the words in the request."""

    where: str
    product_id: int | None = None
    variant_id: int | None = None
    sku: str | None = None

    def name(self, key: str) -> str:
        """Return how the caller wrote the place of a value."""
        return f"{self.where}.{key}" if self.where else key


@dataclass(frozen=True)
class Found:
    """What a target named: a product, and a variant of it if that was meant."""

    product: Product
    variant_id: int | None = None


class Catalogue:
    """The products of one shop, by id and by sku."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id

    def take_ids(self, kind: str, amount: int = 1) -> Operation[list[int]]:
        """Return ids that were never given out before and never will be again."""
        if not amount:
            return []
        values = {"shop_id": self.shop_id, "kind": kind, "first": FIRST_IDS[kind], "amount": amount}
        rows = yield sql["take_ids"], values
        last = int(rows[0]["last"])
        return list(range(last - amount + 1, last + 1))

    def get(self, product_id: int) -> Operation[Product]:
        """Return a product; raises NotFound."""
        rows = yield sql["get_product"], {"shop_id": self.shop_id, "id": product_id}
        if not rows:
            raise NotFound(f"There is no product {product_id}.")
        return read_product(rows[0])

    def with_sku(self, sku: str) -> Operation[list[Product]]:
        """Return the first two products with this sku, on themselves or on a variant."""
        if not sku:
            return []
        rows = yield sql["find_products"], {"shop_id": self.shop_id, "sku": sku}
        return [read_product(row) for row in rows]

    def find(self, target: Target) -> Operation[Found | None]:
        """Return what a target names, or None when it names nothing or nothing has its sku.

        Raises InvalidInput, naming the field, for an id that does not exist and a sku that several products share.
        """
        if target.variant_id is not None:
            return (yield from self._find_variant(target, target.variant_id))
        if target.product_id is not None:
            try:
                return Found((yield from self.get(target.product_id)))
            except NotFound as error:
                raise InvalidInput(target.name("product_id"), str(error)) from error
        products = yield from self.with_sku(target.sku or "")
        if len(products) > 1:
            raise InvalidInput(target.name("sku"), f"More than one product has the sku {target.sku!r}.")
        return Found(products[0], _variant_with_sku(products[0], target.sku)) if products else None

    def _find_variant(self, target: Target, variant_id: int) -> Operation[Found]:
        rows = yield sql["find_variant"], {"shop_id": self.shop_id, "id": variant_id}
        if not rows or target.product_id not in (None, rows[0]["product_id"]):
            raise InvalidInput(target.name("variant_id"), f"There is no variant {variant_id} of this product.")
        return Found((yield from self.get(rows[0]["product_id"])), variant_id)

    def insert(self, product: Product) -> Operation[None]:
        """Store a new product."""
        yield sql["insert_product"], self._values(product)
        yield sql["insert_variant"], self._variant_rows(product)

    def update(self, product: Product) -> Operation[None]:
        """Store what has become of a product."""
        yield sql["update_product"], self._values(product)
        yield sql["delete_variants"], {"shop_id": self.shop_id, "product_id": product.id}
        yield sql["insert_variant"], self._variant_rows(product)

    def delete(self, product_id: int) -> Operation[None]:
        """Remove a product with its variants."""
        yield sql["delete_variants"], {"shop_id": self.shop_id, "product_id": product_id}
        yield sql["delete_product"], {"shop_id": self.shop_id, "id": product_id}

    def _values(self, product: Product) -> dict[str, Any]:
        document = product.document
        return {
            "shop_id": self.shop_id,
            "id": product.id,
            "sku": document["sku"],
            "changed_at": product.changed_at,
            "search": search_text(product.id, document["title"], document["sku"], document["gtin"]),
            "document": write_document(document),
        }

    def _variant_rows(self, product: Product) -> list[dict[str, Any]]:
        return [
            {"shop_id": self.shop_id, "id": int(variant["id"]), "product_id": product.id, "sku": variant["sku"]}
            for variant in product.variants
        ]


def read_product(row: Row) -> Product:
    """Return the product of a row."""
    return Product(row["id"], row["changed_at"], json.loads(row["document"]))


def write_document(document: dict[str, Any]) -> str:
    """Return a document as it is stored."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def search_text(*parts: Any) -> str:
    """Return what a search looks through, in lower case."""
    return " ".join(str(part) for part in parts if part).casefold()


def search_pattern(wanted: str) -> str:
    """Return the LIKE pattern that finds these words anywhere, whatever characters they are."""
    escaped = wanted.strip().casefold().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def total_stock(variants: Sequence[dict[str, Any]]) -> str | None:
    """Return the stock of a product with variants: their sum, or None when one of them is not counted."""
    amounts = [variant["qty"] for variant in variants]
    return None if None in amounts else str(sum(int(amount) for amount in amounts))


def _variant_with_sku(product: Product, sku: str | None) -> int | None:
    if product.document["sku"] == sku:
        return None
    return next((int(variant["id"]) for variant in product.variants if variant["sku"] == sku), None)
