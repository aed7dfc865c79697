"""The OpenAPI document says what is served, no more and no less."""

from typing import Any

import httpx2
from fastapi.routing import APIRoute

from ombud.web.api import create_router

SERVED = {
    ("GET", "/v1/events"),
    ("POST", "/v1/events"),
    ("GET", "/v1/events/{event_id}"),
    ("GET", "/v1/endpoints"),
    ("POST", "/v1/endpoints"),
    ("GET", "/v1/endpoints/{endpoint_id}"),
    ("PATCH", "/v1/endpoints/{endpoint_id}"),
    ("DELETE", "/v1/endpoints/{endpoint_id}"),
    *(("POST", f"/v1/endpoints/{{endpoint_id}}/{verb}") for verb in ("pause", "resume", "restore", "secret")),
}


async def test_the_document_lists_exactly_what_is_served(anybody: httpx2.AsyncClient, sender: Any) -> None:
    answer = await anybody.get("/openapi.json")

    assert answer.status_code == 200
    document = answer.json()
    assert document["openapi"].startswith("3.1.")
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    routed = {
        (method, route.path)
        for route in create_router(sender).routes
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
    assert array == {"type": "array", "items": event}
    schema = document["components"]["schemas"][event["$ref"].rpartition("/")[2]]
    assert set(schema["properties"]) == {"event_type", "order_id", "product_id", "event_key", "shop_id"}
    assert schema["required"] == ["event_type"]


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
