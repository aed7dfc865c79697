"""`ombud alarms`: one life of a channel on the command line."""

import json
from typing import Any

from tests.support.endpoint import Endpoint
from tests.support.processes import Commands


def ran(commands: Commands, *arguments: str, text: str = "", code: int = 0) -> Any:
    done = commands.run("alarms", *arguments, "--json", text=text, OMBUD_ALLOW_NETWORKS="127.0.0.0/8")
    assert done.code == code, done.error
    return json.loads(done.out)


def test_a_life_of_a_channel(commands: Commands, endpoint: Endpoint) -> None:
    night = ("--set", "quiet_hours=22:00-07:00", "--set", "causes=disk.full,key.refused")
    made = ran(commands, "add", "webhook", "-", *night, text=f"{endpoint.url}/secret\n")
    assert "secret" not in json.dumps(made)
    assert (made["causes"], made["quiet_hours"]) == (["key.refused", "disk.full"], "22:00-07:00")
    name = made["id"]
    assert ran(commands, "test", name) == {"sent": True, "reason": None}
    assert json.loads(endpoint.next().body)["text"].startswith("*[Ombud] A test*\n")
    assert ran(commands, "edit", name, "--set", "quiet_hours=")["quiet_hours"] is None
    [listed] = ran(commands, "channels")["data"]
    assert listed["sent_at"] is not None
    assert ran(commands, "delete", name)["deleted"] is True
    assert ran(commands, "list") == {"data": []}
