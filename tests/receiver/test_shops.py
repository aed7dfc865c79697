"""The shops of one inbox, as a person manages them: tokens, budgets, pauses; and no token in any log."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from gunicorn.glogging import SafeAtoms  # type: ignore[import-untyped]
from typer.testing import CliRunner

from ombud.admin.shops import shop_documents, source_documents
from ombud.cli.main import app
from ombud.client import Order
from ombud.client.budgets import Budgets
from ombud.db.database import Database
from ombud.db.operation import Operation, Statement
from ombud.errors import Conflict, InvalidInput, NotFound
from ombud.mailbox.mailbox import Mailbox
from ombud.mailbox.model import Draft
from ombud.receiver.clients import Clients
from ombud.receiver.hook import Asked, Hook
from ombud.receiver.notes import write_notes
from ombud.receiver.options import HandlerFacts
from ombud.receiver.receiver import Receiver
from ombud.receiver.redaction import REDACTED
from ombud.receiver.registry import register_handlers
from ombud.receiver.shop_changes import (
    end_previous_token,
    pause_shop,
    resume_shop,
    rotate_token,
    set_api_key_file,
    set_reads_per_second,
)
from ombud.receiver.shops import DEFAULT_NAME, Shop, keep_default_shop, list_shops
from ombud.receiver.sources import change_sources
from ombud.settings import Settings
from tests.receiver.fronts import Front, Request
from tests.receiver.store import KEY, Store
from tests.receiver.world import TOKEN, Desk, settings_for
from tests.support.commits import meanwhile
from tests.support.databases import Home

NEW = b"event_type=order.new&order_id=90017"

# Processes that begin on an empty database at the same moment.
BEGINNERS = 4


async def test_two_tokens_are_good_at_once_and_a_third_ends_the_first(quiet: Desk, front: Front) -> None:
    database = quiet.receiver.database

    async def good() -> list[str]:
        quiet.inbox.open_on(quiet.receiver)  # so that no token is remembered
        answers = {one: await front(quiet.inbox, Request(NEW, path=f"/hooks/{one}")) for one in TOKENS}
        return [token for token, answer in answers.items() if answer.status == 200]

    assert await good() == [TOKEN]
    database.write(lambda: rotate_token(DEFAULT_NAME, TOKENS[1]))
    assert await good() == [TOKEN, TOKENS[1]]
    database.write(lambda: rotate_token(DEFAULT_NAME, TOKENS[2]))
    assert await good() == [TOKENS[1], TOKENS[2]]
    database.write(lambda: end_previous_token(DEFAULT_NAME))
    assert await good() == [TOKENS[2]]
    with pytest.raises(Conflict, match="one token alone"):
        database.write(lambda: end_previous_token(DEFAULT_NAME))
    with pytest.raises(NotFound, match="no shop named 'north'"):
        database.write(lambda: rotate_token("north", TOKENS[0]))
    with pytest.raises(InvalidInput, match="8 to 200"):
        database.write(lambda: rotate_token(DEFAULT_NAME, "short"))


TOKENS = (TOKEN, "the-second-token", "the-third-token")


async def test_who_rotates_sees_whether_the_old_token_is_used(quiet: Desk, front: Front) -> None:
    def used() -> list[bool]:
        [shop] = quiet.receiver.database.read(shop_documents)
        return [token["used_at"] is not None for token in shop["tokens"]]

    assert used() == [False]
    assert (await front(quiet.inbox, Request(NEW))).status == 200
    assert used() == [True]
    quiet.receiver.database.write(lambda: rotate_token(DEFAULT_NAME, TOKENS[1]))
    assert used() == [False, True]
    assert (await front(quiet.inbox, Request(NEW, path=f"/hooks/{TOKENS[1]}"))).status == 200
    assert used() == [True, True]


async def test_uses_are_noted_once_in_a_while(quiet: Desk, front: Front) -> None:
    noted = set()
    for ahead in (0.0, 1.0, 59.0):
        quiet.clock.ahead_seconds = ahead
        quiet.inbox.open_on(quiet.receiver)
        assert (await front(quiet.inbox, Request(NEW))).status == 200
        noted.add(quiet.rows("select token_used_at as at from inbox_shop")[0]["at"])
    assert len(noted) == 1
    quiet.clock.ahead_seconds = 61.0
    quiet.inbox.open_on(quiet.receiver)
    assert (await front(quiet.inbox, Request(NEW))).status == 200
    assert quiet.rows("select token_used_at as at from inbox_shop")[0]["at"] > max(noted)


async def test_a_paused_shop_stores_and_waits(desk: Desk, store: Store) -> None:
    shipped: list[str] = []

    @desk.inbox.on("order.new")
    async def ship(order: Order) -> None:
        shipped.append(order.id)

    receiver, first, second = desk.receiver, store.pay(), store.pay()
    async with desk.at_work():
        await desk.hear("order.new", first)
        await desk.settled()
        receiver.database.write(lambda: pause_shop(receiver.arrivals, receiver.changes, DEFAULT_NAME))
        store.dials.reads.clear()
        await desk.hear("order.new", second)
    async with desk.at_work():
        await asyncio.sleep(0.05)
        [shop] = receiver.database.read(shop_documents)
        assert (shop["paused_at"] is not None, shop["waiting"]) == (True, {"reads": 1, "runs": 0})
        assert (shipped, store.dials.reads) == ([first], [])
        receiver.database.write(lambda: resume_shop(receiver.arrivals, receiver.changes, DEFAULT_NAME))
        await desk.settled()
    assert shipped == [first, second]


async def test_runs_of_a_paused_shop_wait_too_also_after_a_start(desk: Desk, store: Store) -> None:
    tried: list[str] = []
    fails = [True]

    @desk.inbox.on("order.new")
    async def ship(order: Order) -> None:
        tried.append(order.id)
        if fails[0]:
            raise RuntimeError

    receiver = desk.receiver
    async with desk.at_work():
        await desk.hear("order.new", store.pay())
        await desk.until(lambda: tried)
        receiver.database.write(lambda: pause_shop(receiver.arrivals, receiver.changes, DEFAULT_NAME))
    tried.clear()
    async with desk.at_work():
        await asyncio.sleep(0.05)
        assert tried == []
        fails[0] = False
        receiver.database.write(lambda: resume_shop(receiver.arrivals, receiver.changes, DEFAULT_NAME))
        await desk.settled()
    assert len(tried) == 1


async def test_a_shop_may_have_a_budget_of_its_own() -> None:
    """It may be set while all is running, and the shop may lose it again."""
    budgets = Budgets()
    clients = Clients(settings_for(Path(), reads_per_second=3.0), budgets, 0.0)
    shop = Shop(1, "north", None, 11, None)
    rates = []
    for rate in (None, 0.5, None):
        clients(replace(shop, reads_per_second=rate))
        rates.append(budgets.of(KEY).state().per_second)
    assert rates == [3.0, 0.5, 3.0]
    await clients.close()


def test_processes_that_begin_at_once_make_one_shop(home: Home) -> None:
    inboxes = [home.open() for _ in range(BEGINNERS)]
    mailboxes = [Receiver(inbox, Settings(token=None)).arrivals for inbox in inboxes]
    together = Barrier(BEGINNERS)

    def begin(inbox: Database, arrivals: Mailbox) -> Shop:
        together.wait()
        return inbox.write(lambda: keep_default_shop(arrivals, TOKEN))

    with ThreadPoolExecutor(BEGINNERS) as pool:
        shops = set(pool.map(begin, inboxes, mailboxes))

    assert shops == set(inboxes[0].read(list_shops))
    assert len(shops) == 1
    for inbox in inboxes:
        inbox.close()


def test_shops_on_every_database(home: Home) -> None:
    receiver = Receiver(home.open(), Settings(token=TOKEN))
    arrivals, changes, write = receiver.arrivals, receiver.changes, receiver.database.write
    write(lambda: rotate_token(DEFAULT_NAME, TOKENS[1]))
    write(lambda: set_reads_per_second(DEFAULT_NAME, 0.5))
    write(lambda: set_api_key_file(DEFAULT_NAME, "/run/secrets/key"))
    hook = Hook(receiver.settings)
    known = receiver.database.read(lambda: hook.learn(TOKEN))
    hook.judge(known, Asked("GET", NEW, {}, "192.0.2.7"))
    notes = hook.notebook.take()
    write(lambda: write_notes(notes))
    shop = receiver.database.read(list_shops)[0]
    write(lambda: arrivals.append([Draft(shop.id, "order.new", "order/1", [shop.reader_lane_id])]))
    write(lambda: pause_shop(arrivals, changes, DEFAULT_NAME))
    [document] = receiver.database.read(shop_documents)
    assert [token["used_at"] is not None for token in document["tokens"]] == [False, True]
    assert document["waiting"] == {"reads": 1, "runs": 0}
    assert (document["reads_per_second"], document["api_key_file"]) == (0.5, "/run/secrets/key")
    assert document["paused_at"] is not None
    write(lambda: change_sources(DEFAULT_NAME, ["198.51.100.0/24"], []))
    addresses = receiver.database.read(lambda: source_documents(DEFAULT_NAME))
    assert {one["address"]: one["known"] for one in addresses} == {"192.0.2.7": True, "198.51.100.0/24": True}
    write(lambda: change_sources(DEFAULT_NAME, [], ["192.0.2.7"]))
    write(lambda: end_previous_token(DEFAULT_NAME))
    assert receiver.database.read(lambda: hook.learn(TOKEN)) is None
    write(lambda: resume_shop(arrivals, changes, DEFAULT_NAME))
    assert receiver.database.read(shop_documents)[0]["paused_at"] is None
    receiver.close()


def test_what_two_do_with_a_shop_at_once_is_done_one_after_the_other(home: Home) -> None:
    receiver, other = Receiver(home.open(), Settings(token=TOKEN)), home.open()
    arrivals, changes, database = receiver.arrivals, receiver.changes, receiver.database
    resume, register = partial(resume_shop, arrivals, changes, DEFAULT_NAME), partial(register_handlers, changes)
    database.write(lambda: register([HandlerFacts("tell", ("order.new",))]))
    database.write(lambda: append_for_all(changes))
    database.write(lambda: pause_shop(arrivals, changes, DEFAULT_NAME))
    database.write(lambda: register([]))
    meanwhile(database, resume, other, lambda: register([HandlerFacts("tell", ("order.new",))]))
    assert database.read(held_lanes) == 0, "a handler that came back meanwhile is worked"

    database.write(lambda: rotate_token(DEFAULT_NAME, TOKENS[1]))
    rotate, end = partial(rotate_token, DEFAULT_NAME, TOKENS[2]), partial(end_previous_token, DEFAULT_NAME)
    meanwhile(database, rotate, other, end)
    hook = Hook(receiver.settings)
    known = [database.read(partial(hook.learn, token)) is not None for token in TOKENS]
    # Of a file the end has begun after the rotation: it was that token that was meant.
    assert known == [False, home.is_postgres, True]
    other.close()
    receiver.close()


def append_for_all(changes: Mailbox) -> Operation[None]:
    """Make the lane of each handler in each shop."""
    rows = yield Statement("pairs", "select s.id as shop_id, h.id as handler_id from inbox_shop s, handler h"), {}
    for row in rows:
        yield from changes.add_lane(row["shop_id"], row["handler_id"])


def held_lanes() -> Operation[int]:
    rows = yield Statement("held", "select count(*) as n from lane where hold_until > 0"), {}
    return int(rows[0]["n"])


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`ombud shops`, in this process."""
    environment = {"OMBUD_DATABASE_URL": f"sqlite:///{tmp_path}/inbox.db"}

    def invoke(*arguments: str, **more: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["shops", *arguments], env=environment | more)
        return done.exit_code, done.stdout if done.exception is None else str(done.exception)

    return invoke


