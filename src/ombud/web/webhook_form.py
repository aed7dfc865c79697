"""Adding an endpoint, and editing one: the form of Settings → Webhooks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ombud.admin.access import Role
from ombud.admin.edits import EndpointEdits, etag_of
from ombud.errors import Conflict, InvalidInput, Outdated, Refused
from ombud.mailbox.ids import format_id, parse_id
from ombud.sender.endpoint import Endpoint, EndpointEdit
from ombud.sender.headers import Headers
from ombud.sender.outbox import DEFAULT_SHOP_ID
from ombud.sender.sender import Sender
from ombud.settings import RETRY_PRESETS
from ombud.signing import new_secret
from ombud.web.forms import Form, number_of, read_form, shop_of
from ombud.web.house import House, action_route, page_route
from ombud.web.looking import look
from ombud.web.webhook_pages import PATH
from ombud.web.words import mark
from ombud.wire import EVENT_TYPES

# The six events in the two groups that a merchant thinks in, with what each means.
GROUPS: Mapping[str, Mapping[str, str]] = {
    mark("Orders"): {
        "order.new": mark("an order was paid"),
        "order.done": mark("an order was completed"),
        "order.cancelled": mark("an order was cancelled"),
    },
    mark("Products"): {
        "product.add": mark("a product was added"),
        "product.update": mark("a product was changed"),
        "product.delete": mark("a product was deleted"),
    },
}


class WebhookForm:
    """The pages with the form."""

    def __init__(self, house: House, sender: Sender) -> None:
        self._house = house
        self._sender = sender
        self._edits = EndpointEdits(sender.endpoints, sender.database.clock)

    def routes(self) -> list[Route]:
        """Return their routes; they come before those of one endpoint."""
        one = PATH + "/{endpoint_id}/edit"
        return [
            page_route(f"{PATH}/new", self.new, Role.EDITOR),
            action_route(f"{PATH}/new", self.add),
            page_route(one, self.edit, Role.EDITOR),
            action_route(one, self.save),
        ]

    async def new(self, request: Request) -> Response:
        return self._form(request, EndpointEdit(""))

    async def add(self, request: Request) -> Response:
        form, caller, secret = await read_form(request), self._house.caller(request), new_secret()
        try:
            edit = _edit_of(form)
            shop_id = caller.shop_for(shop_of(form), DEFAULT_SHOP_ID)
            await self._sender.check_destination(edit.url)
            make = lambda: self._edits.add(caller, edit, shop_id, secret)  # noqa: E731
            endpoint = await self._sender.writer.write(make)
        except (InvalidInput, Conflict, Refused) as error:
            return self._refused(request, form, error)
        # Shown in the answer to the form and nowhere else.
        shown: dict[str, Any] = {"secret": secret, "path": f"{PATH}/{format_id('ep', endpoint.id)}"}
        return self._house.page(request, "webhook_added.html", **shown)

    async def edit(self, request: Request) -> Response:
        endpoint = await self._endpoint(request)
        return self._form(request, endpoint.edit, etag=etag_of(endpoint))

    async def save(self, request: Request) -> Response:
        form, caller, old = await read_form(request), self._house.caller(request), await self._endpoint(request)
        try:
            edit = _edit_of(form, [one for one in old.edit.event_types if one not in EVENT_TYPES])
            changes = {name: getattr(edit, name) for name in _FIELDS if getattr(edit, name) != getattr(old.edit, name)}
            if "url" in changes:
                await self._sender.check_destination(edit.url)
            make = lambda: self._edits.change(caller, old.id, form.get("etag"), **changes)  # noqa: E731
            if changes:
                await self._sender.writer.write(make)
        except (InvalidInput, Refused, Outdated) as error:
            return self._refused(request, form, error, etag=form.get("etag"))
        return RedirectResponse(f"{PATH}/{format_id('ep', old.id)}", 303)

    async def _endpoint(self, request: Request) -> Endpoint:
        number = parse_id("ep", request.path_params["endpoint_id"], "endpoint_id")
        caller = self._house.caller(request)
        return await look(self._sender.database, lambda: self._edits.get(caller, number))

    def _refused(self, request: Request, form: Form, error: Exception, **values: Any) -> Response:
        """Answer with the form as it was filled in: what is not there again is gone when it is sent once more."""
        values |= {name: form.get(name) for name in ("headers", "rate", "shop")}
        return self._form(request, _typed(form), 422, wrong=self._house.wrong(request, error), **values)

    def _form(self, request: Request, edit: EndpointEdit, status: int = 200, **values: Any) -> Response:
        headers = "\n".join(f"{name}: {value}" for name, value in edit.headers)
        shown: dict[str, Any] = {"edit": edit, "headers": headers, "rate": edit.rate_per_minute or "", "shop": ""}
        shown |= {"groups": GROUPS, "presets": list(RETRY_PRESETS)}
        back = f"{PATH}/{request.path_params['endpoint_id']}" if "endpoint_id" in request.path_params else PATH
        shown |= {"wrong": None, "etag": None, "back": back}
        return self._house.page(request, "webhook_form.html", status, **(shown | values))


# What the form has of an endpoint; the rest is for the API.
_FIELDS = (
    *("url", "event_types", "description", "enabled", "headers"),
    *("strict", "only_200", "latest_only", "rate_per_minute", "retry"),
)


def _edit_of(form: Form, others: Sequence[str] = ()) -> EndpointEdit:
    """Return what was filled in; raises InvalidInput. `others`: event types that the form does not have, and leaves."""
    rate = form.get("rate").strip()
    limit = number_of(rate, "rate_per_minute") if rate else None
    typed = _typed(form)
    return replace(
        typed,
        event_types=(*typed.event_types, *others),
        headers=_headers(form.get("headers")),
        rate_per_minute=limit,
    ).accepted()


def _typed(form: Form) -> EndpointEdit:
    """Return what was filled in, but for what may not be readable: headers and rate."""
    return EndpointEdit(
        url=form.get("url").strip(),
        event_types=tuple(one for one in EVENT_TYPES if one in form.all("event_type")),
        description=form.get("description").strip(),
        enabled=form.get("enabled") == "on",
        strict=form.get("strict") == "on",
        only_200=form.get("only_200") == "on",
        latest_only=form.get("latest_only") == "on",
        retry=form.get("retry"),
    )


def _headers(text: str) -> Headers:
    lines = [line for line in text.splitlines() if line.strip()]
    for line in lines:
        if ":" not in line:
            raise InvalidInput("headers", mark("Write one header in each line: X-Key: value."))
    parts = [line.partition(":") for line in lines]
    return tuple((name.strip(), value.strip()) for name, _, value in parts)
