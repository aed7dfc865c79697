"""The OpenAPI document says what is served, no more and no less."""

from typing import Any

import httpx2
from fastapi.routing import APIRoute

from ombud.admin.access import Role
from ombud.admin.keys import add_key, new_key
from ombud.mailbox.ids import format_id
from ombud.receiver.receiver import Receiver
from ombud.settings import Settings
from ombud.web.api import create_router
from ombud.web.intake import EVENTS_PER_REQUEST, EventBody
from ombud.web.openapi import operations
from ombud.web.people_api import create_people_router
from ombud.web.receiver_app import create_api as create_receiver_api
from tests.support.people import somebody

SERVED = {
    ("GET", "/v1/events"),
    ("POST", "/v1/events"),
    ("GET", "/v1/events/{event_id}"),
    ("GET", "/v1/endpoints"),
    ("GET", "/v1/events/{event_id}/explain"),
    ("POST", "/v1/endpoints"),
    ("GET", "/v1/endpoints/{endpoint_id}"),
    ("PATCH", "/v1/endpoints/{endpoint_id}"),
    ("DELETE", "/v1/endpoints/{endpoint_id}"),
    *(("POST", f"/v1/endpoints/{{endpoint_id}}/{verb}") for verb in ("pause", "resume", "restore", "secret", "test")),
    ("GET", "/v1/deliveries"),
    ("GET", "/v1/deliveries/{delivery_id}"),
    ("POST", "/v1/deliveries/{delivery_id}/resend"),
    ("GET", "/v1/replays"),
    ("POST", "/v1/replays"),
    ("POST", "/v1/replays/dry-run"),
    ("GET", "/v1/replays/{replay_id}"),
    ("POST", "/v1/replays/{replay_id}/cancel"),
    ("GET", "/v1/overview"),
    ("GET", "/v1/people"),
    ("POST", "/v1/people"),
    *((method, "/v1/people/{person_id}") for method in ("GET", "PATCH", "DELETE")),
    *(("POST", f"/v1/people/{{person_id}}/{verb}") for verb in ("reset", "end-sessions")),
    ("POST", "/v1/invitations"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    *((method, "/v1/keys/{name}") for method in ("GET", "DELETE")),
    ("GET", "/v1/audit"),
    ("GET", "/v1/alarms"),
    ("GET", "/v1/alarm-channels"),
    ("POST", "/v1/alarm-channels"),
    *((method, "/v1/alarm-channels/{channel_id}") for method in ("GET", "PATCH", "DELETE")),
    ("POST", "/v1/alarm-channels/{channel_id}/test"),
}


async def test_the_document_lists_exactly_what_is_served(anybody: httpx2.AsyncClient, sender: Any) -> None:
    answer = await anybody.get("/openapi.json")

    assert answer.status_code == 200
    document = answer.json()
    assert document["openapi"].startswith("3.1.")
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    routed = {
        (method, route.path_format)
        for router in (create_router(sender), create_people_router(sender.writer, sender.writer))
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert described == SERVED == routed | {("POST", "/v1/events")}


async def test_what_is_described_answers(client: httpx2.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    for path, methods in document["paths"].items():
        for method in methods:
            answer = await client.request(method, path.replace("{event_id}", "evt_0000000000000"))
            assert answer.status_code not in {405, 500}, (method, path)


async def test_the_intake_is_described_with_its_fields(anybody: httpx2.AsyncClient) -> None:
    document = (await anybody.get("/openapi.json")).json()

    body = document["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    event, array = body["oneOf"]
    assert array == {"type": "array", "items": event, "maxItems": EVENTS_PER_REQUEST}
    for schema, wanted in zip(event["oneOf"], ("order_id", "product_id"), strict=True):
        assert set(schema["properties"]) == set(EventBody.__struct_fields__)
        assert schema["required"] == ["event_type", wanted]


async def test_every_reference_leads_somewhere(anybody: httpx2.AsyncClient) -> None:
    document = (await anybody.get("/openapi.json")).json()
    found = 0

    def walk(part: Any) -> None:
        nonlocal found
        if isinstance(part, dict):
            if "$ref" in part:
                found += 1
                target: Any = document
                for name in part["$ref"].removeprefix("#/").split("/"):
                    target = target[name]
            for value in part.values():
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    walk(document)
    assert found > 3


async def test_every_operation_has_a_name_of_its_own(anybody: httpx2.AsyncClient) -> None:
    document = (await anybody.get("/openapi.json")).json()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]

    names = [operation.get("operationId") for operation in operations if "operationId" in operation]
    assert len(names) == len(set(names)) >= 7
    assert all(operation["summary"] for operation in operations)


async def test_every_operation_has_an_example_and_says_what_can_go_wrong(anybody: httpx2.AsyncClient, app: Any) -> None:
    for document in (
        app.api.openapi(),
        create_receiver_api(Receiver(app.people.database, Settings()), app.people).openapi(),
    ):
        found = list(operations(document))
        assert document["security"] == [{"key": []}]
        for method, path, operation in found:
            success = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
            described = method == "DELETE" or success[0]["content"]["application/json"]
            assert described is True or {"example", "schema"} <= described.keys(), (method, path)
            assert described is True or described["schema"].keys() & {"$ref", "oneOf"}, (method, path)
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            assert body is None or body.keys() & {"example", "examples"}, (method, path)
            assert {"400", "401", "403", "422", "429", "503"} <= operation["responses"].keys()


async def test_the_examples_are_what_is_answered(client: httpx2.AsyncClient, app: Any) -> None:
    document = (await client.get("/openapi.json")).json()
    made: dict[str, Any] = {}
    published: dict[str, Any] = {}
    for method, path in (("POST", "/v1/endpoints"), ("POST", "/v1/events")):
        operation = document["paths"][path][method.lower()]
        content = operation["requestBody"]["content"]["application/json"]
        body = content.get("example") or content["examples"]["one"]["value"]
        answer = (await client.post(path, json=body | ({"url": "https://8.8.8.8/"} if "url" in body else {}))).json()
        made, published = (answer, published) if path.endswith("endpoints") else (made, answer)
    person = somebody(app.people, Role.EDITOR)
    somebody(app.people, Role.OWNER)
    app.people.database.write(lambda: add_key("ERP", new_key(), 1))
    [found] = (await client.get("/v1/deliveries")).json()["data"]
    replay = (await client.post("/v1/replays", json={"state": "dead", "status": "5xx"})).json()
    alarm_channel = {"kind": "webhook", "target": "https://8.8.8.8/"}
    ids = {
        "endpoint_id": made["id"],
        "event_id": published["id"],
        "delivery_id": found["id"],
        "replay_id": replay["id"],
        "person_id": format_id("prs", person.id),
        "name": "ERP",
        "channel_id": (await client.post("/v1/alarm-channels", json=alarm_channel)).json()["id"],
    }
    checked = 0
    for method, path, operation in sorted(operations(document), key=lambda one: one[0] == "DELETE"):
        if method == "DELETE" or path.endswith("/restore"):
            continue
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        url = path.format(**ids)
        body = content.get("example") or content.get("examples", {"one": {"value": None}})["one"]["value"]
        if body and "url" in body:
            body |= {"url": "https://8.8.4.4/"}
        if path == "/v1/keys":
            body = body and body | {"name": "another"}
        answer = await client.request(method, url, json=body)
        [success] = [one for status, one in operation["responses"].items() if status.startswith("2")]
        assert shape(answer.json(), success["content"]["application/json"]["example"]), (method, path)
        checked += 1
    assert checked >= 10


def shape(answer: Any, example: Any) -> bool:
    """Return whether an answer has the names of an example; of lists the first."""
    if isinstance(answer, dict) and isinstance(example, dict):
        named = example.keys() == answer.keys() or not example
        return named and all(shape(answer[name], example[name]) for name in answer if name != "headers")
    if isinstance(answer, list) and isinstance(example, list):
        return not answer or not example or shape(answer[0], example[0])
    return True
