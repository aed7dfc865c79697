"""Reading at the shop's API: merged, in trouble, with the key of the shop, and never more often than allowed."""

import asyncio
import re
from functools import partial
from pathlib import Path

import pytest

from ombud.admin.arrivals import list_arrivals
from ombud.admin.inbox_search import NEWEST
from ombud.errors import ConfigurationError, Conflict
from ombud.receiver import reader
from ombud.receiver.model import Context, Event
from ombud.receiver.shops import add_shop
from tests.receiver.fronts import Request, ask_asgi
from tests.receiver.store import KEY, Answer, Store
from tests.receiver.world import Desk, settings_for
from tests.support.processes import PATIENCE_SECONDS

TROUBLE = {
    "no key": Answer(401, b'{"code": 401, "error": "no"}'),
    "broken": Answer(500, b"oops"),
    "down": Answer(503),
    "a page": Answer(200, b"<html>welcome</html>"),
    "nothing": Answer(200),
    "something else": Answer(200, b'{"error": "no"}'),
    "another order": Answer(200, b'[{"order_id": "1", "status": "1"}]'),
    "a page that is missing": Answer(404, b"<html>not found</html>"),
    "elsewhere": Answer(302, headers=(("Location", "http://127.0.0.1:9/"),)),
    "very deep": Answer(200, b"[" * 100_000),
    "rather deep": Answer(200, b'[{"order_id": "%s", "status": "1", "x": ' + b"[" * 700 + b"]" * 700 + b"}]"),
}


@pytest.fixture
def calls(desk: Desk) -> list[str]:
    made: list[str] = []

    @desk.inbox.on("order.new")
    async def ship(event: Event) -> None:
        made.append(event.object_id)

    return made


@pytest.mark.parametrize("trouble", TROUBLE)
async def test_whatever_the_api_answers_is_tried_again(
    desk: Desk, store: Store, calls: list[str], trouble: str
) -> None:
    order_id = store.pay()
    answer = TROUBLE[trouble]
    body = answer.body.replace(b"%s", order_id.encode())
    store.dials.next_answers.extend([Answer(answer.status, body, answer.headers)] * 3)
    async with desk.at_work():
        await desk.hear("order.new", order_id)
        await desk.until(lambda: len(desk.rows("select 1 from attempt")) >= 3)
        await desk.settled()
    assert calls == [order_id]
    assert desk.arrivals() == [("order.new", "done", None)]
    outcomes = [
        row["outcome"]
        for row in desk.rows("select outcome from attempt where event_id = (select min(id) from event) order by id")
    ]
    assert outcomes == ["retry"] * 3 + ["done"]


async def test_an_api_that_hangs_is_given_up_and_tried_again(
    desk: Desk, store: Store, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "READ_SECONDS", 0.1)
    desk.receiver.patience_seconds = 0.0
    order_id = store.pay()
    store.dials.gate.clear()
    async with desk.at_work():
        await desk.hear("order.new", order_id)
        await desk.until(
            lambda: desk.rows("select 1 from attempt where reason like '%did not answer within 0.1 seconds%'")
        )
        assert calls == []
        store.dials.gate.set()
        await desk.settled()
    assert calls == [order_id]


async def test_a_short_pause_that_the_api_asks_for_does_not_use_up_every_try(tmp_path: Path, store: Store) -> None:
    desk = Desk(settings_for(tmp_path, store, perform="elsewhere", retry_seconds=(60.0, 60.0)))
    desk.receiver.patience_seconds = 0.0
    store.dials.always = Answer(429, headers=(("Retry-After", "0"),))
    async with desk.at_work():
        await desk.hear("order.new", "90001")
        await desk.until(lambda: desk.rows("select 1 from attempt"))
    assert desk.rows(
        "select due_at - e.created_at > 50000000 as later from delivery join event e on e.id = event_id"
    ) == [{"later": 1}]
    desk.inbox.close()


