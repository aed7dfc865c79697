"""What the API says to a write. Refusals raise `WriteRejected`, unknown shapes `UnexpectedAnswer`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ombud.client.answer import Answer
from ombud.client.errors import Rejection, UnexpectedAnswer, WriteRejected
from ombud.client.values import Fields, fields, values


def created_orders(answer: Answer, amount: int) -> tuple[str, ...]:
    """The new ids, in the order of the request: `{"results": {"create_1": {"success": true, "order_id": "…"}}}`.

    An older reply says `{"success": 1}` alone: the orders are there, but which they are it does not tell.
    """
    names = [f"create_{n}" for n in range(1, amount + 1)]
    results = _results(answer, names)
    if results is None:
        raise UnexpectedAnswer("that it took the orders, without their ids")
    written = {name: results[name].own_id("order_id") for name in names if _succeeded(results[name])}
    _raise_for_refused(answer, {name: results[name] for name in names if name not in written}, tuple(written.values()))
    return tuple(written[name] for name in names)


def updated_orders(answer: Answer, order_ids: Sequence[str]) -> None:
    """`{"results": {"90017": {"success": true, "errors": []}}}`; or, as it also was, one `success` for all."""
    results = _results(answer, order_ids)
    if results is None:
        return
    for order_id in order_ids:
        if results[order_id].id("order_id") not in (None, order_id):
            raise UnexpectedAnswer("results about other orders")
    written = tuple(order_id for order_id in order_ids if _succeeded(results[order_id]))
    _raise_for_refused(answer, {name: results[name] for name in order_ids if name not in written}, written)


def created_product(answer: Answer) -> str:
    """The new id. The vendor does not document this reply; three shapes are understood.

    `{"success": …, "product_id" or "id": …}`, `{"product": {"id": …}}` and the bare product.
    """
    reply = fields(answer.json(), "reply")
    _raise_for_failure(answer, reply, None)
    product = reply.part("product") or reply
    found = product.id("product_id") or product.id("id")
    if found is None:
        raise UnexpectedAnswer("a new product without an id")
    return found


def updated_products(answer: Answer, item: str | None) -> None:
    """`{"success": number, "errors": [...], "variants": [...]}`. `item` is the id, where only one was written."""
    reply = fields(answer.json(), "reply")
    if "success" not in reply.raw:
        raise UnexpectedAnswer("a reply without success")
    _raise_for_failure(answer, reply, item)


def deleted_product(answer: Answer, product_id: str) -> bool:
    """True when it was there. The reply's shape is not documented: any success counts that does not say otherwise."""
    if answer.missing:
        return False
    answer.raise_for_status()
    reply = answer.json() if answer.body.strip() else None
    if isinstance(reply, dict):
        _raise_for_failure(answer, Fields(reply, "reply"), product_id)
    return True


def created_category(answer: Answer) -> str:
    """The new id: `{"category_id": "…", "name": …}`, bare or as `{"results": …}`."""
    reply = fields(answer.json(), "reply")
    _raise_for_failure(answer, reply, None)
    return (reply.part("results") or reply).own_id("category_id")


def written(answer: Answer) -> None:
    """For a reply of which nothing is documented: any success counts that does not say otherwise."""
    answer.raise_for_status()
    reply = answer.json() if answer.body.strip() else None
    if isinstance(reply, dict):
        _raise_for_failure(answer, Fields(reply, "reply"), None)


def _results(answer: Answer, names: Sequence[str]) -> Mapping[str, Fields] | None:
    """What became of each, by name; a list is in the order of the request. None: all succeeded, and no more is said."""
    reply = fields(answer.json(), "reply")
    found = reply.raw.get("results")
    if isinstance(found, dict) and set(found) == set(names):
        return {name: fields(value, "result") for name, value in found.items()}
    if isinstance(found, list) and len(found) == len(names):
        return {name: fields(value, "result") for name, value in zip(names, found, strict=True)}
    if found is None and "success" in reply.raw:
        _raise_for_failure(answer, reply, None)
        return None
    raise UnexpectedAnswer(f"not the results of {len(names)} things, under their names")


def _succeeded(result: Fields) -> bool:
    """`success` is a bool for orders and a number for products; above 0 is a success."""
    value = result.raw.get("success")
    if isinstance(value, bool) or value in ("true", "false"):
        return value in (True, "true")
    count = result.quantity("success")
    if count is None:
        raise UnexpectedAnswer("a result without success")
    return count > 0


def _raise_for_refused(answer: Answer, refused: Mapping[str, Fields], written: tuple[str, ...]) -> None:
    if refused:
        raise WriteRejected([Rejection(name, _errors(answer, result)) for name, result in refused.items()], written)


def _raise_for_failure(answer: Answer, reply: Fields, item: str | None) -> None:
    """A reply for the write as a whole; errors beside a success mean that a part was refused."""
    errors = _errors(answer, reply)
    if errors or ("success" in reply.raw and not _succeeded(reply)):
        raise WriteRejected([Rejection(item, errors)])


def _errors(answer: Answer, result: Fields) -> tuple[str, ...]:
    given = result.raw.get("errors")
    found: Sequence[Any] = [given] if isinstance(given, str) and given else values(given, "errors")
    return tuple(answer.secret.hide(one if isinstance(one, str) else json.dumps(one)) for one in found)
