"""Everything that the panel can do, the REST API can do: each form of the panel names its route."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from ombud.web.house import House
from ombud.web.openapi import operations
from ombud.web.panel import Sides, TryIt, create_panel
from ombud.web.receiver_app import create_api as create_receiver_api
from tests.support.full_house import FullHouse

_ENDPOINT, _ARRIVAL, _RUN, _SHOP, _PERSON, _CHANNEL = (
    f"/v1/{name}"
    for name in (
        "endpoints/{endpoint_id}",
        "arrivals/{arrival_id}",
        "runs/{run_id}",
        "shops/{inbox_shop_id}",
        "people/{person_id}",
        "alarm-channels/{channel_id}",
    )
)
# What a replay is of.
OF = ("deliveries", "arrivals", "runs")
# By the path of a form: the route that does the same.
ROUTES = {
    "/settings/webhooks/new": "POST /v1/endpoints",
    "/settings/webhooks/{endpoint_id}/edit": f"PATCH {_ENDPOINT}",
    "/settings/webhooks/{endpoint_id}/delete": f"DELETE {_ENDPOINT}",
    **{
        f"/settings/webhooks/{{endpoint_id}}/{verb}": f"POST {_ENDPOINT}/{verb}"
        for verb in ("test", "pause", "resume", "restore", "secret")
    },
    "/deliveries/{delivery_id}/resend": "POST /v1/deliveries/{delivery_id}/resend",
    **{f"/{of}/resend": "POST /v1/replays" for of in OF},
    **{f"/{of}/resend/{{number}}/cancel": "POST /v1/replays/{replay_id}/cancel" for of in OF},
    **{f"/arrivals/{{arrival_id}}/{verb}": f"POST {_ARRIVAL}/{verb}" for verb in ("release", "retry", "skip")},
    **{f"/runs/{{run_id}}/{verb}": f"POST {_RUN}/{verb}" for verb in ("retry", "skip")},
    **{f"/shops/{{shop_id}}/{verb}": f"POST {_SHOP}/{verb}" for verb in ("pause", "resume", "end-token", "token")},
    "/settings/alarms/new": "POST /v1/alarm-channels",
    "/settings/alarms/{channel_id}/edit": f"PATCH {_CHANNEL}",
    "/settings/alarms/{channel_id}/delete": f"DELETE {_CHANNEL}",
    "/settings/alarms/{channel_id}/test": f"POST {_CHANNEL}/test",
    "/people/invite": "POST /v1/invitations",
    "/people/address": "POST /v1/people",
    "/people/reset": f"POST {_PERSON}/reset",
    "/people/role": f"PATCH {_PERSON}",
    "/people/remove": f"DELETE {_PERSON}",
    "/keys/add": "POST /v1/keys",
    "/keys/revoke": "DELETE /v1/keys/{name}",
}
# What a browser does for the person who sits there; a key is nobody's.
OF_A_BROWSER = {
    "/login": "lets a browser in",
    "/logout": "lets it out",
    "/set-up/{token}": "opens a link, with a password that only its person may know",
    "/account/password": "the same; a link for another password is POST /v1/people/{person_id}/reset",
    "/account/end-others": "keeps the browser that asks; all at once: POST /v1/people/{person_id}/end-sessions",
    "/language": "is kept in the browser",
    "/panel/order": "is the shop's: POST /v1/orders of the pretend shop",
}


@pytest.fixture
def house(tmp_path: Path) -> FullHouse:
    return FullHouse(tmp_path, 1)


def forms_of(house: FullHouse, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the path of every form that the panel of both sides takes, from its own routes."""
    apps: list[Starlette] = []
    monkeypatch.setattr(House, "behind", lambda _, app: apps.append(app))

    async def place_order() -> int:
        return 1

    try_it = TryIt(place_order, "http://127.0.0.1:8701")
    create_panel(Sides(house.sender, house.inbox.receiver, try_it), house.app.people)
    routes = [route for route in apps[0].routes if isinstance(route, Route)]
    return {route.path for route in routes if "POST" in (route.methods or ())}


def test_each_form_of_the_panel_has_its_route(house: FullHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = house.inbox.receiver
    documents = (house.app.api.openapi(), create_receiver_api(receiver, receiver.writer).openapi())
    served = {f"{method} {path}" for document in documents for method, path, _ in operations(document)}

    assert forms_of(house, monkeypatch) == ROUTES.keys() | OF_A_BROWSER.keys()
    assert set(ROUTES.values()) - served == set()
    house.close()
