"""What can be done with products.

Every real change publishes its event in the same transaction; no change, no event.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput, NotFound
from ombud.sender.outbox import Event
from ombud.shop.batch import Result, attempt, each
from ombud.shop.catalogue import Catalogue, Found, Product, Target, read_product, search_pattern, total_stock
from ombud.shop.categories import Categories
from ombud.shop.metadata import Metadata
from ombud.shop.product_input import NEW_PRODUCT, NEW_VARIANT, ProductEdit, VariantEdit
from ombud.shop.reading import LONGEST_LIST
from ombud.shop.trouble import Publish

sql = read_queries("ombud.shop")

# By (product, variant or None): how many pieces are added, or taken when below zero.
Movements = Mapping[tuple[int, int | None], int]


@dataclass(frozen=True)
class ProductFilter:
    """Which products a list shows, newest first."""

    search: str = ""
    limit: int = 50
    offset: int = 0


class Products:
    """The products of one shop: what may be done with them, each an operation."""

    def __init__(
        self, catalogue: Catalogue, publish: Publish, clock: Callable[[], int], *, stock_changes_emit_update: bool
    ) -> None:
        self.catalogue = catalogue
        self.categories = Categories(catalogue)
        self.metadata = Metadata(catalogue.shop_id, "product")
        self._publish_events = publish
        self._clock = clock
        self._stock_changes_emit_update = stock_changes_emit_update

    def add(self, edits: Sequence[ProductEdit]) -> Operation[list[int]]:
        """Store new products, all or nothing; returns their ids. One that `skip_duplicate` skips has the old one's id.

        Raises InvalidInput naming the field.
        """
        return each(self._add(edit) for edit in edits)

    def _add(self, edit: ProductEdit) -> Operation[int]:
        sku = edit.changes.get("sku", "")
        same = (yield from self.catalogue.with_sku(sku)) if edit.skip_duplicate else []
        if same:
            return same[0].id
        yield from self._check(edit)
        product_id = (yield from self.catalogue.take_ids("product"))[0]
        placed = yield from self._placed(edit)
        product = Product(product_id, self._clock(), {**NEW_PRODUCT, **edit.changes, **placed})
        document = yield from self._with_variants(product, edit.variants)
        yield from self.catalogue.insert(Product(product.id, product.changed_at, document))
        yield from self.metadata.put(product.id, edit.metadata)
        yield from self._publish("product.add", product.id)
        return product.id

    def change(self, edits: Sequence[ProductEdit]) -> Operation[list[Result[list[str]]]]:
        """Change products; returns for each the ids of its new variants, or why it was refused."""
        return each(attempt(self._change(edit)) for edit in edits)

    def _change(self, edit: ProductEdit) -> Operation[list[str]]:
        found = yield from self.catalogue.find(edit.target)
        if found is None:
            raise InvalidInput(edit.target.name("sku"), f"No product has the sku {edit.target.sku!r}.")
        yield from self._check(edit)
        before = found.product
        if found.variant_id is not None:
            document = _with_variant(found, edit.as_variant)
        else:
            merged = Product(before.id, before.changed_at, {**before.document, **edit.changes})
            document = yield from self._with_variants(merged, edit.variants)
            document = {**document, **(yield from self._placed(edit))}
        yield from self.metadata.put(before.id, edit.metadata)
        if document != before.document:
            yield from self.catalogue.update(Product(before.id, self._clock(), document))
            yield from self._publish("product.update", before.id)
        known = {variant["id"] for variant in before.variants}
        return [variant["id"] for variant in document["variants"] if variant["id"] not in known]

    def delete(self, targets: Sequence[Target]) -> Operation[None]:
        """Delete products for ever, all or none. Raises NotFound when one is not there."""
        for target in targets:
            product = yield from self.catalogue.get(target.product_id or 0)
            yield from self.catalogue.delete(product.id)
            yield from self.metadata.forget(product.id)
            yield from self._publish("product.delete", product.id)

    def move_stock(self, movements: Movements) -> Operation[None]:
        """Add and take pieces. Products that are gone, and stock that is not counted, stay as they are."""
        for product_id in sorted({product_id for product_id, _ in movements}):
            try:
                product = yield from self.catalogue.get(product_id)
            except NotFound:
                continue
            document = _moved(product, {key[1]: pieces for key, pieces in movements.items() if key[0] == product_id})
            if document == product.document:
                continue
            emit = self._stock_changes_emit_update
            changed_at = self._clock() if emit else product.changed_at
            yield from self.catalogue.update(Product(product_id, changed_at, document))
            if emit:
                yield from self._publish("product.update", product_id)

    def page(self, wanted: ProductFilter) -> Operation[list[Product]]:
        """Return a page of products, newest first."""
        values = {
            "shop_id": self.catalogue.shop_id,
            "search": search_pattern(wanted.search),
            "limit": wanted.limit,
            "offset": wanted.offset,
        }
        rows = yield sql["list_products"], values
        return [read_product(row) for row in rows]

    def count(self) -> Operation[int]:
        """Return how many products there are."""
        rows = yield sql["count_products"], {"shop_id": self.catalogue.shop_id}
        return int(rows[0]["products"])

    def _with_variants(self, product: Product, edits: Sequence[VariantEdit]) -> Operation[dict[str, Any]]:
        """Return the product's document with these variants changed and added."""
        if not edits:
            return product.document
        variants = {variant["id"]: variant for variant in product.variants}
        added = []
        for edit in edits:
            known = _known_variant(product, edit)
            if known is None:
                added.append(edit.changes)
            else:
                variants[known] = {**variants[known], **edit.changes}
        if len(variants) + len(added) > LONGEST_LIST:
            raise InvalidInput(f"{edits[0].target.where}", f"A product has at most {LONGEST_LIST} variants.")
        own = {"product_id": str(product.id), "price": product.document["price"]}
        for variant_id, changes in zip((yield from self.catalogue.take_ids("variant", len(added))), added, strict=True):
            variants[str(variant_id)] = {"id": str(variant_id), **NEW_VARIANT, **own, **changes}
        return _with_total({**product.document, "variants": list(variants.values())})

    def _check(self, edit: ProductEdit) -> Operation[None]:
        yield from self.categories.check(edit.category_id, edit.target.name("headcategory_id"))

    def _placed(self, edit: ProductEdit) -> Operation[dict[str, Any]]:
        return self.categories.place(edit.category_id, edit.changes.get("headcategory_name"))

    def _publish(self, event_type: str, product_id: int) -> Operation[None]:
        yield from self._publish_events([Event(event_type, str(product_id), self.catalogue.shop_id)])


