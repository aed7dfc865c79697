"""The audit beside a system under load: neither a live one nor a killed one gives a false alarm."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.databases import POSTGRES, Home, lend_home
from tests.support.endpoint import Endpoint
from tests.support.postgres import PostgresServers
from tests.support.processes import Commands, Ombud, Ombuds

# Rounds of publishing, each with an audit beside it: a few seconds. The seed makes a failure repeatable.
ROUNDS = 8
EVENTS = 60
SEED = 4


def sound(commands: Commands, *named: str) -> dict[str, Any]:
    """Audit, find nothing, and return what is said of the first database."""
    done = commands.run("audit", *named, "--json")
    assert done.code == 0, done.out + done.error
    document: dict[str, Any] = json.loads(done.out)["databases"][0]
    return document


def test_no_false_alarm_while_a_demo_works_and_is_killed(
    ombuds: Ombuds, commands: Commands, new_endpoint: Callable[[], Endpoint], tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    data = tmp_path / "demo"
    demo = ombuds.start("demo", "--port", "0", "--data", str(data))
    good, bad = new_endpoint(), new_endpoint()
    for one in (good, bad):
        publish(demo, "/endpoints", {"url": one.url})
    accepted = 0
    for number in range(ROUNDS):
        for _ in range(EVENTS // 2):
            bad.answer(chance.choice([500, 404, 429]))
        publish(demo, "/events", [event(chance) for _ in range(EVENTS)])
        accepted += EVENTS
        assert sound(commands, "--data", str(data))["rows"]["events"] >= accepted
        if number % 4 == 3:
            demo.kill()
            assert sound(commands, "--data", str(data))["rows"]["events"] >= accepted
            demo = ombuds.start("demo", "--port", "0", "--data", str(data))
    assert demo.stop() == 0
    assert sound(commands, "--data", str(data))["rows"]["events"] >= accepted


@pytest.mark.parametrize("kind", POSTGRES)
def test_no_false_alarm_while_nodes_work_and_are_killed(
    kind: str,
    ombuds: Ombuds,
    commands: Commands,
    new_endpoint: Callable[[], Endpoint],
    tmp_path: Path,
    postgres_servers: PostgresServers,
) -> None:
    with lend_home(kind, tmp_path, postgres_servers) as home:
        nodes = [start_node(ombuds, home), start_node(ombuds, home)]
        key = json.loads(commands.run("keys", "add", "test", "--database", home.url, "--json").out)["api_key"]
        chance = random.Random(SEED)
        good, bad = new_endpoint(), new_endpoint()
        for node in nodes:
            node.card["api_key"] = key
        for one in (good, bad):
            publish(nodes[0], "/endpoints", {"url": one.url})
        accepted = 0
        for number in range(ROUNDS):
            for _ in range(EVENTS // 2):
                bad.answer(chance.choice([500, 404, 429]))
            publish(nodes[number % 2], "/events", [event(chance) for _ in range(EVENTS)])
            accepted += EVENTS
            document = sound(commands, "--database", home.url)
            assert document["rows"]["events"] == accepted
            assert document["waiting"][0]["performed"]
            if number % 4 == 3:
                nodes[0].kill()
                assert sound(commands, "--database", home.url)["rows"]["events"] == accepted
                nodes[0] = start_node(ombuds, home)
                nodes[0].card["api_key"] = key
        for node in nodes:
            node.kill()
        assert sound(commands, "--database", home.url)["rows"]["events"] == accepted


def start_node(ombuds: Ombuds, home: Home) -> Ombud:
    return ombuds.start("serve", "--port", "0", "--database", home.url, OMBUD_ALLOW_NETWORKS="127.0.0.0/8")


def event(chance: random.Random) -> dict[str, str]:
    return {"event_type": "order.new", "order_id": str(chance.randrange(40))}


def publish(demo: Ombud, path: str, body: object) -> None:
    headers = {"Authorization": f"Bearer {demo.card['api_key']}"}
    answer = httpx2.post(f"{demo.card['api']}{path}", json=body, headers=headers, timeout=30)
    assert answer.status_code == 201, answer.text
