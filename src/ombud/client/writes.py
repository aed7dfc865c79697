"""What may be told to the API. Each function gives a call; the clients' methods are these."""

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Unpack

from ombud.client import outgoing, replies
from ombud.client.answer import Answer
from ombud.client.call import Call
from ombud.client.fields import MetadataOwner, OrderChange, OrderDraft, ProductFields
from ombud.errors import InvalidInput

Given = Mapping[str, Any] | None


def create_orders(drafts: Iterable[Mapping[str, Any]]) -> Call[tuple[str, ...]]:
    """The ids of new orders, as given. Raises `WriteRejected`; its `written` are the ids of the others."""
    items = [_new_order(f"[{n}]", draft) for n, draft in enumerate(_several(drafts))]
    return Call("POST", "/orders", partial(replies.created_orders, amount=len(items)), body=_json(items))


def create_order(given: Given = None, /, **draft: Unpack[OrderDraft]) -> Call[str]:
    """The id of a new order, which is unpaid. `given` takes fields this client has no name for."""

    def parse(answer: Answer) -> str:
        return replies.created_orders(answer, 1)[0]

    return Call("POST", "/orders", parse, body=_json([_new_order("", {**(given or {}), **draft})]))


def update_orders(changes: Iterable[Mapping[str, Any]]) -> Call[None]:
    """Changes orders; each mapping names its `order_id`. Raises `WriteRejected` when any was refused."""
    items = [_changed_order(f"[{n}]", change) for n, change in enumerate(_several(changes))]
    order_ids = [item["order_id"] for item in items]
    for n, order_id in enumerate(order_ids):
        if order_id in order_ids[:n]:
            raise InvalidInput(
                f"[{n}].order_id", "This order is in the list twice; the reply could not tell them apart."
            )
    return Call("PUT", "/orders", partial(replies.updated_orders, order_ids=order_ids), body=_json(items))


def update_order(order_id: str | int, given: Given = None, /, **change: Unpack[OrderChange]) -> Call[None]:
    """Changes an order, for instance `status="paid", skip_webhook=True`. Raises `WriteRejected`."""
    item = _changed_order("", {**(given or {}), **change, "order_id": order_id})
    parse = partial(replies.updated_orders, order_ids=[item["order_id"]])
    return Call("PUT", "/orders", parse, body=_json([item]))


def create_product(given: Given = None, /, **new: Unpack[ProductFields]) -> Call[str]:
    """The id of a new product. Raises `WriteRejected`."""
    item = _written_product("", {**(given or {}), **new})
    return Call("POST", "/products", replies.created_product, body=_json(item))


def update_products(changes: Iterable[Mapping[str, Any]]) -> Call[None]:
    """Changes products; each mapping names its `product_id`, `variant_id` or `sku`. Raises `WriteRejected`."""
    items = [_changed_product(f"[{n}]", change) for n, change in enumerate(_several(changes))]
    return Call("PUT", "/products", partial(replies.updated_products, item=None), body=_json(items))


def update_product(product_id: str | int, given: Given = None, /, **change: Unpack[ProductFields]) -> Call[None]:
    """Changes a product; its stock is written as `stock`. Raises `WriteRejected`."""
    item = _changed_product("", {**(given or {}), **change, "product_id": product_id})
    return Call("PUT", "/products", partial(replies.updated_products, item=item["product_id"]), body=_json([item]))


def delete_product(product_id: str | int) -> Call[bool]:
    """Deletes a product for ever; False when there was none."""
    wanted = outgoing.identifier("product_id", product_id)
    return Call("DELETE", "/products", partial(replies.deleted_product, product_id=wanted), (("product_id", wanted),))


def create_category(name: str, parent_id: str | int | None = None) -> Call[str]:
    """The id of a new category, at the top or below another. Raises `WriteRejected`."""
    item: dict[str, Any] = {"name": outgoing.words("name", name)}
    if parent_id is not None:
        # The API takes this id as a number, unlike all others.
        parent = outgoing.identifier("parent_id", parent_id)
        item["parent_id"] = int(parent) if parent.isdigit() else parent
    return Call("POST", "/categories", replies.created_category, body=_json(item))


def create_metadata(owner: MetadataOwner, owner_id: str | int, name: str, value: str) -> Call[None]:
    """Writes a text under a new name beside an order, a product or a customer. Raises `WriteRejected`."""
    return _metadata("POST", owner, owner_id, name, value)


def update_metadata(owner: MetadataOwner, owner_id: str | int, name: str, value: str) -> Call[None]:
    """Writes another text under a known name; an empty one deletes it. Raises `WriteRejected`."""
    return _metadata("PUT", owner, owner_id, name, value)


def _metadata(method: str, owner: MetadataOwner, owner_id: str | int, name: str, value: str) -> Call[None]:
    item = {"key": outgoing.words("name", name), "value": outgoing.words("value", value)}
    if not name:
        raise InvalidInput("name", "A name has at least one letter.")
    return Call(method, outgoing.metadata_path(owner, owner_id), replies.written, body=_json(item))


def _several(items: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = list(items)
    if not found:
        raise InvalidInput("[]", "The list is empty; there is nothing to write.")
    return found


def _new_order(where: str, draft: Mapping[str, Any]) -> dict[str, Any]:
    if draft.get("order_id", "create") != "create":
        raise InvalidInput(_name(where, "order_id"), "A new order has no id yet; leave it out.")
    return {**_written_order(where, draft), "order_id": "create"}


def _changed_order(where: str, change: Mapping[str, Any]) -> dict[str, Any]:
    order_id = outgoing.identifier(_name(where, "order_id"), change.get("order_id"))
    status = {"status": outgoing.status_word(_name(where, "status"), change["status"])} if "status" in change else {}
    return {**_written_order(where, change), "order_id": order_id, **status}


def _written_order(where: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """For orders the API takes booleans as the texts "true" and "false"."""
    return outgoing.item(item, where, lambda value: "true" if value else "false")


def _changed_product(where: str, change: Mapping[str, Any]) -> dict[str, Any]:
    targets = [name for name in ("product_id", "variant_id", "sku") if change.get(name) is not None]
    if not targets:
        raise InvalidInput(
            _name(where, "product_id"), "Name the product: product_id, variant_id or a sku that is unique."
        )
    ids = {name: outgoing.identifier(_name(where, name), change[name]) for name in targets if name != "sku"}
    return {**_written_product(where, change), **ids}


def _written_product(where: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """For products the API takes flags as the numbers 1 and 0."""
    if "qty" in item and "variant_id" not in item:
        raise InvalidInput(_name(where, "qty"), "The API reads stock as qty but takes it as stock; write stock.")
    return outgoing.item(item, where, int)


def _name(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
