"""Two processes on one file: the second stands by, and takes over when the first dies. And the file must be local."""

import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from tests.support.endpoint import Endpoint
from tests.support.processes import PATIENCE_SECONDS, ROOT, Commands, Ombud, Ombuds, clean_environment

# Seconds after which the other process performs: it looks at the lock twice a second.
TAKE_OVER_SECONDS = 5.0


def holder_of(lock: Path) -> int | None:
    """Return the process that holds this file lock, by what the kernel says."""
    for line in Path("/proc/locks").read_text().splitlines():
        _, kind, _, _, process, place, *_ = line.split()
        if kind == "FLOCK" and place.rpartition(":")[2] == str(lock.stat().st_ino):
            return int(process)
    return None


class Publisher:
    """Somebody who publishes to one process or the other."""

    def __init__(self, key: str) -> None:
        self._headers = {"Authorization": f"Bearer {key}"}

    def publish(self, ombud: Ombud, order_id: int) -> None:
        answer = httpx2.post(
            f"{ombud.card['api']}/events",
            json={"event_type": "order.new", "order_id": order_id},
            headers=self._headers,
        )
        answer.raise_for_status()

    def add_endpoint(self, ombud: Ombud, url: str) -> None:
        httpx2.post(f"{ombud.card['api']}/endpoints", json={"url": url}, headers=self._headers).raise_for_status()


@pytest.mark.alone
def test_a_second_process_stands_by_and_takes_over(
    ombuds: Ombuds, commands: Commands, endpoint: Endpoint, tmp_path: Path
) -> None:
    database, lock = f"sqlite:///{tmp_path}/ombud.db", tmp_path / "ombud.db.outbox.performer"
    publisher = Publisher(commands.run("keys", "add", "test", "--database", database).out.strip())
    first, second = (
        ombuds.start("serve", "--database", database, "--port", "0", OMBUD_ALLOW_NETWORKS="127.0.0.0/8")
        for _ in range(2)
    )
    publisher.add_endpoint(second, endpoint.url)
    publisher.publish(second, 1)
    assert endpoint.next().query.endswith("order_id=1")
    assert holder_of(lock) == first.process.pid

    first.kill()
    killed = time.monotonic()
    publisher.publish(second, 2)
    # What was answered and was not on record yet is repeated.
    while (seen := endpoint.next().query) != "event_type=order.new&order_id=2":
        assert seen == "event_type=order.new&order_id=1"
    took_seconds = time.monotonic() - killed

    assert holder_of(lock) == second.process.pid
    print(f"taken over in {took_seconds:.2f} s")
    assert took_seconds < TAKE_OVER_SECONDS


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str) -> None:
    """The kernel's list of mounts is replaced for this one process, in a mount namespace of its own."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"21 1 8:1 / / rw - ext4 /dev/sda rw\n90 21 0:50 / {tmp_path} rw - {kind} server:/export rw\n")
    script = 'mount --bind "$1" /proc/$$/mountinfo && shift && exec "$@"'
    serve = [sys.executable, "-m", "ombud", "serve", "--database", f"sqlite:///{tmp_path}/ombud.db", "--port", "0"]

    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh", str(mounts), *serve],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
        cwd=ROOT,
        env=clean_environment(),
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert f"is on a network file system ({kind}, mounted on {tmp_path})" in done.stderr
    assert not (tmp_path / "ombud.db").exists()
