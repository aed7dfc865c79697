"""The audit beside a demo under load: neither a live system nor a killed one gives a false alarm."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from tests.support.endpoint import Endpoint
from tests.support.processes import Commands, Ombud, Ombuds

# Rounds of publishing, each with an audit beside it: a few seconds. The seed makes a failure repeatable.
ROUNDS = 8
EVENTS = 60
SEED = 4


def sound(commands: Commands, data: Path) -> dict[str, Any]:
    done = commands.run("audit", "--data", str(data), "--json")
    assert done.code == 0, done.out + done.error
    rows: dict[str, Any] = json.loads(done.out)["databases"][0]["rows"]
    return rows


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
        assert sound(commands, data)["events"] >= accepted
        if number % 4 == 3:
            demo.kill()
            assert sound(commands, data)["events"] >= accepted
            demo = ombuds.start("demo", "--port", "0", "--data", str(data))
    assert demo.stop() == 0
    assert sound(commands, data)["events"] >= accepted


def event(chance: random.Random) -> dict[str, str]:
    return {"event_type": "order.new", "order_id": str(chance.randrange(40))}


def publish(demo: Ombud, path: str, body: object) -> None:
    headers = {"Authorization": f"Bearer {demo.card['api_key']}"}
    answer = httpx2.post(f"{demo.card['api']}{path}", json=body, headers=headers, timeout=30)
    assert answer.status_code == 201, answer.text
