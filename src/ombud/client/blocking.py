"""The blocking client's machinery: it runs exchanges, and makes methods of the functions that give calls."""

import time
from collections.abc import Callable, Iterator
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


class Blocking(Face[httpx2.BaseTransport]):
    """What a blocking client is, apart from its methods."""

    def _connect(self, given: Options, transport: httpx2.BaseTransport | None) -> None:
        self._http = httpx2.Client(transport=transport, **given)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, also those of the clients that `at` gave."""
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """Carry out a call that a function of `ombud.client.reads` or `ombud.client.writes` gave."""
        return self._run(exchange(call, self.terms))

    def _steps(self, steps: Steps[T]) -> T:
        return self._run(converse(steps, self.terms))

    def walk(self, listing: Listing[Thing]) -> Iterator[Thing]:
        """Give what a list has, page by page, each thing once."""
        walk = Walk(listing)
        while (call := walk.call()) is not None:
            yield from walk.take(self.send(call))

    def _run(self, talk: Talk[T]) -> T:
        with closing(talk):
            try:
                step = next(talk)
                while True:
                    step = talk.send(self._do(step))
            except StopIteration as end:
                found: T = end.value
                return found

    def _do(self, step: Wait | Call[Any]) -> Answer | None:
        if isinstance(step, Wait):
            time.sleep(step.seconds)
            return None
        try:
            with self._http.stream(
                step.method, step.path, params=step.params, content=step.body, headers=step.headers
            ) as response:
                incoming = Incoming(response.status_code, response.headers)
                for piece in response.iter_bytes():
                    incoming.add(piece)
        except httpx2.HTTPError as problem:
            trouble = failure(problem, step, self._secret)
        else:
            return incoming.answer(self._secret)
        raise trouble


def blocking(make: Callable[P, Call[T]]) -> Callable[Concatenate[Blocking, P], T]:
    """A method that carries out the call that `make` gives."""

    def method(self: Blocking, /, *args: P.args, **named: P.kwargs) -> T:
        return self.send(make(*args, **named))

    return dress(method, make)


def blocking_steps(make: Callable[P, Steps[T]]) -> Callable[Concatenate[Blocking, P], T]:
    """A method that carries out one call after the other."""

    def method(self: Blocking, /, *args: P.args, **named: P.kwargs) -> T:
        return self._steps(make(*args, **named))

    return dress(method, make)


def blocking_list(make: Callable[P, Listing[Thing]]) -> Callable[Concatenate[Blocking, P], Iterator[Thing]]:
    """A method that iterates over a list; a wrong argument is told at once, not at the first thing."""

    def method(self: Blocking, /, *args: P.args, **named: P.kwargs) -> Iterator[Thing]:
        return self.walk(make(*args, **named))

    return dress(method, make)
