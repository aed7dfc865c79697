"""The API in trouble does what it is told without standing in its own way."""

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor

from starlette.types import Message, Receive, Scope, Send

from tests.truth.api import Api

SCOPE = {"type": "http", "method": "GET", "query_string": b"product_id=1", "headers": ()}
# Seconds after which a shop that waits for the one who waits for it is given up.
STUCK_SECONDS = 5.0


async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def ask(api: Api) -> list[Message]:
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        raise AssertionError

    await api(SCOPE, receive, send)
    return said


async def test_a_change_during_a_read_leaves_the_shop_its_threads() -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    api = Api(lambda: 0, random.Random(1)).before(answer)

    def change() -> None:
        # As one does that asks the shop, whose reads take a thread of the loop.
        asyncio.run_coroutine_threadsafe(asyncio.to_thread(int), loop).result(STUCK_SECONDS)

    api.during["product/1"] = change
    assert len(await ask(api)) == 2
    assert api.failures == []


async def test_a_change_that_failed_is_known() -> None:
    api = Api(lambda: 0, random.Random(1)).before(answer)

    def fail() -> None:
        raise OSError("nobody knows")

    api.during["product/1"] = fail
    assert len(await ask(api)) == 2
    assert [str(error) for error in api.failures] == ["nobody knows"]
