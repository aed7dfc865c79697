"""The ack path, through both doors: 200 for what is stored, and nothing stored for everything else."""

import hmac
from collections import Counter
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ombud.db.sqlite import SqliteDatabase
from ombud.mailbox.model import Box
from ombud.receiver import flood
from ombud.receiver.arrival import LONGEST_QUERY
from ombud.receiver.shops import DEFAULT_NAME, add_shop
from tests.receiver.fronts import PATH, Front, Request
from tests.receiver.world import TOKEN, Desk, once, settings_for
from tests.support.virtual import set_monotonic

NEW = b"event_type=order.new&order_id=90017"


def events(desk: Desk) -> list[tuple[str, str, int]]:
    rows = desk.rows("select type, subject, fan_out from event where box = :box order by id", box=Box.INBOX)
    return [(row["type"], row["subject"], row["fan_out"]) for row in rows]


async def test_a_webhook_is_stored_and_answered(quiet: Desk, front: Front) -> None:
    paths = (PATH, f"{PATH}/", f"/{TOKEN}", f"/a/b/{TOKEN}", TOKEN)
    for path in paths:
        answer = await front(quiet.inbox, Request(NEW, path=path))
        assert (answer.status, answer.body) == (200, b"")
    assert events(quiet) == [("order.new", "order/90017", 1)] * len(paths)


async def test_the_row_is_there_for_everybody_when_the_answer_is(quiet: Desk, front: Front) -> None:
    other = SqliteDatabase(Path(quiet.receiver.database.name))
    for number in range(20):
        query = f"event_type=order.new&order_id={number}".encode()
        assert (await front(quiet.inbox, Request(query))).status == 200
        [row] = other.read(lambda: once("select subject from event order by id desc limit 1"))
        assert row["subject"] == f"order/{number}"
    other.close()


async def test_only_a_get_is_a_webhook(quiet: Desk, front: Front) -> None:
    for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get", "X"):
        answer = await front(quiet.inbox, Request(NEW, method))
        assert (answer.status, answer.headers["allow"]) == (405, "GET"), method
        assert (answer.body == b"") == (method == "HEAD")
    assert events(quiet) == []


WRONG = (
    "/hooks/nobody",
    f"/{TOKEN}x",
    f"/{TOKEN[:-1]}",
    f"/{TOKEN}/x",
    f"/{TOKEN.upper()}",
    f"/{TOKEN}%00",
    f"/{TOKEN}\0",
)


@pytest.mark.parametrize("after_a_good_one", [False, True])
async def test_a_wrong_token_is_unknown_whatever_is_asked(quiet: Desk, front: Front, after_a_good_one: bool) -> None:
    if after_a_good_one:
        assert (await front(quiet.inbox, Request(NEW))).status == 200
    for path in (*WRONG, "/hooks/", "/", "", "/hooks/å\udcff", "/\0"):
        for method in ("GET", "POST"):
            answer = await front(quiet.inbox, Request(NEW, method, path))
            assert (answer.status, answer.body) == (404, b"Not found."), path
    assert len(events(quiet)) == after_a_good_one