@pytest.mark.parametrize("busy", [Answer(429), Answer(503, headers=(("Retry-After", "0"),))])
async def test_a_busy_api_is_left_alone_for_a_while_and_no_try_is_used_up(
    desk: Desk, store: Store, calls: list[str], busy: Answer
) -> None:
    order_id = store.pay()
    store.dials.next_answers.append(busy)
    async with desk.at_work():
        await desk.hear("order.new", order_id)
        await desk.settled()
    assert calls == [order_id]
    budget = desk.receiver.budgets.of(KEY)
    assert budget.state().per_second == pytest.approx(settings_for(Path()).reads_per_second / 2, rel=0.01)
    assert [row["outcome"] for row in desk.rows("select outcome from attempt order by id")] == ["done"] * 2


@pytest.mark.parametrize(
    ("asked", "kept"), [("60", 60), ("999999999", 3_600), ("Fri, 31 Dec 9999 23:59:59 GMT", 3_600)]
)
async def test_a_long_pause_that_the_api_asks_for_is_kept_for_an_hour_at_most(
    desk: Desk, store: Store, asked: str, kept: int
) -> None:
    desk.receiver.patience_seconds = 0.0
    store.dials.always = Answer(429, headers=(("Retry-After", asked),))
    async with desk.at_work():
        await desk.hear("order.new", "90001")
        await desk.until(lambda: desk.rows("select 1 from attempt"))
    [row] = desk.rows("select due_at - e.created_at as pause from delivery join event e on e.id = event_id")
    assert kept - 10 < row["pause"] / 1_000_000 < kept * 1.3
    [lane] = desk.rows("select hold_until, :now as now from lane where box = 2", now=desk.clock())
    assert lane["hold_until"] - lane["now"] < kept * 1_300_000


async def test_arrivals_that_wait_share_a_read(desk: Desk, store: Store, calls: list[str]) -> None:
    order_id = store.pay()
    store.dials.gate.clear()
    store.dials.began.clear()
    async with desk.at_work():
        await desk.hear("order.new", order_id)
        await desk.until(lambda: desk.rows("select 1 from lane where lease_token is not null and box = 2"))
        await asyncio.to_thread(store.dials.began.wait, PATIENCE_SECONDS)
        for _ in range(10):
            await desk.hear("order.new", order_id)
        store.dials.gate.set()
        await desk.settled()
    assert store.dials.of("order", order_id) <= 3
    assert calls == [order_id]
    ends = desk.arrivals()
    assert len(ends) == 11
    assert all(
        state == "done" or re.fullmatch("covered by evt_[0-9a-z]{13}", reason or "") for _, state, reason in ends
    )
    assert ends[-1] == ("order.new", "done", None)


async def test_what_comes_while_a_read_is_under_way_has_a_read_of_its_own(desk: Desk, store: Store) -> None:
    order_id = store.pay()
    async with desk.acquainted():
        store.dials.gate.clear()
        store.dials.began.clear()
        await desk.hear("order.new", order_id)
        await asyncio.to_thread(store.dials.began.wait, PATIENCE_SECONDS)
        await desk.hear("order.new", order_id)
        store.dials.gate.set()
        await desk.settled()
    assert store.dials.of("order", order_id) == 2
    assert [state for _, state, _ in desk.arrivals()] == ["done", "done"]
    shown, _ = desk.receiver.database.read(partial(list_arrivals, NEWEST, 2))
    assert all(one["received_at"] < one["read"]["started_at"] for one in shown)