def _known_variant(product: Product, edit: VariantEdit) -> str | None:
    """Return the id of the variant that an edit names, or None when it is a new one."""
    if edit.new:
        return None
    wanted = edit.target.variant_id
    for variant in product.variants:
        if variant["id"] == str(wanted) or (wanted is None and edit.target.sku and variant["sku"] == edit.target.sku):
            return str(variant["id"])
    if wanted is not None:
        raise InvalidInput(edit.target.name("variant_id"), f"There is no variant {wanted} of this product.")
    return None


def _with_variant(found: Found, changes: Mapping[str, Any]) -> dict[str, Any]:
    wanted = str(found.variant_id)
    variants = [{**one, **changes} if one["id"] == wanted else one for one in found.product.variants]
    return _with_total({**found.product.document, "variants": variants})


def _moved(product: Product, movements: Mapping[int | None, int]) -> dict[str, Any]:
    """Return the document after pieces were added to the product or to its variants."""
    document = {**product.document, "qty": _added(product.document["qty"], movements.get(None, 0))}
    if product.variants:
        pieces = {str(variant_id): amount for variant_id, amount in movements.items()}
        document["variants"] = [
            {**variant, "qty": _added(variant["qty"], pieces.get(variant["id"], 0))} for variant in product.variants
        ]
    return _with_total(document)


def _added(qty: str | None, pieces: int) -> str | None:
    return None if qty is None else str(int(qty) + pieces)


def _with_total(document: dict[str, Any]) -> dict[str, Any]:
    """The stock of a product with variants is theirs."""
    return {**document, "qty": total_stock(document["variants"])} if document["variants"] else document