def listed(run: Run) -> list[dict[str, Any]]:
    code, out = run("list", "--json")
    assert code == 0
    found: list[dict[str, Any]] = json.loads(out)["data"]
    return found


def test_shops_are_managed_by_their_names(run: Run, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("a-key-of-the-shop")
    assert run("list") == (0, "No shops yet. Set OMBUD_TOKEN, or add one: ombud shops add NAME\n")
    first = json.loads(run("add", "north", "--reads-per-second", "0.5", "--json")[1])["token"]
    second = json.loads(run("rotate", "north", "--json")[1])["token"]
    assert run("set", "north", "--api-key-file", str(key), "--reads-per-second", "4") == (0, "Done.\n")
    assert run("pause", "north") == (0, "Done.\n")
    [shop] = listed(run)
    assert shop | {"created_at": "", "paused_at": ""} == {
        "name": "north",
        "tokens": [{"used_at": None}, {"used_at": None}],
        "api_key_file": str(key),
        "reads_per_second": 4.0,
        "paused_at": "",
        "created_at": "",
        "waiting": {"reads": 0, "runs": 0},
    }
    words = run("list")[1]
    assert "PAUSED since" in words
    assert run("set", "north", "--api-key-file", "environment", "--reads-per-second", "environment")[0] == 0
    assert run("resume", "north", "--json") == (0, '{"name": "north", "paused": false}\n')
    assert run("rotate", "north", "--end")[0] == 0
    [shop] = listed(run)
    assert [shop[name] for name in ("api_key_file", "reads_per_second", "paused_at")] == [None, None, None]
    assert len(shop["tokens"]) == 1
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert not any(token in words or token.encode() in stored for token in (first, second))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pause", "south"), "no shop named 'south'"),
        (("rotate", "south"), "no shop named 'south'"),
        (("set", "shop"), "Nothing to change"),
        (("set", "shop", "--reads-per-second", "much"), "'much' is neither a number"),
        (("set", "shop", "--reads-per-second", "0"), "a number above 0"),
        (("set", "shop", "--api-key-file", "nowhere"), "there is no file nowhere"),
        (("add", "south", "--reads-per-second", "inf"), "a number above 0"),
        (("rotate", "shop"), "set another OMBUD_TOKEN"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: Sequence[str], said: str) -> None:
    code, words = run(*arguments, OMBUD_TOKEN=TOKEN)
    assert code == 1
    assert said in words


def redacted(name: str, message: str, *arguments: Any) -> str:
    """What is left of a record of that logger when it is written."""
    said: list[str] = []
    logger, handler = logging.getLogger(name), logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        logger.info(message, *arguments)
    finally:
        logger.removeHandler(handler)
    return said[0]


async def test_access_logs_of_common_servers_show_no_token(quiet: Desk, front: Front, tmp_path: Path) -> None:
    quiet.inbox.close()
    inbox = type(quiet.inbox)(settings_for(tmp_path, api_key=None, perform="elsewhere"))
    assert (await front(inbox, Request(NEW))).status == 200
    path = f"/hooks/{TOKEN}?event_type=order.new&order_id=1"
    atoms = SafeAtoms({"r": f"GET {path} HTTP/1.1", "U": f"/hooks/{TOKEN}", "s": 200, "f": "-"})
    lines = [
        redacted("uvicorn.access", '%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", path, "1.1", 200),
        redacted("gunicorn.access", '"%(r)s" %(U)s %(s)s %(nothing)s', atoms),
        redacted("werkzeug", f'127.0.0.1 - - "GET {path} HTTP/1.1" 200 -'),
        redacted("django.server", '"%s" %s %s', f"GET {path} HTTP/1.1", "200", "2"),
    ]
    for line in lines:
        assert REDACTED in line
        assert TOKEN not in line
    assert "order_id=1" in lines[0]
    other = redacted("uvicorn.access", "%s", "/hooks/not-a-token-of-ours")
    assert other == "/hooks/not-a-token-of-ours"
    inbox.close()
