"""What the API says to a write. Refusals raise `WriteRejected`, unknown shapes `UnexpectedAnswer`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ombud.client.answer import Answer
from ombud.client.errors import Rejection, UnexpectedAnswer, WriteRejected
from ombud.client.values import Fields, fields, values


def created_orders(answer: Answer, amount: int) -> tuple[str, ...]:
    """The new ids, in the order of the request: `{"results": {"create_1": {"success": true, "order_id": "…"}}}`."""
    results = _results(answer, amount)
    names = [f"create_{n}" for n in range(1, amount + 1)]
    if set(names) != set(results):
        raise UnexpectedAnswer("results under other names than create_1, create_2, …")
    written = {name: results[name].own_id("order_id") for name in names if _succeeded(results[name])}
    _raise_for_refused(answer, {name: results[name] for name in names if name not in written}, tuple(written.values()))
    return tuple(written[name] for name in names)


def updated_orders(answer: Answer, order_ids: Sequence[str]) -> None:
    """`{"results": {"90017": {"success": true, "errors": []}}}`."""
    results = _results(answer, len(order_ids))
    if set(results) != set(order_ids):
        raise UnexpectedAnswer("results under other names than the order ids")
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


def _results(answer: Answer, amount: int) -> Mapping[str, Fields]:
    results = fields(answer.json(), "reply").part("results")
    if results is None or len(results.raw) != amount:
        raise UnexpectedAnswer(f"not {amount} results")
    return {name: fields(value, "result") for name, value in results.raw.items()}


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
