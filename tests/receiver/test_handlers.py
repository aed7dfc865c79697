"""Handlers: what they may ask for, what is refused when the app is imported, and how a run ends."""

import asyncio
import functools
import math
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from ombud.client import Order, Product
from ombud.errors import ConfigurationError
from ombud.mailbox import model
from ombud.receiver import control
from ombud.receiver.execute import REASON_CHARACTERS, execute
from ombud.receiver.handlers import make_handler
from ombud.receiver.inbox import Inbox
from ombud.receiver.model import Call, Change, Context, Event, OrderId, ProductId
from ombud.receiver.options import HANDLER_SECONDS
from ombud.settings import Settings
from ombud.wire import EVENT_TYPES

if TYPE_CHECKING:
    from decimal import Decimal

ORDER = {"order_id": "90017", "status": "1", "total_amount": "249.50"}
PRODUCT = {"id": "101", "title": "Mug", "price": "249.50"}


def call_of(event_type: str, **changes: Any) -> Call:
    kind = EVENT_TYPES[event_type]
    document = ORDER if kind == "order" else PRODUCT
    values: dict[str, Any] = {
        "handler": "h",
        "event_type": event_type,
        "subject": f"{kind}/{document['order_id' if kind == 'order' else 'id']}",
        "shop": "north",
        "key": "k",
        "attempt": 2,
        "source": "webhook",
        "received_at": 1_793_607_245_000_000,
        "before": None,
        "after": document,
        "arrivals": ["evt_1"],
    }
    return Call(**values | changes)


def received(annotation: object, event_type: str, **changes: Any) -> Any:
    """What a handler with one parameter of this type is given."""
    given: list[Any] = []

    def handler(it: Any) -> None:
        given.append(it)

    handler.__annotations__["it"] = annotation
    make_handler(handler, [event_type], {"name": "h"}).invoke(call_of(event_type, **changes))
    return given[0]


def test_every_type_is_supplied() -> None:
    order, product = received(Order, "order.new"), received(Product, "product.update")
    assert isinstance(order, Order)
    assert isinstance(product, Product)
    assert (order.id, str(order.total_amount), product.title) == ("90017", "249.50", "Mug")
    assert (received(OrderId, "order.done"), received(ProductId, "product.add")) == (OrderId("90017"), ProductId("101"))
    assert received(Event, "order.new") == Event("order.new", "90017", "north")
    at = datetime(2026, 11, 2, 8, 14, 5, tzinfo=UTC)
    assert received(Context, "order.new") == Context("k", "h", "north", 2, at, "webhook", ("evt_1",))


def test_a_change_has_both_sides() -> None:
    change = received(Change, "product.update", before={**PRODUCT, "title": "Cup"})
    assert (change.before.title, change.after.title, change.source) == ("Cup", "Mug", "webhook")
    assert received(Change, "order.new").before is None
    gone = received(Change, "product.delete", before=PRODUCT, after=None)
    assert (gone.before.title, gone.after) == ("Mug", None)
    assert received(Product, "product.delete", before=PRODUCT, after=None).title == "Mug"


def inbox() -> Inbox:
    return Inbox(Settings(database_url="sqlite:////nowhere/at/all.db"))


def no_annotation(order) -> None: ...  # type: ignore[no-untyped-def]
def wrong_annotation(order: dict[str, Any]) -> None: ...
def optional(order: Order | None) -> None: ...
def a_setting(order: Order, retries: int = 3) -> None: ...
def unresolved(order: "Decimal") -> None: ...
def unreadable(order: "Order[") -> None: ...  # type: ignore[valid-type] # noqa: F722
def positional(order: Order, /) -> None: ...
def many(*order: Order) -> None: ...
def named(**order: Order) -> None: ...
def of_products(product: Product) -> None: ...


def generator(order: Order) -> Iterator[None]:
    yield


