"""A line of the story says what became of an event, in words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ombud.web.panel_story import Step, Tone, line_of
from ombud.web.words import ENGLISH, exact, words_in

WORDS = words_in(ENGLISH)
AT = "2026-11-02T08:14:05.000000Z"
LATER = "2026-11-02T08:14:05.012000Z"


def tried(status: int | None, milliseconds: int = 4, outcome: str = "done", at: str = AT) -> dict[str, Any]:
    return {"at": at, "status": status, "milliseconds": milliseconds, "outcome": outcome, "reason": None, "late": False}


def work(state: str, *attempts: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    base = {"state": state, "reason": reason, "next_attempt_at": AT, "tries": len(attempts), "attempts": list(attempts)}
    return base | {"url": "http://127.0.0.1:8702/…"} | more


def event(*deliveries: dict[str, Any]) -> dict[str, Any]:
    return {"created_at": AT, "fan_out": len(deliveries), "deliveries": list(deliveries)}


def arrival(state: str = "done", read: int | None = 200, runs: Any = (), **more: Any) -> dict[str, Any]:
    document = {"status": read, "milliseconds": 6} if read else None
    return work(state, **more) | {"received_at": LATER, "read": document, "runs": list(runs)}


def run(state: str, *attempts: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return work(state, *attempts, reason=reason, handler="ship")


def words(event: dict[str, Any], arrival: dict[str, Any] | None = None) -> list[list[str]]:
    stages = line_of({"event": event, "arrival": arrival}, WORDS).stages
    return [[f"{step.tone} {step.words} | {step.about}" for step in stage] for stage in stages]


def test_all_went_well() -> None:
    story = {
        "event": event(work("done", tried(200))),
        "arrival": arrival(runs=[run("done", tried(None, 2, at=LATER))]),
    }
    line = line_of(story, WORDS)
    assert line.took == "14 ms"
    assert line.stages == [
        [Step(Tone.GOOD, "GET 200", "4 ms")],
        [Step(Tone.GOOD, "arrived", "12 ms later")],
        [Step(Tone.GOOD, "read 200", "6 ms")],
        [Step(Tone.GOOD, "handler ship done", "2 ms")],
    ]


def test_nobody_wanted_it() -> None:
    assert words(event()) == [["off not sent | no endpoint wanted it"]]


@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        (work("pending"), "waiting GET waits | "),
        (work("dead", tried(500), tried(None, outcome="dead")), "bad GET failed | 4 ms, try 2, given up"),
        (work("skipped", reason="endpoint disabled"), "off no GET | endpoint disabled"),
        (work("done", tried(500, outcome="retry"), tried(204, 1_500)), "good GET 204 | 1.5 s, try 2"),
    ],
)
def test_a_get(delivery: dict[str, Any], expected: str) -> None:
    assert words(event(delivery)) == [[expected]]


def test_a_get_that_will_be_repeated() -> None:
    [[step]] = words(event(work("pending", tried(500, outcome="retry"))))
    assert step == "waiting GET 500 | 4 ms, again now"


def test_several_endpoints_are_told_apart_and_bounded() -> None:
    [stage] = words(event(*[work("done", tried(200))] * 6))
    assert stage == ["good GET 200 | 4 ms, 127.0.0.1:8702"] * 4 + ["off and 2 more | "]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (arrival("pending", None), ["waiting read waits | "]),
        (arrival("dead", None, reason="Unconfirmed."), ["bad no read | given up"]),
        (arrival(read=404), ["good read 404 | 6 ms"]),
        (arrival("skipped", reason="covered by evt_1"), ["good read 200 | 6 ms, together with a later arrival"]),
    ],
)
def test_a_read(document: dict[str, Any], expected: list[str]) -> None:
    assert words(event(), document)[2] == expected


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], ["off no handler called | nothing new to tell"]),
        ([run("pending")], ["waiting handler ship waits | "]),
        ([run("dead", tried(None, outcome="dead"))], ["bad handler ship gave up | 4 ms, given up"]),
        (
            [run("skipped", tried(None, outcome="skip"), reason="not ours")],
            ["off handler ship skipped | 4 ms, not ours"],
        ),
    ],
)
def test_runs(runs: list[dict[str, Any]], expected: list[str]) -> None:
    line = line_of({"event": event(), "arrival": arrival(runs=runs)}, WORDS)
    assert line.took == ""
    assert words(event(), arrival(runs=runs))[3] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-02T08:14:05.000000Z", "just now"),
        ("2026-11-02T08:14:02.900000Z", "2 s ago"),
        ("2026-11-02T08:09:05.000000Z", "5 min ago"),
        ("2026-11-02T05:00:00.000000Z", "3 h ago"),
        ("2026-11-01T05:00:00.000000Z", "1 day ago"),
        ("2026-10-02T05:00:00.000000Z", "31 days ago"),
        ("2026-11-02T08:14:05.500000Z", "now"),
        ("2026-11-02T08:14:35.500000Z", "in 30 s"),
    ],
)
def test_times_are_distances(text: str, expected: str) -> None:
    assert WORDS.ago(text, datetime(2026, 11, 2, 8, 14, 5, 300, tzinfo=UTC)) == expected


def test_what_should_have_been_done_is_due_now() -> None:
    now = datetime(2026, 11, 2, 8, 14, 5, tzinfo=UTC)
    assert WORDS.due("2026-11-02T08:14:01.000000Z", now) == WORDS.due("2026-11-02T08:14:05.500000Z", now) == "now"
    assert WORDS.due("2026-11-02T08:14:35.000000Z", now) == "in 30 s"


def test_exact_times_and_durations() -> None:
    assert exact("2026-11-02T08:14:05.123456Z") == "2026-11-02 08:14:05.123 UTC"
    assert [WORDS.duration(value) for value in (0, 999, 1_000, 59_000, 61_000)] == [
        "0 ms",
        "999 ms",
        "1.0 s",
        "59.0 s",
        "1 min",
    ]
