"""The shop's API key stays where it was given: not in the log, the database, or anything a person is shown."""

import json
import logging
from pathlib import Path

import pytest

from ombud.admin.arrivals import list_arrivals
from ombud.admin.overview import receiver_overview
from ombud.mailbox.ids import ID_LIMIT
from tests.receiver.store import KEY, Answer, Store, answer_json
from tests.receiver.world import Desk

# An API that fails, and says back what it was sent wherever an answer has room.
TROUBLE = (
    Answer(401, KEY.encode()),
    answer_json({"error": f"bad key {KEY}"}, 403),
    answer_json({"code": 400, "error": KEY}, 400),
    Answer(302, b"", (("Location", f"http://127.0.0.1:9/?key={KEY}"),)),
    Answer(500, f"Traceback: {KEY}".encode()),
    Answer(200, f"<html>{KEY}</html>".encode(), (("Content-Type", "text/html"),)),
    Answer(200, b'{"product": ["' + KEY.encode()),
    answer_json({KEY: KEY}),
    answer_json([KEY]),
    Answer(503, KEY.encode(), (("Retry-After", "0"),)),
    Answer(404, KEY.encode()),
)


async def test_an_api_that_fails_in_every_way_reveals_nothing(
    desk: Desk, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store.dials.next_answers.extend(TROUBLE)
    order_id = store.pay()
    async with desk.at_work():
        await desk.hear("order.new", order_id)
        await desk.settled()
    assert not store.dials.next_answers
    read = desk.receiver.database.read
    shown = json.dumps([read(lambda: list_arrivals(ID_LIMIT - 1, 50)), read(receiver_overview)])
    assert shown.count("reason") >= len(TROUBLE) // 2
    folder = Path(desk.receiver.database.name).parent
    stored = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    assert KEY not in shown
    assert KEY not in caplog.text
    assert KEY.encode() not in stored