async def async_generator(order: Order) -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_annotation, "one of: Order, OrderId, Change, Event, Context."),
        (wrong_annotation, "one of: Order, OrderId, Change, Event, Context."),
        (optional, "one of: Order, OrderId, Change, Event, Context."),
        (a_setting, "parameter 'retries' cannot be supplied for order events"),
        (unresolved, "name 'Decimal' is not defined"),
        (unreadable, "cannot be resolved"),
        (positional, "parameter 'order' cannot be supplied"),
        (many, "parameter 'order' cannot be supplied"),
        (named, "parameter 'order' cannot be supplied"),
        (of_products, "one of: Order, OrderId, Change, Event, Context."),
        (generator, "is a generator"),
        (async_generator, "is a generator"),
        (functools.partial(of_products), "has no name"),
    ],
)
def test_what_cannot_be_supplied_is_refused_at_import(function: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        inbox().on("order.new")(function)
    assert said in str(refused.value)


def test_a_handler_of_both_kinds_may_ask_for_what_both_have() -> None:
    with pytest.raises(ConfigurationError, match=r"for order and product events. .* one of: Change, Event, Context\."):
        inbox().on("order.new", "product.add")(lambda order: None)  # noqa: ARG005
    inbox().on("order.new", "product.add", name="both")(lambda: None)


def test_events_are_named_and_known() -> None:
    with pytest.raises(ConfigurationError, match=r"'order.paid' is not one of: order.new, .*product.delete"):
        inbox().on("order.paid")(lambda: None)
    with pytest.raises(ConfigurationError, match=r"at least one event type: order\.new"):
        inbox().on()(lambda: None)
    with pytest.raises(ConfigurationError, match=r'@inbox.on\("order.new"\)'):
        inbox().on(of_products)  # type: ignore[arg-type]


def test_a_name_stands_for_one_handler() -> None:
    made = inbox()
    made.on("order.new", name="ship")(lambda: None)
    with pytest.raises(ConfigurationError, match="Two handlers are named 'ship'"):
        made.on("order.done", name="ship")(lambda: None)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_limit_is_above_nothing(seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="timeout_seconds"):
        inbox().on("order.new", timeout_seconds=seconds)(lambda: None)


def test_importing_an_app_touches_no_disk() -> None:
    made = inbox()
    made.on("order.new", name="ship")(lambda: None)
    assert not made.is_open


async def end_of(function: Any, timeout_seconds: float = HANDLER_SECONDS) -> model.Outcome:
    handler = make_handler(function, ["order.new"], {"name": "h", "timeout_seconds": timeout_seconds})
    return await execute(handler, call_of("order.new"))


class NoTextError(Exception):
    """One that ends the process of whoever asks what it says."""

    def __str__(self) -> str:
        raise SystemExit


@pytest.mark.parametrize(
    ("reason", "after"), [(60, None), (None, 5), ("later", "5"), ("later", -1), ("later", math.nan)]
)
def test_a_retry_that_says_nothing_usable_is_refused_where_it_is_raised(reason: Any, after: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"Retry\("):
        control.Retry(reason, after=after)


ENDS: list[tuple[BaseException, model.Outcome]] = [
    (control.Retry("not yet", after=7), model.Retry("not yet", after=7)),
    (control.Retry(), model.Retry("the handler asked for another try")),
    (control.Dead("no such customer"), model.Dead("no such customer")),
    (control.Dead(), model.Dead("the handler gave up")),
    (control.Skip("a test order"), model.Skip("a test order")),
    (control.Skip(), model.Skip("the handler had nothing to do")),
    (ValueError("bad"), model.Retry("ValueError: bad")),
    (SystemExit(3), model.Retry("SystemExit: 3")),
    (KeyboardInterrupt(), model.Retry("KeyboardInterrupt: ")),
    (TimeoutError("the bank"), model.Retry("TimeoutError: the bank")),
    (asyncio.CancelledError("theirs"), model.Retry("CancelledError: theirs")),
    (ExceptionGroup("two", [ValueError("a")]), model.Retry("ExceptionGroup: two (1 sub-exception)")),
    (NoTextError(), model.Retry("NoTextError: its text cannot be had: SystemExit")),
    (ValueError("x" * 2_000), model.Retry(f"ValueError: {'x' * (REASON_CHARACTERS - 12)}…")),
]


@pytest.mark.parametrize(("error", "outcome"), ENDS, ids=lambda value: type(value).__name__)
async def test_what_a_handler_raises_says_how_its_run_ended(error: BaseException, outcome: model.Outcome) -> None:
    def plain() -> None:
        raise error

    async def waiting() -> None:
        await asyncio.sleep(0)
        raise error

    assert await end_of(plain) == outcome
    assert await end_of(waiting) == outcome


async def test_a_handler_that_returns_is_done() -> None:
    async def waiting() -> None:
        await asyncio.sleep(0)

    class Callable:
        async def __call__(self, order: Order) -> None:
            assert order.id == "90017"

    assert await end_of(lambda: None) == model.Done()
    assert await end_of(waiting) == model.Done()
    assert await end_of(Callable()) == model.Done()


async def test_an_async_function_behind_a_plain_decorator_is_run() -> None:
    ran: list[str] = []

    async def ship(order: Order) -> None:
        await asyncio.sleep(0)
        ran.append(order.id)

    @functools.wraps(ship)
    def decorated(*arguments: Any, **named: Any) -> Any:
        return ship(*arguments, **named)

    assert await end_of(decorated) == model.Done()
    assert ran == ["90017"]

    @functools.wraps(ship)
    def forgetful(**_: Any) -> Any:
        return asyncio.Event().wait()

    assert await end_of(forgetful, 0.02) == model.Retry(
        "The handler took longer than 0.02 seconds.", fault=model.Fault.LANE
    )


async def test_a_handler_that_takes_too_long_is_cut_and_tried_again() -> None:
    cut: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cut.append("cut")

    assert await end_of(forever, 0.02) == model.Retry(
        "The handler took longer than 0.02 seconds.", fault=model.Fault.LANE
    )
    assert cut == ["cut"]


async def test_a_plain_function_that_takes_too_long_is_reported_and_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    released = threading.Event()

    def slow() -> None:
        released.wait()

    running = asyncio.ensure_future(end_of(slow, 0.02))
    _, waiting = await asyncio.wait([running], timeout=0.1)
    assert waiting
    assert "handler h still runs after 0.02 seconds" in caplog.text
    released.set()
    assert await running == model.Done()


async def test_a_run_that_is_cut_from_outside_says_nothing() -> None:
    began = asyncio.Event()

    async def forever() -> None:
        began.set()
        await asyncio.Event().wait()

    running = asyncio.ensure_future(end_of(forever))
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_a_function_that_outlives_its_loop_ends_in_silence() -> None:
    began, released = threading.Event(), threading.Event()

    def late() -> None:
        began.set()
        released.wait()

    async def leave() -> None:
        running = asyncio.ensure_future(end_of(late))
        await asyncio.to_thread(began.wait)
        running.cancel()

    asyncio.run(leave())
    [thread] = [thread for thread in threading.enumerate() if thread.name == "ombud-h"]
    released.set()
    thread.join(5)
    assert not thread.is_alive()
