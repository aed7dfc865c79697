"""A pretend shop: orders and products in a sender's database, and the events that their changes publish."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from ombud.db.database import Writer
from ombud.db.operation import Make, Operation
from ombud.db.turns import lock
from ombud.errors import NotFound
from ombud.sender.outbox import DEFAULT_SHOP_ID, Event, Outbox
from ombud.shop import keys, seed
from ombud.shop.batch import Result, each
from ombud.shop.catalogue import Catalogue, Product, Target
from ombud.shop.categories import Category, CategoryDraft
from ombud.shop.metadata import Metadata, Text
from ombud.shop.order_document import Order
from ombud.shop.order_input import OrderChange, OrderDraft
from ombud.shop.orders import OrderFilter, Orders
from ombud.shop.product_input import ProductEdit
from ombud.shop.products import ProductFilter, Products
from ombud.shop.trouble import Trouble

T = TypeVar("T")


class Shop:
    """One shop. A change and its event are one transaction; reads run in a thread and never hold up the loop.

    `writer` and `outbox` are the sender's, on one database migrated with `ombud.mailbox`, `ombud.sender` and
    `ombud.shop`. `clock` gives UTC microseconds. Every method raises StorageUnavailable when the database cannot
    answer.
    """

    def __init__(
        self,
        writer: Writer,
        outbox: Outbox,
        *,
        shop_id: int = DEFAULT_SHOP_ID,
        clock: Callable[[], int],
        stock_changes_emit_update: bool = False,
    ) -> None:
        """`stock_changes_emit_update`: a sale or a return also publishes product.update."""
        self.shop_id = shop_id
        catalogue = Catalogue(shop_id)
        self.trouble = Trouble()
        publish = partial(self.trouble.publish, outbox)
        self.products = Products(catalogue, publish, clock, stock_changes_emit_update=stock_changes_emit_update)
        self.orders = Orders(self.products, publish, clock)
        self._outbox = outbox
        self._writer = writer

    async def set_key(self, key: str) -> None:
        """Let this key into the API, and no other. Raises InvalidInput."""
        await self._writer.write(lambda: keys.set_key(self.shop_id, key))

    async def set_first_key(self, key: str) -> bool:
        """Let this key into the API unless another one opens it; returns whether it does. Raises InvalidInput."""
        return await self._writer.write(lambda: keys.set_first_key(self.shop_id, key))

    async def key_hash(self) -> str | None:
        """Return the hash that `keys.opens` compares with; None while the shop has no key."""
        return await self._read(lambda: keys.read_key_hash(self.shop_id))

    async def seed(self) -> bool:
        """Store three products and one unpaid order if the shop has nothing; returns whether it did."""
        return await self._write(lambda: seed.seed(self.orders, self.products))

    async def create_orders(self, drafts: Sequence[OrderDraft]) -> list[Result[int]]:
        """Store new orders, unpaid; returns for each its id, or why it was refused."""
        return await self._write(lambda: self.orders.create(drafts))

    async def place_and_pay(self, draft: OrderDraft) -> int:
        """Store a new order and pay it at once; returns its id. Raises InvalidInput."""
        return await self._write(lambda: self.orders.place_and_pay(draft))

    async def change_orders(self, changes: Sequence[OrderChange]) -> list[Result[None]]:
        """Change orders; says for each whether it was done, or why it was refused."""
        return await self._write(lambda: self.orders.change(changes))

    async def list_orders(self, wanted: OrderFilter) -> list[Order]:
        """Return a page of the orders that pass the filters."""
        return await self._read(lambda: self.orders.page(wanted))

    async def get_order(self, order_id: int) -> Order:
        """Return an order; raises NotFound."""
        return await self._read(lambda: self.orders.get(order_id))

    async def forge(self, order_id: int) -> None:
        """Publish that an order is new and paid, whether it is or not, and wherever the dials stand."""
        await self._writer.write(lambda: self._outbox.publish([Event("order.new", str(order_id), self.shop_id)]))

    async def add_products(self, edits: Sequence[ProductEdit]) -> list[int]:
        """Store new products, all or nothing; returns their ids. Raises InvalidInput."""
        return await self._write(lambda: self.products.add(edits))

    async def change_products(self, edits: Sequence[ProductEdit]) -> list[Result[list[str]]]:
        """Change products; returns for each the ids of its new variants, or why it was refused."""
        return await self._write(lambda: self.products.change(edits))

    async def delete_products(self, targets: Sequence[Target]) -> None:
        """Delete products for ever, all or none. Raises NotFound."""
        await self._write(lambda: self.products.delete(targets))

    async def list_products(self, wanted: ProductFilter) -> list[Product]:
        """Return a page of products, newest first."""
        return await self._read(lambda: self.products.page(wanted))

    async def get_product(self, product_id: int) -> Product:
        """Return a product; raises NotFound."""
        return await self._read(lambda: self.products.catalogue.get(product_id))

    async def product_with_sku(self, sku: str) -> Product:
        """Return the oldest product with this sku, on itself or on a variant; raises NotFound."""
        found = await self._read(lambda: self.products.catalogue.with_sku(sku))
        if not found:
            raise NotFound(f"There is no product with the sku {sku!r}.")
        return found[0]

    async def count_products(self) -> int:
        """Return how many products there are."""
        return await self._read(self.products.count)

    async def list_categories(self) -> list[Category]:
        """Return all categories, parents before their children."""
        return await self._read(self.products.categories.all)

    async def add_categories(self, drafts: Sequence[CategoryDraft]) -> list[Category]:
        """Store new categories, all or none. Raises InvalidInput naming the field."""
        return await self._write(lambda: each(self.products.categories.add(draft) for draft in drafts))

    async def read_metadata(self, kind: str, owner_id: int) -> dict[str, str]:
        """Return the texts beside an order or a product; raises NotFound."""
        return await self._read(lambda: self._beside(kind, owner_id, lambda metadata: metadata.of(owner_id)))

    async def write_metadata(self, kind: str, owner_id: int, texts: Sequence[Text], *, new: bool) -> None:
        """Add or change texts beside an order or a product, all or none. Raises NotFound and InvalidInput."""

        def write(metadata: Metadata) -> Operation[list[None]]:
            change = metadata.add if new else metadata.change
            return each(change(owner_id, text) for text in texts)

        await self._write(lambda: self._beside(kind, owner_id, write))

    def _beside(self, kind: str, owner_id: int, do: Callable[[Metadata], Operation[T]]) -> Operation[T]:
        """Customers are no things of their own in this shop, and so have no metadata."""
        if kind == "order":
            yield from self.orders.get(owner_id)
            return (yield from do(self.orders.metadata))
        if kind == "product":
            yield from self.products.catalogue.get(owner_id)
            return (yield from do(self.products.metadata))
        raise NotFound(f"There is no {kind} {owner_id}.")

    async def _write(self, make: Make[T]) -> T:
        """Change something, alone: what is read of the shop for it stays so until its commit."""

        def change() -> Operation[T]:
            yield from lock(f"pretend shop {self.shop_id}")
            return (yield from make())

        return await self._writer.write(change)

    async def _read(self, make: Make[T]) -> T:
        return await asyncio.to_thread(self._writer.database.read, make)
