"""What a sender remembers of endpoints holds until somebody changes one, whoever it is and however."""

from collections.abc import Iterator
from typing import Any

import pytest

from ombud.db.operation import Operation, Row, Statement
from ombud.mailbox.load import NO_DESTINATION, facts_of
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.outbox import Event, sql
from ombud.sender.sender import Sender
from ombud.settings import Settings
from ombud.signing import new_secret
from tests.mailbox.office import StoppedClock
from tests.support.commits import held_open
from tests.support.databases import POSTGRES, Home

URL = "https://93.184.216.34/hooks"


class House:
    """A sender with one endpoint, of which it knows all there is, and another program with the same file."""

    def __init__(self, home: Home) -> None:
        self.clock = StoppedClock()
        self.sender = Sender(home.open(self.clock), Settings())
        self.other, self.is_postgres = home.open(), home.is_postgres
        self.sender.prepare()
        endpoints = self.sender.endpoints
        added = self.sender.database.write(lambda: endpoints.add(EndpointEdit(URL, ["order.new"]), 1, new_secret()))
        self.id, self.lane_id = added.id, added.lane_id
        assert (self.wanted(), self.facts()["url"]) == (1, URL)

    def close(self) -> None:
        self.other.close()
        self.sender.close()

    def publish(self) -> Operation[int]:
        [published] = yield from self.sender.outbox.publish([Event("order.new", "1")])
        return published.deliveries

    def wanted(self) -> int:
        return self.sender.database.write(self.publish)

    def facts(self) -> Row:
        return self.sender.database.write(lambda: facts_of(self.sender.outbox.mailbox, [self.lane_id]))[self.lane_id]

    def change(self, sql: str) -> None:
        self.other.write(lambda: run(sql, id=self.id))


def run(sql: str, **values: Any) -> Operation[None]:
    yield Statement("test", sql), values


@pytest.fixture
def house(home: Home) -> Iterator[House]:
    made = House(home)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ("update endpoint set deleted_at = 1 where id = :id", 0),
        ("delete from endpoint where id = :id", 0),
        ("delete from subscription where endpoint_id = :id", 0),
        ("update subscription set event_type = 'order.done' where endpoint_id = :id", 0),
        (
            """insert into endpoint(shop_id, id, lane_id, url, description, enabled, created_at, updated_at)
            select 0, id + 1, lane_id, url, '', 1, 1, 1 from endpoint where id = :id""",
            1,
        ),
        ("insert into subscription(shop_id, event_type, endpoint_id) values (1, 'order.done', :id)", 1),
    ],
)
def test_what_another_program_changes_is_seen_by_the_next_event(house: House, change: str, wanted: int) -> None:
    before = house.sender.database.write(version)
    house.change(change)

    assert house.sender.database.write(version) != before
    assert house.wanted() == wanted


def test_where_an_endpoint_leads_is_what_was_committed_last(house: House) -> None:
    house.change("update endpoint set url = 'https://a.example', gone_at = 5 where id = :id")
    assert (house.facts()["url"], house.facts()["gone_at"]) == ("https://a.example", 5)
    house.change("update endpoint set enabled = 0 where id = :id")
    assert house.facts()["closed"] == "endpoint disabled"
    house.change("delete from endpoint where id = :id")
    assert house.facts() == NO_DESTINATION


def test_what_was_undone_is_not_remembered(house: House) -> None:
    def delete_and_fail() -> Operation[None]:
        yield from house.sender.endpoints.delete(house.id)
        assert (yield from house.publish()) == 0
        raise RuntimeError("never mind")

    with pytest.raises(RuntimeError):
        house.sender.database.write(delete_and_fail)
    assert (house.wanted(), house.facts()["closed"]) == (1, None)


def test_an_older_secret_is_not_remembered_beyond_its_time(house: House) -> None:
    house.sender.database.write(lambda: house.sender.endpoints.rotate_secret(house.id, new_secret(), 60))
    assert len(house.facts()["secrets"].split()) == 2
    house.clock.jump(61)

    assert len(house.facts()["secrets"].split()) == 1


def test_without_its_trigger_a_change_would_be_missed(house: House) -> None:
    """So nothing is read for each event."""
    house.change(f"drop trigger endpoint_changed{' on endpoint' if house.is_postgres else ''}")
    assert (house.wanted(), house.facts()["url"]) == (1, URL)
    house.change("update endpoint set deleted_at = 1, url = '' where id = :id")

    assert (house.wanted(), house.facts()["url"]) == (1, URL)


@pytest.mark.parametrize("home", POSTGRES, indirect=True)
def test_two_who_change_endpoints_do_not_wait_for_each_other(house: House) -> None:
    """What the later of two commits has changed is noticed, although it has begun before the other one."""
    later = "update subscription set event_type = 'order.done' where endpoint_id = :id"
    with held_open(house.other.write, lambda: run(later, id=house.id)):
        house.sender.database.write(lambda: run("update endpoint set description = 'a' where id = :id", id=house.id))
        assert house.wanted() == 1

    assert house.wanted() == 0


def version() -> Operation[int]:
    rows = yield sql["endpoint_version"], {}, tuple
    return int(rows[0][0])
