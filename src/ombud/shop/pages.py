"""The pages of the shop: plain forms, no script. A change answers 303, so that reloading repeats nothing."""

from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ombud.errors import InvalidInput, NotFound, OmbudError, StorageUnavailable
from ombud.shop.bodies import BodyTooLarge, read_body
from ombud.shop.catalogue import Target
from ombud.shop.dates import date_text
from ombud.shop.error_words import say_shop_error
from ombud.shop.forms import Form, form_field, new_product, order_draft, product_edit, read_form
from ombud.shop.lines import variant_words
from ombud.shop.order_input import OrderChange
from ombud.shop.orders import OrderFilter
from ombud.shop.products import ProductFilter
from ombud.shop.reading import read_id
from ombud.shop.shop import Shop
from ombud.shop.status import Status, find_status
from ombud.shop.trouble_pages import AddEndpoint, TroublePages
from ombud.web.house import language_chosen
from ombud.web.local import LocalPages
from ombud.web.words import LANGUAGES, environment_of, mark, words_for, words_in

# Rows of each table on the overview; the API lists the rest.
ROWS = 50
# Products that the order form offers.
CHOICES = 200

# What may be done with an order, by its status, in the order of the buttons.
ACTIONS = {
    Status.UNPAID: (Status.PAID, Status.DONE, Status.CANCELLED),
    Status.PAID: (Status.DONE, Status.CANCELLED, Status.UNPAID),
    Status.DONE: (Status.CANCELLED, Status.UNPAID),
    Status.CANCELLED: (Status.PAID, Status.UNPAID),
}
LABELS = {
    Status.PAID: mark("Pay"),
    Status.DONE: mark("Ship"),
    Status.CANCELLED: mark("Cancel"),
    Status.UNPAID: mark("Mark unpaid"),
}
# Words of the data, which templates translate where they show them.
SHOWN = (mark("unpaid"), mark("cancelled"), mark("paid"), mark("done"))

# What the button "Place and pay an order" orders, and for whom.
QUICK_BUYER = {"qty": "1", "name": "Anna Test", "email": "anna@example.test"}

_HTTP = {404: mark("There is no such page."), 405: mark("This page is not used that way.")}
_NO = mark("This cannot be done.")
_STATUS: Mapping[type[Exception], int] = {InvalidInput: 422, NotFound: 404, BodyTooLarge: 413, StorageUnavailable: 503}


def create_pages(shop: Shop, add_endpoint: AddEndpoint | None = None) -> LocalPages:
    """Return the pages as an ASGI app for the root, open to browsers on this machine alone."""
    pages = _Pages(shop)
    trouble = TroublePages(shop, pages.page, add_endpoint)
    app = Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/orders/new", pages.order_form),
            Route("/orders/quick", pages.place_and_pay, methods=["POST"]),
            Route("/orders", pages.place_order, methods=["POST"]),
            Route("/orders/{order_id}", pages.order),
            Route("/orders/{order_id}/status", pages.change_status, methods=["POST"]),
            Route("/products/new", pages.product_form),
            Route("/products", pages.add_product, methods=["POST"]),
            Route("/products/{product_id}", pages.product),
            Route("/products/{product_id}", pages.edit_product, methods=["POST"]),
            Route("/products/{product_id}/delete", pages.delete_product, methods=["POST"]),
            Route("/language", pages.choose_language, methods=["POST"]),
            *trouble.routes(),
            Mount("/static", StaticFiles(packages=[("ombud.shop", "static")])),
        ],
        exception_handlers=dict.fromkeys((OmbudError, HTTPException, ClientDisconnect), pages.say),
    )
    return LocalPages(app, "this shop")


async def place_and_pay(shop: Shop, product: str | None = None) -> int:
    """Place an order for one piece and pay it, as the button does; returns its id.

    Unless a `product` is named, it is the oldest without variants on the overview. Raises InvalidInput, NotFound.
    """
    if product is None:
        sold = [found for found in await shop.list_products(ProductFilter(limit=ROWS)) if not found.variants]
        if not sold:
            raise NotFound("The shop has no product to order. Add one in the shop, then try again.")
        product = str(sold[-1].id)
    return await shop.place_and_pay(order_draft({"product": product, **QUICK_BUYER}))


