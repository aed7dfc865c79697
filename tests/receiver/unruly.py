"""An app whose handlers do everything that handlers should not do, and one that does its work."""

import asyncio
import os
import signal
import sys
import time

from ombud.client import Order
from ombud.receiver.inbox import Inbox
from ombud.receiver.model import Context, Failure
from tests.receiver.reports import report

inbox = Inbox.from_env()

# Seconds: short, for nobody here returns.
LIMIT = 0.5
# What is never given back.
held: list[bytearray] = []


@inbox.on("order.new")
def works(order: Order, context: Context) -> None:
    report("works", order=order.id, key=context.key, attempt=context.attempt)


@inbox.on("order.new", timeout_seconds=LIMIT)
async def raises(order: Order) -> None:
    report("raises", order=order.id)
    raise ValueError(order.id)


@inbox.on("order.new", timeout_seconds=LIMIT)
async def spins(order: Order) -> None:
    report("spins", order=order.id)
    while True:
        pass


@inbox.on("order.new", timeout_seconds=LIMIT)
def burns(order: Order) -> None:
    report("burns", order=order.id)
    while True:
        pass


@inbox.on("order.new", timeout_seconds=LIMIT)
def sleeps(order: Order) -> None:
    report("sleeps", order=order.id)
    time.sleep(3_600)


@inbox.on("order.new", timeout_seconds=LIMIT)
async def waits(order: Order) -> None:
    report("waits", order=order.id)
    await asyncio.Event().wait()


@inbox.on("order.new", timeout_seconds=LIMIT)
async def exits(order: Order) -> None:
    report("exits", order=order.id)
    os._exit(3)


@inbox.on("order.new", timeout_seconds=LIMIT)
async def dies(order: Order) -> None:
    report("dies", order=order.id)
    os.kill(os.getpid(), signal.SIGKILL)


@inbox.on("order.done", timeout_seconds=3_600)
async def spins_for_long(order: Order) -> None:
    """With a process of its own, which must not outlive it either."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(3600)")
    report("spins_for_long", order=order.id, child=child.pid)
    while True:
        pass


@inbox.on("order.done", timeout_seconds=3_600)
async def prints(order: Order) -> None:
    print("a handler may print", order.id)
    report("prints", order=order.id)


@inbox.on("order.cancelled", memory_megabytes=300)
async def devours(order: Order) -> None:
    report("devours", order=order.id)
    held.append(bytearray(1_000_000_000))


@inbox.on("order.cancelled", memory_megabytes=300)
async def leaks(order: Order) -> None:
    report("leaks", order=order.id)
    held.append(bytearray(60_000_000))


@inbox.on("order.cancelled")
async def dies_while_told(order: Order) -> None:
    report("dies_while_told", order=order.id)


@inbox.on_start
async def begins() -> None:
    report("begins")


@inbox.on_dead
async def mourns(failure: Failure, context: Context) -> None:
    report("mourns", whose=context.handler, reason=failure.reason)
    if context.handler == "dies_while_told":
        os._exit(4)


@inbox.on("order.new")
async def bellows() -> None:
    raise BaseExceptionGroup("loud", [KeyboardInterrupt()])


@inbox.on("order.new", memory_megabytes=300)
def devours_new() -> None:
    held.append(bytearray(1_000_000_000))