async def test_a_key_that_was_replaced_is_used_without_a_restart(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ombud.receiver.meter.FLUSH_SECONDS", 0.05)
    key = tmp_path / "key"
    key.write_text("an old key\n")
    desk = Desk(settings_for(tmp_path, store, perform="elsewhere", token=None, api_key=None))
    desk.receiver.database.write(lambda: add_shop(desk.receiver.arrivals, "north", "a-token-for-tests", str(key)))
    called: list[str] = []
    desk.inbox.on("order.new", name="ship")(lambda: called.append("shipped"))
    order_id = store.pay()
    async with desk.at_work():
        await desk.hear("order.new", order_id)
        await desk.until(lambda: desk.rows("select 1 from attempt where status = 401"))
        # For alarms it is on record since when.
        await desk.until(lambda: desk.rows("select 1 from inbox_shop where key_refused_at is not null"))
        key.write_text("test-key-of-the-shop\n")
        await desk.settled()
        await desk.until(lambda: desk.rows("select 1 from inbox_shop where key_refused_at is null"))
    assert called == ["shipped"]
    desk.inbox.close()


async def test_two_shops_are_apart(tmp_path: Path, store: Store) -> None:
    """Tokens, keys and ledgers: one shop's key is refused, and the other does not notice."""
    desk = Desk(settings_for(tmp_path, store, perform="elsewhere", token=None, api_key=None))
    (tmp_path / "good").write_text("test-key-of-the-shop")
    (tmp_path / "bad").write_text("another-key")
    arrivals = desk.receiver.arrivals
    for name, key in (("north", "good"), ("south", "bad")):
        desk.receiver.database.write(partial(add_shop, arrivals, name, f"token-of-{name}", str(tmp_path / key)))
    made: list[tuple[str, str]] = []

    @desk.inbox.on("order.new")
    async def ship(event: Event, context: Context) -> None:
        assert event.shop == context.shop
        made.append((event.shop, context.key))

    order_id = store.pay()
    query = f"event_type=order.new&order_id={order_id}".encode()

    async def hear(name: str) -> None:
        assert (await ask_asgi(desk.inbox, Request(query, path=f"/hooks/token-of-{name}"))).status == 200

    async with desk.at_work():
        await hear("south")
        await desk.until(lambda: desk.rows("select 1 from attempt where status = 401"))
        await hear("north")
        await desk.until(lambda: made)
        (tmp_path / "bad").write_text("test-key-of-the-shop")
        await desk.until(lambda: len(made) == 2)
        await desk.settled()
    assert [shop for shop, _ in made] == ["north", "south"]
    assert len({key for _, key in made}) == 2
    assert len(desk.rows("select distinct shop_id from ledger")) == 2
    desk.inbox.close()


def test_an_empty_file_is_no_key(quiet: Desk, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n")
    name = str(tmp_path / "key")
    quiet.receiver.database.write(lambda: add_shop(quiet.receiver.arrivals, "north", "token-of-north", name))
    quiet.receiver.settings = settings_for(tmp_path)
    with pytest.raises(ConfigurationError, match="API key of shop 'north' cannot be read: the file is empty"):
        quiet.receiver.check_keys()


def test_names_and_tokens_of_shops_are_their_own(quiet: Desk) -> None:
    write, arrivals = quiet.receiver.database.write, quiet.receiver.arrivals
    write(lambda: add_shop(arrivals, "north", "token-of-north", None))
    with pytest.raises(Conflict, match="named 'north'"):
        write(lambda: add_shop(arrivals, "north", "another-token", None))
    with pytest.raises(Conflict, match="has this token"):
        write(lambda: add_shop(arrivals, "south", "token-of-north", None))


def test_the_token_of_the_environment_may_be_replaced(tmp_path: Path) -> None:
    for token, good in (
        ("first-token", ["first-token"]),
        ("second-token", ["first-token", "second-token"]),
        ("third-token", ["second-token", "third-token"]),
    ):
        desk = Desk(settings_for(tmp_path, token=token, perform="elsewhere"))
        answers = {
            known: asyncio.run(ask_asgi(desk.inbox, Request(path=f"/{known}"))).status
            for known in ("first-token", "second-token", "third-token")
        }
        assert [known for known, status in answers.items() if status == 200] == good
        if token == "first-token":
            desk.receiver.database.write(partial(add_shop, desk.receiver.arrivals, "another", "token-of-another", None))
        desk.inbox.close()
    with pytest.raises(ConfigurationError, match="OMBUD_TOKEN: Another shop has this token"):
        Desk(settings_for(tmp_path, token="token-of-another"))
    with pytest.raises(ConfigurationError, match="OMBUD_TOKEN: A token has 8 to 200"):
        Desk(settings_for(tmp_path, token="short"))
