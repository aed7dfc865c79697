"""Queries with bytes that no text may have, on every database: answered, stored, and had back byte for byte."""

from ombud.db.operation import Operation, Row, Statement
from ombud.receiver.arrival import MALFORMED, UNKNOWN, raw_query
from ombud.receiver.inbox import Inbox
from ombud.receiver.receiver import Receiver
from ombud.settings import Settings
from tests.receiver.fronts import FRONTS, Request
from tests.receiver.world import TOKEN
from tests.support.databases import Home

START = b"event_type=order.new&order_id="
# Not UTF-8, a NUL (which PostgreSQL's text cannot have), half an escape, an overlong form, a surrogate, raw bytes.
ODD = [
    *(START + odd for odd in (b"%ff", b"%00", b"%", b"%zz", b"%c0%80", b"%ed%a0%80")),
    *(START + odd for odd in (b"\x00", b"\xe5", b"\xed\xa0\x80")),
    b"event_type=order.x%00&a=\\x00\\",
    bytes(range(1, 256)),
]


def stored() -> Operation[list[Row]]:
    rows: list[Row] = yield Statement("stored", "select type, data from event order by id"), {}
    return rows


async def test_odd_bytes_are_stored_as_they_came(home: Home) -> None:
    settings = Settings(database_url=home.url, token=TOKEN, perform="elsewhere")
    inbox = Inbox(settings)
    inbox.open_on(Receiver(home.open(), settings))
    for ask in FRONTS.values():
        for query in ODD:
            assert (await ask(inbox, Request(query))).status == 200
        for path in (f"/hooks/{TOKEN}\0", "/hooks/\0", "/hooks/å\udcff"):
            assert (await ask(inbox, Request(ODD[0], path=path))).status == 404
    rows = inbox.receiver.database.read(stored)
    inbox.close()
    assert [raw_query(row["data"]) for row in rows] == ODD * len(FRONTS)
    assert {row["type"] for row in rows} == {MALFORMED, UNKNOWN}
