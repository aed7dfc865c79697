"""`ombud endpoints` and `ombud explain`: one life of an endpoint on the command line."""

import json
import shlex
from typing import Any

from ombud.db.sqlite import SqliteDatabase
from ombud.sender.key_file import read_key_file
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.signing import read_secret
from tests.support.processes import Commands


def ran(commands: Commands, *arguments: str, text: str = "") -> Any:
    done = commands.run(*arguments, "--json", text=text)
    assert done.code == 0, done.error
    return json.loads(done.out)


def sets(**fields: object) -> list[str]:
    return [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]


def test_a_life_of_an_endpoint(commands: Commands) -> None:
    assert commands.run("endpoints", "list").code == 2
    sender = Sender(SqliteDatabase(commands.folder / "ombud.db"), Settings())
    (commands.folder / "headers").write_text('{"X-Key": "k 1", "x-tenant": "7"}\n')

    choices = sets(event_types="order.new", headers="@headers", rate_per_minute=60, retry="svix", only_200="true")
    made = ran(commands, "endpoints", "add", "-", *choices, text="https://8.8.8.8/hooks?token=tok_4711\n")
    read_secret(made["secret"])
    assert made["headers"] == {"X-Key": "k 1", "x-tenant": "7"}
    assert (made["event_types"], made["rate_per_minute"], made["retry"]) == (["order.new"], 60, "svix")
    assert (made["only_200"], made["strict"]) == (True, False)
    [published] = sender.database.write(lambda: sender.outbox.publish([Event("order.new", "1")]))
    assert published.deliveries == 1

    name = made["id"]
    changed = ran(
        commands, "endpoints", "edit", name, *sets(rate_per_minute="null", retry="", only_200="false", enabled="false")
    )
    assert (changed["rate_per_minute"], changed["retry"], changed["state"]) == (None, "", "disabled")
    assert commands.run("endpoints", "test", name).code == 1
    assert ran(commands, "endpoints", "edit", name, *sets(enabled="true", description="ERP"))["state"] == "open"
    assert ran(commands, "endpoints", "pause", name)["state"] == "paused"
    assert ran(commands, "endpoints", "resume", name)["state"] == "open"
    secret = commands.run("endpoints", "secret", name)
    read_secret(secret.out.strip().rpartition(" ")[2])
    event_id = ran(commands, "endpoints", "test", name)["id"]
    [why] = ran(commands, "explain", event_id)["data"]
    assert (why["endpoint_id"], why["verdict"]) == (name, "due")
    assert shlex.split(why["curl"])[-1] == "https://8.8.8.8/hooks?token=tok_4711&event_type=order.new&order_id=0"
    told = commands.run("explain", event_id)
    assert "Due, and waits for a worker." in told.out
    assert ran(commands, "endpoints", "delete", name)["deleted"] is True
    assert ran(commands, "endpoints", "list") == {"data": []}
    assert ran(commands, "endpoints", "restore", name)["description"] == "ERP"
    key_file = commands.folder / "ombud.db.key"
    [before] = read_key_file(key_file)
    assert ran(commands, "secrets", "rotate-key")["key"] == read_key_file(key_file)[0].id != before.id
    assert commands.run("secrets", "scrub").code == 0
    [listed] = ran(commands, "endpoints", "list")["data"]
    assert "secret" not in listed
    assert listed["headers"] == {"X-Key": "k 1", "x-tenant": "7"}
    key_file.unlink()
    refused = commands.run("serve", "--port", "0")
    assert (refused.code, refused.error.count("\n")) == (2, 1)
    assert f"The key file {key_file} is missing" in refused.error
    counted = ran(commands, "replays", "start", "state=dead", "--dry-run")
    assert counted == {"count": 0, "count_is_exact": True}
    replay = ran(commands, "replays", "start", "state=dead", "since=2026-11-26T08:00:00Z")
    assert (replay["state"], replay["filter"]["state"]) == ("running", "dead")
    assert f"{replay['id']}  running  0 of 0" in commands.run("replays", "list").out
    assert ran(commands, "replays", "cancel", replay["id"])["state"] == "cancelled"
    assert commands.run("replays", "start", "state=pending").code == 2
    assert "'states' is not one of" in commands.run("replays", "start", "states=dead").error
    sender.close()


def test_what_cannot_be(commands: Commands) -> None:
    Sender(SqliteDatabase(commands.folder / "ombud.db"), Settings()).close()
    for arguments, code in (
        (("add", "http://169.254.169.254/"), 2),
        (("add", "https://8.8.8.8/", *sets(event_types="order.paid")), 2),
        (("add", "https://8.8.8.8/", *sets(send_since="yesterday")), 2),
        (("add", "https://8.8.8.8/", *sets(headers="@missing")), 2),
        (("add", "https://8.8.8.8/", *sets(headers="X-Key")), 2),
        (("add", "https://8.8.8.8/", *sets(nothing="1")), 2),
        (("add", "https://8.8.8.8/", "--set", "strict"), 2),
        (("edit", "ep_0000000000000"), 2),
        (("edit", "ep_0000000000000", *sets(rate_per_minute="1")), 3),
        (("pause", "evt_0000000000000"), 2),
        (("restore", "ep_0000000000000"), 3),
    ):
        done = commands.run("endpoints", *arguments)
        assert done.code == code, (arguments, done.error)
        assert done.error.count("\n") == 1, done.error
    done = commands.run("endpoints", "add", "https://8.8.8.8/", *sets(headers="@-"), text='{"X-Key": "a\\u0000b"}')
    assert (done.code, "printable ASCII" in done.error) == (2, True)
    assert commands.run("explain", "evt_0000000000000").code == 3
