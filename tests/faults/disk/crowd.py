"""Processes that write to one file at once, and one that copies its log into it all the while.

usage: python -m tests.faults.disk.crowd WORK PATH NUMBER HISTORY
WORK is write, checkpoint, or truncate, which is no checkpoint and throws the log away. Prints a line when it begins,
and ends when its standard input does.
"""

import os
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from ombud.db.operation import Make, Operation, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.errors import StorageUnavailable
from tests.faults.history import History

MODES = ("passive", "full", "restart", "truncate")
# Seconds between two copies of the log at most, and between two commits of a writer: enough for every order of events,
# and little enough that ten minutes leave a file that can be read through in seconds.
PAUSE_SECONDS = 0.02
# Bytes of a row: a part of a page, or most of one.
SIZES = (20, 20, 3_000)
# What one process may write: its rows' numbers begin at its own number times this.
ROWS = 1_000_000_000

TABLE = Statement("table_item", "create table if not exists item(id integer primary key, body blob not null)")
_INSERT = Statement("insert_item", "insert into item(id, body) values (:id, :body)")


def _make_table() -> Operation[None]:
    yield TABLE, {}


def _insert(numbers: range, body: bytes) -> Make[None]:
    def make() -> Operation[None]:
        yield _INSERT, [{"id": number, "body": body} for number in numbers]

    return make


def write(path: Path, number: int, history: History, ended: Callable[[float], bool]) -> None:
    """Store rows in groups, and write down what was acknowledged."""
    database, chance, next_row = SqliteDatabase(path), random.Random(number), number * ROWS
    database.write(_make_table)
    print("begun", flush=True)
    while not ended(chance.uniform(0, PAUSE_SECONDS)):
        groups = []
        for _ in range(chance.randint(1, 3)):
            groups.append(range(next_row, next_row + chance.randint(1, 3)))
            next_row = groups[-1].stop
        results = database.write_all([_insert(group, chance.randbytes(chance.choice(SIZES))) for group in groups])
        for group, result in zip(groups, results, strict=True):
            if result is None:
                for row in group:
                    history.write("ack", str(row))
            elif not isinstance(result, StorageUnavailable):
                raise result
    database.close()


def checkpoint(path: Path, number: int, history: History, ended: Callable[[float], bool]) -> None:
    """Copy the log into the file in all the ways there are, without any of Ombud's locks."""
    connection, chance = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE), random.Random(number)
    print("begun", flush=True)
    while not ended(chance.uniform(0, PAUSE_SECONDS)):
        answer: list[tuple[Any, ...]] = connection.execute(f"pragma wal_checkpoint({chance.choice(MODES)})").fetchall()
        ((busy, _, copied),) = answer
        if not busy and copied > 0:
            history.write("checkpoint", str(copied))
    connection.close()


def truncate(path: Path, number: int, history: History, ended: Callable[[float], bool]) -> None:
    """Throw the log away now and then."""
    chance = random.Random(number)
    print("begun", flush=True)
    while not ended(chance.uniform(0, 10 * PAUSE_SECONDS)):
        os.truncate(f"{path}-wal", 0)
        history.write("truncate", "0")


WORKS = {"write": write, "checkpoint": checkpoint, "truncate": truncate}


def main() -> None:
    work, path, number, history = sys.argv[1:]
    ended = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    WORKS[work](Path(path), int(number), History(Path(history)), ended.wait)


if __name__ == "__main__":
    main()
