"""The awaiting client's machinery: as that of the blocking one, with an await wherever something takes its time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import closing
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx2

from ombud.client.answer import Answer, Incoming
from ombud.client.call import Call, Steps
from ombud.client.exchange import Talk, Wait, converse, exchange
from ombud.client.face import Face
from ombud.client.listing import Listing, Walk
from ombud.client.methods import dress
from ombud.client.models import Thing
from ombud.client.transport import Options, failure

P = ParamSpec("P")
T = TypeVar("T")


class Awaiting(Face[httpx2.AsyncBaseTransport]):
    """What an awaiting client is, apart from its methods."""

    def _connect(self, given: Options, transport: httpx2.AsyncBaseTransport | None) -> None:
        self._http = httpx2.AsyncClient(transport=transport, **given)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections, also those of the clients that `at` gave."""
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """Carry out a call that a function of `ombud.client.reads` or `ombud.client.writes` gave."""
        return await self._run(exchange(call, self.terms))

    async def _steps(self, steps: Steps[T]) -> T:
        return await self._run(converse(steps, self.terms))

    async def walk(self, listing: Listing[Thing]) -> AsyncIterator[Thing]:
        """Give what a list has, page by page, each thing once."""
        walk = Walk(listing)
        while (call := walk.call()) is not None:
            for thing in walk.take(await self.send(call)):
                yield thing

    async def _run(self, talk: Talk[T]) -> T:
        with closing(talk):
            try:
                step = next(talk)
                while True:
                    step = talk.send(await self._do(step))
            except StopIteration as end:
                found: T = end.value
                return found

    async def _do(self, step: Wait | Call[Any]) -> Answer | None:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return None
        try:
            async with self._http.stream(
                step.method, step.path, params=step.params, content=step.body, headers=step.headers
            ) as response:
                incoming = Incoming(response.status_code, response.headers)
                async for piece in response.aiter_bytes():
                    incoming.add(piece)
        except httpx2.HTTPError as problem:
            trouble = failure(problem, step, self._secret)
        else:
            return incoming.answer(self._secret)
        raise trouble


def awaiting(make: Callable[P, Call[T]]) -> Callable[Concatenate[Awaiting, P], Coroutine[Any, Any, T]]:
    """A method that carries out the call that `make` gives."""

    async def method(self: Awaiting, /, *args: P.args, **named: P.kwargs) -> T:
        return await self.send(make(*args, **named))

    return dress(method, make)


def awaiting_steps(make: Callable[P, Steps[T]]) -> Callable[Concatenate[Awaiting, P], Coroutine[Any, Any, T]]:
    """A method that carries out one call after the other."""

    async def method(self: Awaiting, /, *args: P.args, **named: P.kwargs) -> T:
        return await self._steps(make(*args, **named))

    return dress(method, make)


def awaiting_list(make: Callable[P, Listing[Thing]]) -> Callable[Concatenate[Awaiting, P], AsyncIterator[Thing]]:
    """A method that iterates over a list; a wrong argument is told at once, not at the first thing."""

    def method(self: Awaiting, /, *args: P.args, **named: P.kwargs) -> AsyncIterator[Thing]:
        return self.walk(make(*args, **named))

    return dress(method, make)
