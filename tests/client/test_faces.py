"""The two clients are one: the same methods, parameters and words, each written once."""

import inspect
from typing import Any

import pytest

from ombud.client import AsyncShopClient, ShopClient, effects, reads, writes

MODULES = (reads, writes, effects)


def methods(kind: type) -> dict[str, Any]:
    return {name: value for name, value in vars(kind).items() if not name.startswith("_")}


def test_both_have_the_same_methods_with_the_same_parameters_and_words() -> None:
    blocking, awaiting = methods(ShopClient), methods(AsyncShopClient)

    assert blocking.keys() == awaiting.keys()
    for name, method in blocking.items():
        other = awaiting[name]
        assert inspect.signature(method) == inspect.signature(other)
        assert method.__doc__ == other.__doc__
        assert method.__doc__
        assert method.__name__ == other.__name__ == name


def test_every_function_that_gives_a_call_is_a_method_and_its_parameters_are_shown() -> None:
    functions = {
        name: function
        for module in MODULES
        for name, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
    }

    assert functions.keys() == methods(ShopClient).keys()
    for name, function in functions.items():
        shown = list(inspect.signature(getattr(ShopClient, name)).parameters.values())
        assert shown[0].name == "self"
        assert shown[1:] == list(inspect.signature(function).parameters.values())


def test_a_bound_method_shows_what_the_caller_gives() -> None:
    client = ShopClient("some key")

    assert list(inspect.signature(client.order).parameters) == ["order_id"]
    with pytest.raises(TypeError, match="order_id"):
        client.order()  # type: ignore[call-arg]  # what a caller without a type checker sees
    client.close()


def test_help_tells_of_every_method() -> None:
    import pydoc

    told = pydoc.plain(pydoc.render_doc(ShopClient))
    assert "One order with its details; None when the shop has none with this id." in told
    assert "set_stock(self, /, product_id" in told


async def test_calls_can_be_made_by_themselves_and_sent_by_either(shop: Any, vendor: Any) -> None:
    vendor.says({"count": "3"})
    result = shop.client.send(reads.product_count())

    assert (await result if inspect.isawaitable(result) else result) == 3
