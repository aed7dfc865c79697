"""The simulated machine keeps to the rules of a real one: else a campaign that finds nothing means nothing."""

import random

from tests.faults.disk.log import Created, Deleted, Entry, FolderSynced, Synced, Truncated, Written
from tests.faults.disk.machine import PAGE, Machine

TRIES = 300


def left(*entries: Entry) -> set[bytes | None]:
    """All that a power cut may leave of the file `a`."""
    machine = Machine()
    machine.live([Created(1, "a"), FolderSynced(), *entries])
    return {machine.after_power_cut(random.Random(number)).get("a") for number in range(TRIES)}


def test_what_was_synced_stays() -> None:
    assert left(Written(1, 0, b"kept"), Synced(1)) == {b"kept"}


def test_what_was_not_synced_may_be_there_or_not_or_in_part() -> None:
    assert left(Written(1, 0, b"old"), Synced(1), Written(1, 0, b"new")) == {b"old", b"nld", b"ned", b"new"}


def test_a_later_write_may_be_there_without_an_earlier_one() -> None:
    found = left(Written(1, 0, b"a"), Written(1, 1, b"b"))

    assert {b"", b"a", b"ab", b"\0b"} <= found


def test_a_shorter_file_may_be_long_again() -> None:
    assert left(Written(1, 0, b"long"), Synced(1), Truncated(1, 1)) == {b"long", b"l"}


def test_names_are_certain_only_when_the_folder_is() -> None:
    assert left(Deleted("a")) == {b"", None}
    assert left(Deleted("a"), FolderSynced()) == {None}


def test_a_name_may_still_mean_the_old_file() -> None:
    old: list[Entry] = [Written(1, 0, b"one"), Synced(1), Deleted("a")]
    new: list[Entry] = [Created(2, "a"), Written(2, 0, b"two"), Synced(2)]

    assert left(*old, *new) == {b"one", b"two", None}


def test_after_a_failed_sync_a_good_one_proves_nothing() -> None:
    failed = (Written(1, 0, b"x"), Synced(1, worked=False))

    assert left(*failed, Synced(1)) == {b"", b"x"}
    assert left(*failed, Written(1, PAGE, b"y"), Synced(1)) == {bytes(PAGE) + b"y", b"x" + bytes(PAGE - 1) + b"y"}


def test_who_writes_to_a_forgotten_page_makes_it_whole() -> None:
    assert left(Written(1, 0, b"x"), Synced(1, worked=False), Written(1, 1, b"y"), Synced(1)) == {b"xy"}


def test_a_restart_sees_everything() -> None:
    machine = Machine()
    machine.live([Created(1, "a"), Written(1, 2, b"x"), Synced(1, worked=False), Written(1, 0, b"y")])

    assert machine.after_restart() == {"a": b"y\0x"}
