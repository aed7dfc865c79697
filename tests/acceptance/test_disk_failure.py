"""A disk that fails under a running process: nothing more is answered "stored", and the process ends by itself."""

import contextlib
import os
import resource
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.receiver.reports import Reports
from tests.receiver.served import environment, hook_of
from tests.receiver.store import Store
from tests.support.processes import Commands, Ombud, Ombuds

# Seconds that a process which has failed may take: its requests in flight have four, and this machine may be busy.
SOON_SECONDS = 10.0
# No file of SQLite takes a page more when it may be no longer than this.
PAGE_BYTES = 4_096
# More than a pipe holds.
PIPE_BYTES = 1 << 20


@pytest.fixture
def ombuds() -> Iterator[Ombuds]:
    """Start processes whose standard error is a pipe: a file would take no more than a page of what they say."""
    started = Ombuds(errors=subprocess.PIPE)
    yield started
    started.end()


def said_by(ombud: Ombud) -> str:
    """Return what a process has said on its standard error since it was last asked."""
    errors = ombud.process.stderr
    assert errors is not None
    ready, _, _ = select.select([errors], [], [], 0)
    return os.read(errors.fileno(), PIPE_BYTES).decode() if ready else ""


def fail_disk(ombud: Ombud) -> None:
    """Have every write of a page fail from now on, as a failing disk has."""
    _, most = resource.prlimit(ombud.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(ombud.process.pid, resource.RLIMIT_FSIZE, (PAGE_BYTES, most))


def ended_before() -> contextlib.suppress:
    """Bear with a process that answers nothing any more: it has had something of its own to store before."""
    return contextlib.suppress(httpx2.TransportError)


def assert_ends(ombud: Ombud, *paths: Path) -> None:
    assert ombud.process.wait(SOON_SECONDS) == 1
    lines = [line for line in said_by(ombud).splitlines() if line.startswith("ombud: ")]
    ombud.close()
    assert len(lines) == 1, lines
    failed = [one for one in paths if lines[0].startswith(f"ombud: {one}: the disk failed (")]
    assert failed, lines
    assert lines[0].endswith("start this again to have the file checked.")
    assert failed[0].with_name(f"{failed[0].name}.damaged").exists()


@pytest.fixture
def key(commands: Commands) -> str:
    """A key of the sender's API, whose database is `ombud.db` in the folder of the commands."""
    return commands.run("keys", "add", "test", "--database", f"sqlite:///{commands.folder}/ombud.db").out.strip()


def publish(ombud: Ombud, key: str) -> int:
    return httpx2.post(
        f"{ombud.card['api']}/events",
        json={"event_type": "order.new", "order_id": 1},
        headers={"Authorization": f"Bearer {key}"},
    ).status_code


def test_a_sender_ends_and_the_next_one_goes_on(ombuds: Ombuds, commands: Commands, key: str) -> None:
    path = commands.folder / "ombud.db"
    first = ombuds.start("serve", "--port", "0", "--database", f"sqlite:///{path}")
    assert publish(first, key) == 201
    fail_disk(first)
    with ended_before():
        assert publish(first, key) == 503
    assert_ends(first, path)

    second = ombuds.start("serve", "--port", "0", "--database", f"sqlite:///{path}")
    assert "is being checked: the disk failed under an earlier process" in said_by(second)
    assert not path.with_name("ombud.db.damaged").exists()
    assert publish(second, key) == 201
    second.process.terminate()
    assert second.process.wait(SOON_SECONDS) == 0
    assert said_by(second) == ""


def test_a_signal_that_comes_meanwhile_does_not_make_it_well(ombuds: Ombuds, commands: Commands, key: str) -> None:
    path = commands.folder / "ombud.db"
    sender = ombuds.start("serve", "--port", "0", "--database", f"sqlite:///{path}")
    fail_disk(sender)
    with ended_before():
        assert publish(sender, key) == 503
    sender.process.send_signal(signal.SIGINT)
    assert_ends(sender, path)


def test_a_receiver_ends(ombuds: Ombuds, tmp_path: Path, store: Store, reports: Reports) -> None:
    receiver = ombuds.start(
        "receive", "tests.receiver.unruly:inbox", "--no-work", "--port", "0", **environment(tmp_path, store, reports)
    )
    fail_disk(receiver)
    with ended_before():
        assert httpx2.get(f"{hook_of(receiver)}?event_type=order.new&order_id=1").status_code == 503
    assert_ends(receiver, tmp_path / "inbox.db")


def test_a_worker_ends_and_what_came_in_waits_for_the_next(
    ombuds: Ombuds, tmp_path: Path, store: Store, reports: Reports
) -> None:
    settings = environment(tmp_path, store, reports)
    receiver = ombuds.start("receive", "tests.receiver.unruly:inbox", "--no-work", "--port", "0", **settings)
    worker = ombuds.start("work", "tests.receiver.unruly:inbox", **settings)
    fail_disk(worker)
    order_id = store.pay()
    assert httpx2.get(f"{hook_of(receiver)}?event_type=order.new&order_id={order_id}").status_code == 200
    assert_ends(worker, tmp_path / "inbox.db")
    assert reports.all("works") == []

    again = ombuds.start("work", "tests.receiver.unruly:inbox", **settings)
    assert reports.wait("works")[0]["order"] == order_id
    assert again.stop() == 0


def test_a_demo_ends(ombuds: Ombuds, tmp_path: Path) -> None:
    demo = ombuds.start("demo", "--port", "0", "--data", str(tmp_path / "demo"))
    fail_disk(demo)
    with ended_before():
        assert httpx2.get(f"{demo.card['receiver']}?event_type=order.new&order_id=1").status_code == 503
    # Housekeeping writes to both: whichever meets the disk first.
    assert_ends(demo, tmp_path / "demo" / "receiver.db", tmp_path / "demo" / "sender.db")
