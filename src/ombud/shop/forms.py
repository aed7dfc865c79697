"""What people type into the pages' forms, as the drafts and edits that the API makes. Errors name the form's fields."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from ombud.errors import InvalidInput
from ombud.shop.order_input import OrderDraft, read_order_draft
from ombud.shop.product_input import ProductEdit, read_new_product, read_product_edit
from ombud.shop.reading import Fields
from ombud.web.words import mark

# Fields of one form; ours have at most seven.
MOST_FIELDS = 50

Form = Mapping[str, str]


def read_form(body: bytes) -> Form:
    """Return the fields of a form as browsers send it; raises InvalidInput for anything else."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError as error:
        raise InvalidInput("form", "This is not a form of this shop.") from error


def order_draft(form: Form) -> OrderDraft:
    """Return the order that a form describes; raises InvalidInput naming the form's field."""
    fields = Fields(form)
    product_id, _, variant_id = _required(fields, "product", mark("Choose a product.")).partition(":")
    qty = fields.whole("qty", 1)
    if qty is None:
        raise InvalidInput("qty", "Write how many.")
    name = _required(fields, "name", mark("Write a name."))
    email = _required(fields, "email", mark("Write an e-mail address."))
    if "@" not in email:
        raise InvalidInput("email", "An e-mail address has an @ in it.")
    return read_order_draft(
        Fields(
            {
                "products": [{"product_id": product_id, "variant_id": variant_id, "qty": qty}],
                "customer": {"email": email, "billing_details": {"firstname": name}},
            }
        )
    )


def new_product(form: Form) -> ProductEdit:
    """Return the product that a form describes; raises InvalidInput naming the form's field."""
    return read_new_product(Fields(_product(form)))


def product_edit(form: Form, product_id: int) -> ProductEdit:
    """Return the changes that a form describes; raises InvalidInput naming the form's field."""
    return read_product_edit(Fields(_product(form) | {"product_id": product_id}))


def form_field(error: InvalidInput) -> str:
    """Return the field of the form that an error is about."""
    return "product" if error.field.startswith("products[") else error.field


def _product(form: Form) -> dict[str, Any]:
    """Prices may be typed with a decimal comma. A box that is not ticked is not sent."""
    names = ("title", "sku", "stock", "description")
    given: dict[str, Any] = {name: form[name] for name in names if name in form}
    if not (form.get("price") or "").strip():
        raise InvalidInput("price", "Write a price.")
    return given | {"price": form["price"].replace(",", "."), "visible": "visible" in form}


def _required(fields: Fields, key: str, message: str) -> str:
    text = fields.text(key)
    if not text:
        raise InvalidInput(key, message)
    return text
