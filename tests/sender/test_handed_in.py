"""The table `intake`: rows of any program become events, each once; what cannot be one stays with its reason."""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import pytest

from ombud.db.operation import Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.sender.outbox import Event
from ombud.sender.sender import Sender
from ombud.settings import Settings
from tests.sender.conftest import Running
from tests.support.databases import Home
from tests.support.processes import ROOT

NOTHING_WAITS = "select 1 where not exists (select 1 from intake where refused is null)"
# Version, and whether its writers may lose what others have stored.
VERSIONS = {
    "3.7.17": True,
    "3.40.1": True,
    "3.44.5": True,
    "3.44.6": False,
    "3.45.0": True,
    "3.50.6": True,
    "3.50.7": False,
    "3.51.0": True,
    "3.51.2": True,
    "3.51.3": False,
    "3.52.0": False,
    "3.54.1": False,
    "3.100.0": False,
}


def write(running: Running, text: str, **values: Any) -> None:
    def operation() -> Any:
        yield Statement(text, text), values

    running.sender.database.write(operation)


async def test_rows_become_events_each_once(anywhere: Running, peer: Any, caplog: pytest.LogCaptureFixture) -> None:
    await anywhere.add(peer.url)
    await anywhere.sender.publish([Event("order.new", "before", event_key="taken")])
    insert = "insert into intake(shop, type, object_id, event_key) values (1, :type, :object_id, cast(:key as text))"
    for number in range(3):
        write(anywhere, insert, type="order.new", object_id=str(number), key=None)
    same = {"type": "product.add", "object_id": "7", "key": "once"}
    for row in (same, same, same | {"object_id": "8"}, {"type": "order.new", "object_id": "before", "key": "taken"}):
        write(anywhere, insert, **row)
    for wrong in ({"type": "order.paid"}, {"object_id": "no spaces"}, {"key": "x" * 256}):
        write(anywhere, insert, **({"type": "order.new", "object_id": "1", "key": None} | wrong))
    write(anywhere, "insert into intake(shop, type, object_id) values (-1, 'order.new', '1')")
    anywhere.start()
    await anywhere.until(NOTHING_WAITS)
    await anywhere.settled()
    subjects = [row["subject"] for row in anywhere.rows("select subject from event order by id")]
    assert subjects == ["order/before", "order/0", "order/1", "order/2", "product/7"]
    assert len(peer.requests) == 5
    refused = {row["id"]: row["refused"] for row in anywhere.rows("select id, refused from intake")}
    assert sorted(refused) == [6, 8, 9, 10, 11]
    assert "'once' already stands for product.add of product/7" in refused[6]
    assert refused[8].startswith("event_type: 'order.paid' is not one of")
    assert refused[11].startswith("shop_id: It is a whole number")
    assert caplog.text.count("cannot be an event, and stays") == 5
    # Somebody has mended one of them.
    write(anywhere, "update intake set type = 'order.done', refused = null where id = 8")
    await anywhere.until("select 1 from event where type = 'order.done'")
    await anywhere.settled()


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    sender = Sender(SqliteDatabase(tmp_path / "ombud.db"), Settings())
    connection = apsw.Connection(str(tmp_path / "ombud.db"))
    for value in ("cast(x'ff' as text)", "x'31'"):
        connection.execute(f"insert into intake(type, object_id, event_key) values ('order.new', '1', {value})")
    connection.execute("insert into intake(shop, type, object_id) values ('seven', 'order.new', 1)")

    async def take() -> None:
        while await sender._take_in():
            pass

    asyncio.run(take())
    refused = [row for (row,) in connection.execute("select refused from intake order by id")]
    assert [reason.partition(":")[0] for reason in refused] == ["event_key", "shop"]
    connection.close()
    sender.close()


def test_a_writer_whose_sqlite_may_lose_rows_is_refused(tmp_path: Path) -> None:
    Sender(SqliteDatabase(tmp_path / "ombud.db"), Settings()).close()
    insert = "insert into intake(type, object_id) values ('order.new', '1')"
    for version, bad in VERSIONS.items():
        connection = apsw.Connection(str(tmp_path / "ombud.db"))
        connection.create_scalar_function("sqlite_version", partial(str, version), 0)
        if bad:
            with pytest.raises(apsw.ConstraintError, match="Use POST /v1/events"):
                connection.execute(insert)
        else:
            connection.execute(insert)
        connection.close()
    plain = sqlite3.connect(tmp_path / "ombud.db")
    if VERSIONS.get(sqlite3.sqlite_version, False):
        with pytest.raises(sqlite3.IntegrityError, match="the WAL-reset bug"):
            plain.execute(insert)
    plain.close()


async def test_the_example_for_sqlite(new_running: Any, peer: Any) -> None:
    running = new_running()
    await running.add(peer.url)
    running.start()
    connection = apsw.Connection(str(running.sender.database.path))
    connection.execute("create table orders(id integer primary key, paid integer not null default 0)")
    connection.execute("insert into orders(id) values (90017), (90018)")
    connection.execute((ROOT / "examples" / "intake_sqlite.sql").read_text()).fetchall()
    connection.execute("update orders set paid = 1")
    connection.close()
    await running.until("select 1 from event where subject = 'order/90018'")
    await running.settled()
    assert [row["subject"] for row in running.rows("select subject from event order by id")] == [
        "order/90017",
        "order/90018",
    ]


async def test_the_example_for_postgresql(home: Home, anywhere: Running) -> None:
    if not home.is_postgres:
        return
    # Only what is notified is heard.
    object.__setattr__(anywhere.sender._intake, "seconds", 1e6)
    anywhere.start()
    connection = await asyncpg.connect(home.url, server_settings={"search_path": "public"})
    await connection.execute("create table orders(id bigint primary key, paid boolean not null default false)")
    await connection.execute("insert into orders(id) values (90017), (90018)")
    script = (ROOT / "examples" / "intake_postgres.sql").read_text()
    role = f"shop_{id(home)}"
    await connection.execute(f"create role {role}; grant update, select, trigger on orders to {role}")
    once, _, then = script.replace(" to shop;", f" to {role};").partition("-- Then with each change.")
    await connection.execute(once)
    each, _, trigger = then.partition("-- Or let the database")
    await connection.execute(f"set role {role}")
    await connection.execute("--" + each)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("select * from ombud.intake")
    await connection.execute("reset role")
    await connection.execute("--" + trigger)
    await connection.execute("update orders set paid = true")
    await anywhere.until("select 1 from event where subject = 'order/90018'")
    subjects = [row["subject"] for row in anywhere.rows("select subject from event order by id")]
    assert subjects == ["order/90017", "order/90018"]
    await connection.execute(f"drop owned by {role}; drop role {role}")
    await connection.close()