class _Pages:
    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._environments = {language: environment_of("ombud.shop", words_in(language)) for language in LANGUAGES}
        for environment in self._environments.values():
            environment.filters |= {"date": date_text, "variant_words": variant_words}
            environment.globals |= {"ACTIONS": ACTIONS, "LABELS": LABELS, "trouble": shop.trouble}

    async def overview(self, request: Request) -> Response:
        orders = await self._shop.list_orders(OrderFilter(limit=ROWS))
        products = await self._shop.list_products(ProductFilter(limit=ROWS))
        placed = read_id(request.query_params.get("placed", ""))
        base = str(request.base_url).rstrip("/")
        return self.page(request, "overview.html", orders=orders, products=products, placed=placed, base=base)

    async def place_and_pay(self, request: Request) -> Response:
        form = await _form(request)
        order_id = await place_and_pay(self._shop, form.get("product", ""))
        return _to(f"/?placed={order_id}")

    async def order_form(self, request: Request) -> Response:
        form = {"product": request.query_params.get("product", ""), "qty": "1", "name": "", "email": ""}
        return await self._order_form(request, form)

    async def place_order(self, request: Request) -> Response:
        form = await _form(request)
        try:
            result = (await self._shop.create_orders([order_draft(form)]))[0]
        except InvalidInput as error:
            return await self._order_form(request, form, error)
        if isinstance(result.error, InvalidInput):
            return await self._order_form(request, form, result.error)
        return _to(f"/orders/{result.value}")

    async def order(self, request: Request) -> Response:
        return self.page(request, "order.html", order=await self._shop.get_order(_id(request, "order_id")))

    async def change_status(self, request: Request) -> Response:
        form = await _form(request)
        order_id = _id(request, "order_id")
        if find_status(form.get("status", "")) is None:
            raise InvalidInput("status", "Choose one of the buttons of an order.")
        result = (await self._shop.change_orders([OrderChange(order_id, form["status"])]))[0]
        if result.error is not None:
            raise result.error
        return _to("/" if form.get("back") == "overview" else f"/orders/{order_id}")

    async def product_form(self, request: Request) -> Response:
        form = {"title": "", "sku": "", "price": "", "stock": "", "description": "", "visible": "1"}
        return self.page(request, "product_new.html", form=form, errors={})

    async def add_product(self, request: Request) -> Response:
        form = await _form(request)
        try:
            product_id = (await self._shop.add_products([new_product(form)]))[0]
        except InvalidInput as error:
            errors = {form_field(error): self._wrong(request, error)}
            return self.page(request, "product_new.html", 422, form=form, errors=errors)
        return _to(f"/products/{product_id}")

    async def product(self, request: Request) -> Response:
        product = await self._shop.get_product(_id(request, "product_id"))
        document = product.document
        form = {key: document[key] for key in ("title", "sku", "price", "description")}
        form |= {"stock": document["qty"] or "", **({"visible": "1"} if document["visible"] == "1" else {})}
        return self.page(request, "product.html", product=product, form=form, errors={})

    async def edit_product(self, request: Request) -> Response:
        form = await _form(request)
        product = await self._shop.get_product(_id(request, "product_id"))
        try:
            result = (await self._shop.change_products([product_edit(form, product.id)]))[0]
        except InvalidInput as error:
            errors = {form_field(error): self._wrong(request, error)}
            return self.page(request, "product.html", 422, product=product, form=form, errors=errors)
        if result.error is not None:
            raise result.error
        return _to(f"/products/{product.id}")

    async def delete_product(self, request: Request) -> Response:
        await self._shop.delete_products([Target("", _id(request, "product_id"))])
        return _to("/")

    async def say(self, request: Request, error: Exception) -> Response:
        """Answer an error with a page that says it in a sentence."""
        if isinstance(error, HTTPException):
            sentence = _HTTP.get(error.status_code, _NO)
            return self.page(request, "message.html", error.status_code, sentence=words_for(request).say(sentence))
        status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 400)
        return self.page(request, "message.html", status, sentence=self._wrong(request, error))

    async def _order_form(self, request: Request, form: Form, error: InvalidInput | None = None) -> Response:
        products = await self._shop.list_products(ProductFilter(limit=CHOICES))
        errors = {} if error is None else {form_field(error): self._wrong(request, error)}
        return self.page(request, "order_new.html", 422 if errors else 200, products=products, form=form, errors=errors)

    async def choose_language(self, request: Request) -> Response:
        form = await _form(request)
        return language_chosen(form.get("language", ""), form.get("next", ""), secure=False)

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """Return a template as a page, in the reader's language."""
        words = words_for(request)
        text = self._environments[words.language].get_template(template)
        shown = text.render(values, words=words, path=request.url.path)
        return HTMLResponse(shown, status, {"Vary": "Cookie, Accept-Language"})

    def _wrong(self, request: Request, error: Exception) -> str:
        return say_shop_error(str(error), words_for(request))


async def _form(request: Request) -> Form:
    return read_form(await read_body(request))


def _id(request: Request, name: str) -> int:
    found = read_id(request.path_params[name])
    if found is None:
        raise NotFound("There is no such page.")
    return found


def _to(path: str) -> Response:
    return RedirectResponse(path, 303)
