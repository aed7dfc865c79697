"""Forms of the panel's pages: small, and each field once."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from ombud.errors import InvalidInput
from ombud.mailbox.ids import parse_number
from ombud.web.limits import read_body

# Bytes: the longest URL and description, percent-encoded, fit in it.
FORM_BYTES = 64 * 1024
# Fields of one form; a list of check boxes among them.
MOST_FIELDS = 200


class Form:
    """What somebody filled in."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def get(self, name: str) -> str:
        """Return a field's value, the last one; empty when it is not there."""
        return next((value for field, value in reversed(self._pairs) if field == name), "")

    def all(self, name: str) -> list[str]:
        """Return every value of a field, as those of check boxes."""
        return [value for field, value in self._pairs if field == name]


async def read_form(request: Request) -> Form:
    """Read a form of a page; raises InvalidInput or TooLarge."""
    body = await read_body(request.receive, FORM_BYTES)
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise InvalidInput("form", "The form cannot be read. Open its page again.") from None
    return Form(pairs)


def whole_number(form: Form, field: str) -> int:
    """Return a field that is a number of the page's own; raises InvalidInput."""
    return number_of(form.get(field), field)


def shop_of(form: Form) -> int | None:
    """Return the shop that a form names, None when it names none; raises InvalidInput."""
    shop = form.get("shop").strip()
    return number_of(shop, "shop") if shop else None


def number_of(text: str, field: str) -> int:
    """Return a number that a page wrote into a form or an address; raises InvalidInput."""
    number = parse_number(text)
    if number is None:
        raise InvalidInput(field, "The form or the address cannot be read. Open its page again.")
    return number
