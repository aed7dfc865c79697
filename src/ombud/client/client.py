"""The two clients. They send the calls of `ombud.client.calls` and do nothing else, once blocking and once awaiting."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Self, TypeVar, Unpack

import httpx2

from ombud.client import calls
from ombud.client.answer import Incoming
from ombud.client.calls import Call, Page
from ombud.client.errors import UnexpectedAnswer
from ombud.client.fields import OrderChange, OrderDraft, OrderFilters, ProductFields, ProductFilters
from ombud.client.models import Order, Product
from ombud.client.secret import Secret
from ombud.errors import ConfigurationError, NetworkError, OmbudError

API_URL = "https://api.quickbutik.com/v1"
TIMEOUT_SECONDS = 10.0

T = TypeVar("T")
Given = Mapping[str, Any] | None


class ShopClient:
    """The shop's REST API v1, blocking. May be shared between threads.

    `timeout_seconds` bounds each wait: for the connection, and for each next piece of the answer. Every method may
    raise `NetworkError`, `ApiError` (`Unauthorized` for 401, `RateLimited` for 429: nothing here waits or repeats) and
    `UnexpectedAnswer`; a wrong argument raises `InvalidInput` before anything is sent. After a `NetworkError` or an
    `UnexpectedAnswer` from a write it is not known whether the shop took it.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str = API_URL,
        timeout_seconds: float = TIMEOUT_SECONDS,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._secret = Secret(api_key)
        self._http = httpx2.Client(
            base_url=_checked(base_url),
            timeout=timeout_seconds,
            transport=transport,
            headers=_headers(self._secret),
            cookies=_no_cookies(),
            trust_env=False,
            follow_redirects=False,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._http.base_url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def order(self, order_id: str | int) -> Order | None:
        """One order with its details; None when the shop has none with this id."""
        return self._send(calls.order(order_id))

    def orders(self, **filters: Unpack[OrderFilters]) -> Iterator[Order]:
        """Orders, newest first unless `order_by` and `sort_order` say otherwise, read page by page as you iterate.

        What changes in the shop meanwhile may move an order to another page: what moves to the next one is not given
        twice, what moves to one already read is missed. `include_details=False` gives little more than id, date,
        amount and status.
        """
        return self._all(calls.orders(filters))

    def product(self, product_id: str | int) -> Product | None:
        """One product with its details; None when the shop has none with this id."""
        return self._send(calls.product(product_id))

    def products(self, **filters: Unpack[ProductFilters]) -> Iterator[Product]:
        """Products, read page by page as you iterate."""
        return self._all(calls.products(filters))

    def product_count(self) -> int:
        """How many products the shop has."""
        return self._send(calls.product_count())

    def create_order(self, given: Given = None, /, **draft: Unpack[OrderDraft]) -> str:
        """The id of a new order, which is unpaid. `given` takes fields this client has no name for."""
        return self._send(calls.create_order({**(given or {}), **draft}))

    def create_orders(self, drafts: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
        """The ids of new orders, as given. Raises `WriteRejected`; its `written` are the ids of the others."""
        return self._send(calls.create_orders(drafts))

    def update_order(self, order_id: str | int, given: Given = None, /, **change: Unpack[OrderChange]) -> None:
        """Changes an order, for instance `status="paid", skip_webhook=True`. Raises `WriteRejected`."""
        self._send(calls.update_order(order_id, {**(given or {}), **change}))

    def update_orders(self, changes: Iterable[Mapping[str, Any]]) -> None:
        """Changes orders; each mapping names its `order_id`. Raises `WriteRejected` when any was refused."""
        self._send(calls.update_orders(changes))

    def create_product(self, given: Given = None, /, **new: Unpack[ProductFields]) -> str:
        """The id of a new product. Raises `WriteRejected`."""
        return self._send(calls.create_product({**(given or {}), **new}))

    def update_product(self, product_id: str | int, given: Given = None, /, **change: Unpack[ProductFields]) -> None:
        """Changes a product; its stock is written as `stock`. Raises `WriteRejected`."""
        self._send(calls.update_product(product_id, {**(given or {}), **change}))

    def update_products(self, changes: Iterable[Mapping[str, Any]]) -> None:
        """Changes products; each mapping names its `product_id`, `variant_id` or `sku`. Raises `WriteRejected`."""
        self._send(calls.update_products(changes))

    def delete_product(self, product_id: str | int) -> bool:
        """Deletes a product for ever; False when there was none."""
        return self._send(calls.delete_product(product_id))

    def _all(self, call: Call[Page[T]] | None) -> Iterator[T]:
        while call is not None:
            page = self._send(call)
            yield from page.things
            call = page.next

    def _send(self, call: Call[T]) -> T:
        try:
            with self._http.stream(
                call.method, call.path, params=call.params, content=call.body, headers=call.headers
            ) as response:
                incoming = Incoming(response.status_code, response.headers)
                for piece in response.iter_bytes():
                    incoming.add(piece)
        except httpx2.HTTPError as problem:
            failure = _failure(problem, call, self._secret)
        else:
            return call.parse(incoming.answer(self._secret))
        raise failure


class AsyncShopClient:
    """The shop's REST API v1 for asyncio: the same methods, arguments, results and errors as `ShopClient`."""

    def __init__(
        self,
        api_key: str,
        base_url: str = API_URL,
        timeout_seconds: float = TIMEOUT_SECONDS,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._secret = Secret(api_key)
        self._http = httpx2.AsyncClient(
            base_url=_checked(base_url),
            timeout=timeout_seconds,
            transport=transport,
            headers=_headers(self._secret),
            cookies=_no_cookies(),
            trust_env=False,
            follow_redirects=False,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._http.base_url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def order(self, order_id: str | int) -> Order | None:
        return await self._send(calls.order(order_id))

    def orders(self, **filters: Unpack[OrderFilters]) -> AsyncIterator[Order]:
        return self._all(calls.orders(filters))

    async def product(self, product_id: str | int) -> Product | None:
        return await self._send(calls.product(product_id))

    def products(self, **filters: Unpack[ProductFilters]) -> AsyncIterator[Product]:
        return self._all(calls.products(filters))

    async def product_count(self) -> int:
        return await self._send(calls.product_count())

    async def create_order(self, given: Given = None, /, **draft: Unpack[OrderDraft]) -> str:
        return await self._send(calls.create_order({**(given or {}), **draft}))

    async def create_orders(self, drafts: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
        return await self._send(calls.create_orders(drafts))

    async def update_order(self, order_id: str | int, given: Given = None, /, **change: Unpack[OrderChange]) -> None:
        await self._send(calls.update_order(order_id, {**(given or {}), **change}))

    async def update_orders(self, changes: Iterable[Mapping[str, Any]]) -> None:
        await self._send(calls.update_orders(changes))

    async def create_product(self, given: Given = None, /, **new: Unpack[ProductFields]) -> str:
        return await self._send(calls.create_product({**(given or {}), **new}))

    async def update_product(
        self, product_id: str | int, given: Given = None, /, **change: Unpack[ProductFields]
    ) -> None:
        await self._send(calls.update_product(product_id, {**(given or {}), **change}))

    async def update_products(self, changes: Iterable[Mapping[str, Any]]) -> None:
        await self._send(calls.update_products(changes))

    async def delete_product(self, product_id: str | int) -> bool:
        return await self._send(calls.delete_product(product_id))

    async def _all(self, call: Call[Page[T]] | None) -> AsyncIterator[T]:
        while call is not None:
            page = await self._send(call)
            for thing in page.things:
                yield thing
            call = page.next

    async def _send(self, call: Call[T]) -> T:
        try:
            async with self._http.stream(
                call.method, call.path, params=call.params, content=call.body, headers=call.headers
            ) as response:
                incoming = Incoming(response.status_code, response.headers)
                async for piece in response.aiter_bytes():
                    incoming.add(piece)
        except httpx2.HTTPError as problem:
            failure = _failure(problem, call, self._secret)
        else:
            return call.parse(incoming.answer(self._secret))
        raise failure


def _headers(secret: Secret) -> dict[str, str]:
    return {"Authorization": secret.authorization(), "Accept": "application/json", "User-Agent": "Ombud"}


def _no_cookies() -> CookieJar:
    """Each request stands alone: a session kept on the other side would make requests wait for each other."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _checked(base_url: str) -> str:
    """The URL is not repeated in the error: a mistaken one may hold the key."""
    try:
        url = httpx2.URL(base_url)
        good = url.scheme in ("http", "https") and url.host and not (url.userinfo or url.query or url.fragment)
    except httpx2.InvalidURL:
        good = False
    if not good:
        raise ConfigurationError(
            "The API's URL must be like https://api.quickbutik.com/v1: no user, query or fragment."
        )
    return base_url


def _failure(problem: httpx2.HTTPError, call: Call[T], secret: Secret) -> OmbudError:
    """Raised after its cause is gone: the HTTP library's errors hold the request, and with it the key."""
    if isinstance(problem, httpx2.DecodingError):
        return UnexpectedAnswer("a body that does not unpack")
    if isinstance(problem, httpx2.TimeoutException):
        return NetworkError(f"The shop's API did not answer {call.method} {call.path} in time.")
    return NetworkError(
        f"The shop's API could not be reached for {call.method} {call.path}: {secret.hide(str(problem))}"
    )
