"""Endpoints in trouble: every failure is tried again, no redirect is followed, nothing private is reached."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.endpoint import Endpoint
from tests.support.processes import Commands, Ombud, Ombuds

LOOPBACK = {"OMBUD_ALLOW_NETWORKS": "127.0.0.0/8,::1/128", "OMBUD_RETRY_SECONDS": "0.1,0.1,0.1,0.1,0.1,60"}


@contextmanager
def serving(ombuds: Ombuds, commands: Commands, **environment: str) -> Iterator[tuple[Ombud, httpx2.Client]]:
    """`ombud serve` on the test's database, with a client of its API."""
    database = f"sqlite:///{commands.folder}/ombud.db"
    made = commands.run("keys", "add", str(time.monotonic_ns()), "--database", database)
    assert made.code == 0, made.error
    ombud = ombuds.start("serve", "--port", "0", "--database", database, **environment)
    headers = {"Authorization": f"Bearer {made.out.strip()}"}
    with httpx2.Client(base_url=ombud.card["api"], headers=headers) as api:
        yield ombud, api


def publish(api: httpx2.Client, order_id: int) -> str:
    answer = api.post("/events", json={"event_type": "order.new", "order_id": order_id})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def attempts(api: httpx2.Client, event_id: str, count: int) -> list[dict[str, Any]]:
    """The attempts of an event's only delivery, once there are that many."""
    deadline = time.monotonic() + 20
    while True:
        answer = api.get(f"/events/{event_id}")
        if answer.status_code == 429:
            time.sleep(float(answer.headers["retry-after"]))
            continue
        [delivery] = answer.json()["deliveries"]
        if len(delivery["attempts"]) >= count:
            found: list[dict[str, Any]] = delivery["attempts"]
            return found
        assert time.monotonic() < deadline, delivery
        time.sleep(0.02)  # who asks without a pause takes a core from what is asked


@pytest.mark.alone
def test_every_kind_of_failure_is_tried_again(ombuds: Ombuds, commands: Commands, endpoint: Endpoint) -> None:
    canary = Endpoint()
    with serving(ombuds, commands, OMBUD_TIMEOUT_SECONDS="0.5", **LOOPBACK) as (_, api):
        api.post("/endpoints", json={"url": endpoint.url, "strict": True})
        endpoint.answer(500)
        endpoint.answer(302, f"Location: {canary.url}")
        endpoint.hang()
        endpoint.answer(404)
        tried = attempts(api, publish(api, 1), 5)
    assert [attempt["status"] for attempt in tried] == [500, 302, None, 404, 200]
    assert [attempt["outcome"] for attempt in tried] == ["retry"] * 4 + ["done"]
    assert "redirect" in tried[1]["reason"]
    assert tried[2]["milliseconds"] >= 490  # the event loop's clock ticks in milliseconds
    assert len({seen.raw for seen in endpoint.requests}) == 1
    assert canary.requests == []
    canary.close()


@pytest.mark.alone
def test_an_endpoint_that_hangs_is_given_up_after_ten_seconds(
    ombuds: Ombuds, commands: Commands, endpoint: Endpoint
) -> None:
    with serving(ombuds, commands, **LOOPBACK) as (_, api):
        api.post("/endpoints", json={"url": endpoint.url})
        endpoint.hang()
        hung, repeated = attempts(api, publish(api, 1), 2)
    assert (hung["status"], hung["outcome"]) == (None, "retry")
    assert 9_900 <= hung["milliseconds"] <= 10_500
    assert repeated["status"] == 200


def test_an_endpoint_that_is_not_there_is_tried_again(ombuds: Ombuds, commands: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(ombuds, commands, **LOOPBACK) as (_, api):
        api.post("/endpoints", json={"url": f"http://127.0.0.1:{port}/webhooks"})
        tried = attempts(api, publish(api, 1), 2)
    assert [attempt["status"] for attempt in tried[:2]] == [None, None]
    assert "refused" in tried[0]["reason"]


@pytest.mark.alone
def test_one_endpoint_that_hangs_does_not_delay_another(
    ombuds: Ombuds, commands: Commands, new_endpoint: Callable[[], Endpoint]
) -> None:
    hanging, well = new_endpoint(), new_endpoint()
    with serving(ombuds, commands, **LOOPBACK) as (_, api):
        for one in (hanging, well):
            api.post("/endpoints", json={"url": one.url})
        for _ in range(200):
            hanging.hang()
        began = time.monotonic()
        for order_id in range(100):
            publish(api, order_id)
        well.wait_for(100)
        assert time.monotonic() - began < 5
    assert len(hanging.requests) < 10


def test_what_leads_inside_is_refused_when_it_is_entered(ombuds: Ombuds, commands: Commands) -> None:
    with serving(ombuds, commands) as (_, api):
        for host in ("localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"):
            answer = api.post("/endpoints", json={"url": f"http://{host}:8080/webhooks"})
            assert answer.status_code == 422, host
            assert answer.json()["field"] == "url"


def test_a_name_that_resolves_to_loopback_is_refused_at_every_attempt(
    ombuds: Ombuds, commands: Commands, endpoint: Endpoint
) -> None:
    with serving(ombuds, commands, **LOOPBACK) as (allowing, api):
        url = f"http://localhost:{endpoint.port}/webhooks"
        assert api.post("/endpoints", json={"url": url}).status_code == 201
        allowing.stop()
    with serving(ombuds, commands, OMBUD_RETRY_SECONDS="0.1,0.1,60") as (_, api):
        tried = attempts(api, publish(api, 1), 2)
    assert [attempt["status"] for attempt in tried[:2]] == [None, None]
    assert "private" in tried[0]["reason"]
    assert endpoint.requests == []


def test_the_table_of_a_newer_ombud_is_refused(ombuds: Ombuds, commands: Commands, tmp_path: Path) -> None:
    import apsw

    with serving(ombuds, commands):
        pass
    database = apsw.Connection(str(tmp_path / "ombud.db"))
    database.execute("update schema_version set version = 99 where part = 'ombud.mailbox'")
    database.close()
    refused = commands.run("serve", "--port", "0", "--database", f"sqlite:///{tmp_path}/ombud.db")
    assert refused.code == 2
    assert "version 99" in refused.error