BROWSERS: tuple[dict[str, str], ...] = (
    {"sec-purpose": "prefetch"},
    {"sec-purpose": "prefetch;prerender"},
    {"sec-fetch-mode": "navigate"},
    {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
)


async def test_a_browser_that_looks_is_told_so(quiet: Desk, front: Front) -> None:
    for headers in BROWSERS:
        answer = await front(quiet.inbox, Request(NEW, headers=headers))
        assert answer.status == 400
        assert b"a browser has nothing to look for here" in answer.body
    assert events(quiet) == []


UNUSABLE = (
    (b"", "malformed"),
    (b"event_type=order.new", "malformed"),
    (b"event_type=order.new&order_id=", "malformed"),
    (b"event_type=order.new&order_id=1&order_id=2", "malformed"),
    (b"event_type=order.new&order_id=%ff", "malformed"),
    (b"event_type=order.new&order_id=%00", "malformed"),
    (b"event_type=order.new&order_id=\xc3\xa5", "malformed"),
    (b"event_type=order.new;order_id=1", "unknown"),
    (b"event_type=order.refunded&order_id=1", "unknown"),
    (b"event_type=%22%3Cscript%3E", "unknown"),
)


async def test_what_cannot_be_used_is_stored_to_be_seen(quiet: Desk, front: Front) -> None:
    for query, kind in UNUSABLE:
        assert (await front(quiet.inbox, Request(query))).status == 200
        assert events(quiet)[-1] == (kind, "", 0)
        [row] = quiet.rows("select data from event order by id desc limit 1")
        assert row["data"].endswith(query.decode("ascii", "backslashreplace"))
    assert len(events(quiet)) == len(UNUSABLE)


async def test_a_query_may_be_long_but_not_longer(quiet: Desk, front: Front) -> None:
    room = LONGEST_QUERY - len(NEW) - 3
    assert (await front(quiet.inbox, Request(NEW + b"&a=" + b"x" * room))).status == 200
    assert (await front(quiet.inbox, Request(NEW + b"&a=" + b"x" * (room + 1)))).status == 414
    assert len(events(quiet)) == 1


async def test_too_much_junk_is_refused_and_webhooks_are_not(
    quiet: Desk, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flood, "JUNK_PER_MINUTE", 3)
    set_monotonic(monkeypatch, "ombud.receiver.flood", lambda: 1_000.0)
    answers = [await front(quiet.inbox, Request(b"junk")) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[3].headers["retry-after"] == "60"
    assert (await front(quiet.inbox, Request(NEW))).status == 200
    assert len(events(quiet)) == 4
    set_monotonic(monkeypatch, "ombud.receiver.flood", lambda: 1_060.0)
    assert (await front(quiet.inbox, Request(b"junk"))).status == 200


async def test_a_flood_of_one_webhook_is_cut_and_others_are_taken(
    tmp_path: Path, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_monotonic(monkeypatch, "ombud.receiver.flood", lambda: 1_000.0)
    desk = Desk(settings_for(tmp_path, api_key=None, perform="elsewhere", alike_per_minute=10))
    desk.receiver.database.write(lambda: add_shop(desk.receiver.arrivals, "another", "another-token", None))
    answers = [await front(desk.inbox, Request(NEW)) for _ in range(200)]
    assert Counter(answer.status for answer in answers) == {200: 10, 429: 190}
    assert answers[-1].headers["retry-after"] == "60"
    for request in (
        Request(b"event_type=order.done&order_id=90017"),
        Request(b"event_type=order.new&order_id=90018"),
        Request(NEW, path="/hooks/another-token"),
    ):
        assert (await front(desk.inbox, request)).status == 200
    assert len(events(desk)) == 13
    desk.inbox.close()


async def test_a_flood_of_new_ids_is_cut_until_there_is_room_again(
    tmp_path: Path, front: Front, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = count(1)

    async def ask(path: str = PATH) -> int:
        return (await front(desk.inbox, Request(b"event_type=order.new&order_id=%d" % next(numbers), path=path))).status

    set_monotonic(monkeypatch, "ombud.receiver.flood", lambda: 1_000.0)
    desk = Desk(settings_for(tmp_path, api_key=None, perform="elsewhere", webhooks_per_hour=2))
    desk.receiver.database.write(lambda: add_shop(desk.receiver.arrivals, "another", "another-token", None))
    at_once = 2 * flood.HOURS_AT_ONCE
    assert [await ask() for _ in range(at_once + 3)] == [200] * at_once + [429] * 3
    assert await ask("/hooks/another-token") == 200
    long = Request(b"x" * (at_once - 2) * flood.ROW_BYTES)
    assert [(await front(desk.inbox, long)).status for _ in range(2)] == [200, 429]
    set_monotonic(monkeypatch, "ombud.receiver.flood", lambda: 1_000.0 + 3_600)
    assert [await ask() for _ in range(3)] == [200, 200, 429]
    assert len(events(desk)) == at_once + 4
    # Once in a minute, whatever was refused.
    [said] = [one.getMessage() for one in caplog.records if "are refused" in one.getMessage()]
    assert "Too many webhooks of this shop" in said
    assert [(row["what"], row["amount"]) for row in desk.rows("select what, amount from meter")] == [("refused", 1)]
    desk.inbox.close()


async def test_a_token_is_its_own_shops_whatever_another_thread_asks_meanwhile(
    quiet: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, hook = quiet.receiver.database, quiet.inbox.open().hook
    database.write(lambda: add_shop(quiet.receiver.arrivals, "another", "another-token", None))
    for token in (TOKEN, "another-token"):
        assert database.read(partial(hook.learn, token))

    def compare_while_another_asks(one: str, other: str) -> bool:
        with monkeypatch.context() as alone:
            alone.setattr("ombud.receiver.hook.compare_digest", hmac.compare_digest)
            assert hook.recall("another-token")
        return hmac.compare_digest(one, other)

    hook.recall(TOKEN)
    monkeypatch.setattr("ombud.receiver.hook.compare_digest", compare_while_another_asks)
    shop = hook.recall(TOKEN)
    assert shop
    assert shop.name == DEFAULT_NAME


async def test_tokens_are_compared_by_digests_of_one_length(
    quiet: Desk, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    compare = hmac.compare_digest

    def record(one: bytes, other: bytes) -> bool:
        compared.extend((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr("ombud.receiver.shops.hmac.compare_digest", record)
    for token in (TOKEN, TOKEN[:-1], TOKEN + "x", "x" * 5_000, ""):
        await front(quiet.inbox, Request(NEW, path=f"/hooks/{token}"))
    assert compared == [32, 32]
    assert [len(digest) for digest in quiet.inbox.hook._tokens] == [32]


ONE_OF_EACH = (
    Request(NEW),
    Request(b"junk"),
    Request(NEW, "HEAD"),
    Request(NEW, "POST"),
    Request(NEW, path="/hooks/nobody"),
    Request(NEW, headers={"sec-fetch-mode": "navigate"}),
    Request(b"x" * (LONGEST_QUERY + 1)),
)


async def test_no_answer_may_be_kept_by_a_cache(quiet: Desk, front: Front) -> None:
    for request in ONE_OF_EACH:
        answer = await front(quiet.inbox, request)
        assert answer.headers["cache-control"] == "no-store"
        says = None if answer.status == 200 else "text/plain; charset=utf-8"
        assert answer.headers.get("content-type") == says
        assert int(answer.headers["content-length"]) == len(answer.body) or request.method == "HEAD"


TEXT = st.text(st.characters(max_codepoint=255), max_size=40)
HEADERS = st.dictionaries(
    st.sampled_from(["sec-purpose", "sec-fetch-mode", "purpose", "host", "x"]) | TEXT.map(str.lower), TEXT, max_size=4
)
METHODS = st.sampled_from(["GET", "HEAD", "POST"]) | TEXT
PATHS = st.just(PATH) | st.text(max_size=40).map(lambda text: f"/{text}") | st.just(f"{PATH}//")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(METHODS, PATHS, st.binary(max_size=200) | st.binary(max_size=40).map(NEW.__add__), HEADERS)
async def test_no_request_is_a_failure_of_ours(
    quiet: Desk, front: Front, method: str, path: str, query: bytes, headers: dict[str, str]
) -> None:
    before = len(events(quiet))
    answer = await front(quiet.inbox, Request(query, method, path, headers))
    assert answer.status in {200, 400, 404, 405, 414, 429}
    assert len(events(quiet)) - before == (answer.status == 200)
