"""Of two who edit the same thing at the same moment, on each of the databases."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ombud.admin.access import EVERY_SHOP, OPERATOR
from ombud.admin.alarms.channel import ChannelEdit, Kind, etag_of
from ombud.admin.alarms.channels import ChannelEdits
from ombud.admin.edits import EndpointEdits
from ombud.admin.edits import etag_of as etag_of_endpoint
from ombud.admin.inbox_shops import ShopEdits, get_tagged_shop, list_inbox_shops
from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.db.operation import Make, Operation
from ombud.errors import Conflict, Outdated
from ombud.mailbox.ids import parse_id
from ombud.mailbox.model import Health, Lane
from ombud.receiver.inbox import Inbox
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.endpoints import TESTS_PER_MINUTE
from ombud.sender.guard import Guard
from ombud.sender.sender import Sender
from ombud.settings import Settings
from tests.admin.post import once
from tests.support.commits import meanwhile
from tests.support.databases import Home


def check_refused(database: Database, first: Make[Any], home: Home, second: Make[Any]) -> None:
    """Check that the second, which begins before the first is stored, sees a version that is not its own."""
    other = home.open()
    with pytest.raises(Outdated):
        meanwhile(database, first, other, second)
    other.close()


def test_of_two_who_change_the_same_endpoint_one_is_refused(
    sender: Sender, database: Database, shared_home: Home
) -> None:
    edits = EndpointEdits(sender.endpoints, database.clock)
    edit = EndpointEdit("https://8.8.8.8/", ("order.new",))
    made = database.write(lambda: edits.add(OPERATOR, edit, 7, None))
    change: Any = partial(edits.change, OPERATOR, made.id, etag_of_endpoint(made))
    check_refused(database, partial(change, description="mine"), shared_home, partial(change, description="theirs"))
    assert database.read(lambda: edits.get(OPERATOR, made.id)).edit.description == "mine"


def test_an_edit_leaves_an_endpoint_disabled_that_the_sender_disables_meanwhile(
    sender: Sender, database: Database, shared_home: Home
) -> None:
    edit = EndpointEdit("https://8.8.8.8/", ("order.new",))
    made = database.write(lambda: sender.endpoints.add(edit, 7, None))
    other = shared_home.open()
    disable = partial(sender.notices.disable, 7, made.id, "Every try has failed.")
    meanwhile(database, disable, other, partial(sender.endpoints.change, made.id, description="mine"))
    found = database.read(lambda: sender.endpoints.get(made.id))
    assert (found.edit.enabled, found.disabled_reason) == (False, "Every try has failed.")
    assert (found.edit.description, found.disabled_at is not None) == ("mine", True)
    other.close()


def test_lanes_of_one_endpoint_that_open_and_close_at_once_see_each_other(
    sender: Sender, database: Database, shared_home: Home, run_sql: Callable[..., list[Any]]
) -> None:
    made = database.write(lambda: sender.endpoints.add(EndpointEdit("https://8.8.8.8/"), EVERY_SHOP, None))
    first, second, third, *_ = database.read(lambda: sender.endpoints.lanes_of(made))
    well, sick = Health(), Health(closed_at=1)

    def turn(lane_id: int, before: Health, now: Health) -> Operation[None]:
        yield from once("update lane set closed_at = :at where id = :id", id=lane_id, at=now.closed_at)
        lane = Lane(lane_id, EVERY_SHOP, made.id, 0, 0, now, 0, None, stored=True)
        yield from sender.notices.on_health(lane, before, now)

    def closed() -> bool:
        return bool(run_sql("select 1 from endpoint where closed_since is not null"))

    other = shared_home.open()
    for lane_id in (first, second):
        database.write(partial(turn, lane_id, well, sick))
    meanwhile(database, partial(turn, first, sick, well), other, partial(turn, second, sick, well))
    assert not closed()
    database.write(partial(turn, first, well, sick))
    meanwhile(database, partial(turn, third, well, sick), other, partial(turn, first, sick, well))
    assert closed()
    other.close()


def test_of_two_who_test_an_endpoint_at_once_the_second_counts_the_first(
    sender: Sender, database: Database, shared_home: Home
) -> None:
    edits = EndpointEdits(sender.endpoints, database.clock)
    made = database.write(lambda: edits.add(OPERATOR, EndpointEdit("https://8.8.8.8/"), 7, None))
    test = partial(edits.test, OPERATOR, made.id, None, "1")
    for _ in range(TESTS_PER_MINUTE - 1):
        database.write(test)
    other = shared_home.open()
    with pytest.raises(Conflict, match="within a minute"):
        meanwhile(database, test, other, test)
    other.close()


def test_of_two_who_edit_the_same_channel_one_is_refused(database: Database, shared_home: Home) -> None:
    edits, now = ChannelEdits(Guard(), mail=True), database.clock()
    edit = ChannelEdit(Kind.EMAIL, "anna@example.test")
    made = database.write(lambda: edits.add(OPERATOR, edit, EVERY_SHOP, now))
    change = partial(edits.change, OPERATOR, made.id, etag_of(made), now, name="mine")
    delete = partial(edits.delete, OPERATOR, made.id, etag_of(made), now)
    check_refused(database, change, shared_home, delete)
    assert database.read(lambda: edits.get(OPERATOR, made.id)).edit.name == "mine"


def test_of_two_who_edit_the_same_shop_one_is_refused(home: Home) -> None:
    inbox = Inbox(Settings(database_url=home.url, token="token-of-the-shop", perform="elsewhere"))
    edits, database = ShopEdits(inbox.receiver), inbox.receiver.database
    migrate(database, ["ombud.admin"])
    [shop] = database.read(lambda: list_inbox_shops(OPERATOR, "", 2))
    number = parse_id("shop", shop["id"])
    _, tag = database.read(lambda: get_tagged_shop(OPERATOR, number, database.clock()))
    pause, resume = (partial(act, OPERATOR, number, tag) for act in (edits.pause, edits.resume))
    check_refused(database, pause, home, resume)
    inbox.close()
