"""What arrived and the runs of handlers, as people find them and what they do with them, on each of the databases."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ombud.admin.access import Caller
from ombud.admin.arrivals import brief_arrivals, get_arrival, list_arrivals
from ombud.admin.audit import audit
from ombud.admin.audit_log import list_entries
from ombud.admin.difference import LONGEST_VALUE, MOST_FIELDS, Field, difference
from ombud.admin.events import Document
from ombud.admin.inbox_actions import read_again, release, run_again, skip_arrival, skip_run
from ombud.admin.inbox_search import NEWEST, Sought, seen_by
from ombud.admin.runs import get_run, handler_names, list_runs, shop_names
from ombud.db.operation import Operation
from ombud.errors import Conflict, NotFound
from ombud.mailbox.ids import parse_id
from ombud.mailbox.model import Dead, Done, Draft, Outcome, Retry, State
from ombud.receiver.listed import HELD
from ombud.receiver.receiver import Receiver
from ombud.receiver.shops import add_shop, list_shops, sql
from ombud.settings import Settings
from tests.admin.audited import make_receiver
from tests.admin.post import Post
from tests.support.databases import Home

ANNA, STRANGER = Caller("anna"), Caller("stranger", 7)


class Desk:
    """A receiver in whose database every state is found."""

    def __init__(self, home: Home) -> None:
        make_receiver(home)
        self.database = home.open()
        self.receiver = Receiver(self.database, Settings())
        self.arrivals = Post(self.database, self.receiver.arrivals)
        self.changes = Post(self.database, self.receiver.changes)

    def arrive(self, *subjects: str) -> None:
        """Have products reported that nobody has looked at."""
        (shop,) = self.database.read(list_shops)
        drafts = [Draft(shop.id, "product.update", subject, [shop.reader_lane_id]) for subject in subjects]
        self.arrivals.run(lambda: self.receiver.arrivals.append(drafts))

    def found(self, of: Callable[..., Any] = brief_arrivals, rows: int = 100, **wanted: Any) -> list[Document]:
        """Return every arrival or run that a filter finds, in pages of so many rows."""
        found: list[Document] = []
        before, sought = NEWEST, Sought(**wanted)
        while True:
            page, more = self.database.read(partial(of, before, rows, sought))
            found += page
            if more is None:
                return found
            before = parse_id("evt", more)

    def do(self, act: Callable[..., Operation[None]], one: Document, caller: Caller = ANNA) -> None:
        """Do something with an arrival or a run."""
        if one["id"].startswith("evt_"):
            number = parse_id("evt", one["id"])
            self.database.write(partial(act, self.receiver.arrivals, caller, number))
        else:
            self.database.write(partial(act, self.receiver.changes, caller, *key_of(one)))

    def state(self, one: Document) -> tuple[str, str | None]:
        """Return how an arrival or a run is now."""
        if one["id"].startswith("evt_"):
            now = self.database.read(partial(get_arrival, parse_id("evt", one["id"])))
        else:
            now = self.database.read(partial(get_run, ANNA, *key_of(one)))
        return now["state"], now["reason"]


def key_of(run: Document) -> tuple[int, int]:
    digits = run["id"].removeprefix("dlv_")
    return parse_id("dlv", f"dlv_{digits[:13]}"), parse_id("dlv", f"dlv_{digits[13:]}")


@pytest.fixture
def desk(home: Home) -> Any:
    made = Desk(home)
    yield made
    made.receiver.close()


def test_arrivals_are_found_by_what_they_are(desk: Desk) -> None:
    every = desk.found()
    assert [one["id"] for one in every] == sorted((one["id"] for one in every), reverse=True)
    assert len(every) == 8
    for rows in (1, 3, 7):
        assert desk.found(rows=rows) == every
        assert [one["id"] for one in desk.found(list_arrivals, rows)] == [one["id"] for one in every]
    assert [one["subject"] for one in desk.found(subject="product/7")] == ["product/7"] * 2
    [junk] = desk.found(subject="")
    assert (junk["state"], junk["note"], junk["event_type"]) == ("stored", "no event_type: a=b", "malformed")
    assert {one["subject"] for one in desk.found(state=State.PENDING)} == {"product/9"}
    assert {one["state"] for one in desk.found(state=State.DONE)} == {"done"}
    assert len(desk.found(event_type="order.new")) == 2
    [shop] = desk.database.read(list_shops)
    assert desk.found(shop_id=shop.id) == every
    for nothing in ({"shop_id": 7}, {"until": 1}, {"since": desk.database.clock() + 1_000_000}, {"state": State.DEAD}):
        assert desk.found(**nothing) == []
    assert desk.database.read(partial(shop_names, ANNA)) == [(shop.id, "shop")]
    assert desk.database.read(partial(shop_names, STRANGER)) == []
    assert seen_by(STRANGER, Sought(shop_id=shop.id)).shop_id not in (0, 7, shop.id)
    assert seen_by(STRANGER, Sought()).shop_id == 7


def test_a_run_says_what_proves_it_and_what_differs(desk: Desk) -> None:
    runs = desk.found(list_runs)
    assert desk.found(list_runs, rows=1) == runs
    assert desk.database.read(handler_names) == ["left", "ship"]
    assert {one["handler"] for one in desk.found(list_runs, handler="ship")} == {"ship"}
    update = next(one for one in runs if (one["event_type"], one["handler"]) == ("product.update", "ship"))
    assert update["source"] == "webhook"
    whole = desk.database.read(partial(get_run, ANNA, *key_of(update)))
    assert (whole["before"], whole["after"]) == (True, True)
    assert whole["difference"] == [{"path": "price", "before": "10", "after": "12"}]
    assert whole["read"]["status"] == 200
    told = desk.found(subject="product/7")
    assert [one["id"] for one in whole["arrivals"]] == [told[0]["id"]]
    assert whole["arrivals"][0]["received_at"] < whole["read"]["started_at"]
    order = next(one for one in runs if one["subject"] == "order/1" and one["handler"] == "ship")
    proof = desk.database.read(partial(get_run, ANNA, *key_of(order)))
    assert len(proof["arrivals"]) == 3, "one read answers for all that had come"
    [first] = [one for one in desk.found(list_arrivals, subject="order/1") if one["id"] == proof["arrivals"][0]["id"]]
    assert first["read"]["id"] == proof["read"]["id"]
    assert order["id"] in {run["id"] for run in first["runs"]}
    with pytest.raises(NotFound):
        desk.database.read(partial(get_run, STRANGER, *key_of(order)))


def test_what_is_held_is_released_and_what_failed_is_tried_again_or_left_out(desk: Desk) -> None:
    desk.arrivals.perform(lambda _: Done(200))
    desk.arrive("product/21", "product/22", "product/23", "product/24")
    held, also, dead, later = [desk.found(subject=f"product/{number}")[0] for number in (21, 22, 23, 24)]
    (shop,) = desk.database.read(list_shops)
    keys = [(parse_id("evt", one["id"]), shop.reader_lane_id, HELD) for one in (held, also)]
    desk.database.write(lambda: hold(keys))
    outcomes: dict[str, Outcome] = {"product/23": Dead("The API says no."), "product/24": Retry("Later.", after=999)}
    desk.arrivals.perform(lambda one: outcomes[one.subject])
    for act in (release, read_again, skip_arrival):
        with pytest.raises(NotFound):
            desk.do(act, held, STRANGER)
        with pytest.raises(Conflict, match="Nothing can be read"):
            desk.do(act, desk.found(subject="")[0])
    assert {one["subject"] for one in desk.found(state=State.DEAD, held=True)} == {"product/21", "product/22"}
    assert {one["subject"] for one in desk.found(held=True)} == {"product/21", "product/22"}
    for rows in (1, 2, 9):
        assert len(desk.found(rows=rows, state=State.DEAD)) == 3
    assert [one["subject"] for one in desk.found(state=State.DEAD, held=False)] == ["product/23"]
    assert desk.state(held) == ("held", HELD)
    refused = [(release, dead, "not held"), (read_again, held, "Release it"), (read_again, later, "still waits")]
    for act, one, words in refused:
        with pytest.raises(Conflict, match=words):
            desk.do(act, one)
    desk.do(release, held)
    desk.do(read_again, dead)
    desk.do(skip_arrival, also)
    desk.do(skip_arrival, later)
    assert [desk.state(one)[0] for one in (held, dead, also, later)] == ["pending", "pending", "skipped", "skipped"]
    with pytest.raises(Conflict, match="due this moment"):
        desk.do(skip_arrival, held)
    with pytest.raises(Conflict, match="has ended"):
        desk.do(skip_arrival, also)
    entries = desk.database.read(lambda: list_entries(NEWEST, 10))
    verbs = ["skip", "skip", "retry", "release"]
    assert [(one["actor"], one["action"]) for one in entries] == [("anna", f"arrival.{verb}") for verb in verbs]
    assert [one["detail"] for one in entries] == ["product/24", "product/22", "product/23", "product/21"]
    assert desk.database.read(lambda: audit(None)).findings == []


def test_a_run_that_was_given_up_is_run_again_or_left_out(desk: Desk) -> None:
    desk.changes.perform(lambda one: Dead("KeyError: 'name'") if one.subject == "product/7" else Done())
    dead = desk.found(list_runs, state=State.DEAD)
    assert {one["handler"] for one in dead} == {"ship"}
    [one, *_] = dead
    desk.do(run_again, one)
    with pytest.raises(Conflict, match="still waits"):
        desk.do(run_again, one)
    with pytest.raises(NotFound):
        desk.do(skip_run, one, STRANGER)
    desk.changes.perform(lambda _: Dead("no again"))
    desk.do(skip_run, one)
    assert desk.state(one) == ("skipped", "skipped by hand")
    whole = desk.database.read(partial(get_run, ANNA, *key_of(one)))
    assert [(attempt["generation"], attempt["outcome"]) for attempt in whole["attempts"]][-2:] == [
        (0, "dead"),
        (1, "dead"),
    ]
    assert desk.database.read(lambda: audit(None)).findings == []


def test_a_second_shop_is_set_apart(desk: Desk) -> None:
    other = desk.database.write(lambda: add_shop(desk.receiver.arrivals, "other", "a-token-of-others", None))
    draft = Draft(other.id, "product.add", "product/7", [other.reader_lane_id])
    desk.arrivals.run(lambda: desk.receiver.arrivals.append([draft]))
    assert len(desk.found(subject="product/7")) == 3
    for wanted in ({"subject": "product/7"}, {}, {"state": State.PENDING}):
        [found] = desk.found(shop_id=other.id, **wanted)
        assert found["shop"] == "other"


def hold(keys: list[tuple[int, int, str]]) -> Operation[None]:
    yield sql["hold_arrival"], keys


def test_a_difference_names_each_field_once() -> None:
    before = {"id": 1, "stock": 3, "tags": ["a", "b"], "price": {"sek": "10"}, "gone": None, "same": [1, {"x": 2}]}
    after = {"id": 1, "stock": 2, "tags": ["a"], "price": {"sek": "10", "eur": "1"}, "same": [1, {"x": 2}], "new": {}}
    assert difference(before, after) == [
        Field("stock", "3", "2"),
        Field("price.eur", None, "1"),
        Field("new", None, "{}"),
        Field("tags[1]", "b", None),
        Field("gone", "null", None),
    ]
    assert difference(after, after) == difference(None, None) == []
    assert [field.after for field in difference(None, {"a": True, "b": "x" * 9_999})] == [
        "true",
        "x" * LONGEST_VALUE + "…",
    ]
    assert len(difference({}, {str(number): number for number in range(999)})) == MOST_FIELDS
