"""Processes that use one key share one budget: its rate, its pauses, and who goes first."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ombud.client import sharing
from ombud.client.budget import Budget, Priority
from ombud.client.budgets import Budgets
from ombud.client.sharing import budget_file

# Per second: of a budget that tests use up.
RATE = 100.0
SPENDER = """
import sys, time
from pathlib import Path
from ombud.client.budget import Budget
budget, turns, until = Budget(float(sys.argv[2]), most_per_second=float(sys.argv[2])), 0, time.monotonic() + 0.5
if sys.argv[1]:
    budget.share(Path(sys.argv[1]))
while time.monotonic() < until:
    ticket = budget.join()
    while (wait := budget.ask(ticket)) and time.monotonic() < until:
        time.sleep(min(wait, 0.01))
    turns += ticket.number is not None
    budget.leave(ticket)
print(turns)
"""


def shared(path: Path, per_second: float = RATE) -> Budget:
    budget = Budget(per_second, most_per_second=per_second)
    budget.share(path)
    return budget


def spent(path: str) -> int:
    """Let three processes use a budget up for half a second; returns how many turns they had."""
    command = [sys.executable, "-c", SPENDER, path, str(RATE)]
    spenders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    return sum(int(one.communicate(timeout=30)[0]) for one in spenders)


def test_processes_share_the_rate(tmp_path: Path) -> None:
    began = time.monotonic()
    turns = spent(str(tmp_path / "budget"))
    assert turns <= RATE * (time.monotonic() - began) + 10
    # Without a file each has a budget of its own.
    assert spent("") > 2 * RATE * 0.5 + 10


def test_a_pause_is_everybodys(tmp_path: Path) -> None:
    one, other = shared(tmp_path / "budget"), shared(tmp_path / "budget")
    ticket = one.join()
    assert one.ask(ticket) == 0.0
    one.limited(ticket, 30.0)
    assert other.state().paused_seconds > 29
    assert other.state().per_second == RATE / 2
    assert other.ask(other.join()) > 29
    assert "paused_seconds" in repr(other)


def test_who_confirms_goes_first_wherever_it_runs(tmp_path: Path) -> None:
    reader, handler = shared(tmp_path / "budget", 1.0), shared(tmp_path / "budget", 1.0)
    for _ in range(3):
        assert reader.ask(reader.join()) == 0.0
    confirm = reader.join(Priority.CONFIRM_ORDER)
    with reader._lock:
        # It asks, and has no turn yet.
        reader._waits_elsewhere(confirm)
    # One turn is left, and it is not the handler's.
    call = handler.join(Priority.CALL)
    assert handler.ask(call) > 0.0
    assert reader.ask(confirm) == 0.0
    handler.leave(call)
    reader.leave(confirm)
    assert handler.ask(handler.join(Priority.CALL)) > 0.5


@pytest.mark.parametrize("spoilt", [b"", b"x" * 7, b"y" * 200])
def test_a_file_that_says_nothing_is_written_anew(tmp_path: Path, spoilt: bytes) -> None:
    (tmp_path / "budget").write_bytes(spoilt)
    budget = shared(tmp_path / "budget")
    assert budget.ask(budget.join()) == 0.0
    assert shared(tmp_path / "budget").state().per_second == RATE


def test_what_is_old_or_of_another_rate_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = shared(tmp_path / "budget")
    ticket = one.join()
    one.ask(ticket)
    one.limited(ticket, 30.0)
    assert shared(tmp_path / "budget", RATE / 2).state().paused_seconds == 0.0
    one.state()
    monkeypatch.setattr(sharing, "STALE_SECONDS", -1.0)
    assert shared(tmp_path / "budget").state().paused_seconds == 0.0


def test_nobody_waits_for_who_stands_still_with_the_lock(tmp_path: Path) -> None:
    budget = shared(tmp_path / "budget")
    hold = "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True)"
    command = [sys.executable, "-c", f"{hold}; input()", str(tmp_path / "budget")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert budget.ask(budget.join()) == 0.0
        holder.communicate("\n", timeout=30)


def test_files_are_in_a_folder_that_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    file = budget_file("f" * 64, "https://api.example/v1")
    assert file is not None
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert file != budget_file("f" * 64, "https://other.example/v1")
    assert "ffff" not in file.name
    budgets = Budgets(shared=True)
    assert budgets.of("a-key", api_url="x") is budgets.of("a-key", api_url="x")
    assert len(list(file.parent.iterdir())) == 1
    file.parent.chmod(0o755)
    assert budget_file("f" * 64, "https://api.example/v1") is None
    alone = Budgets(shared=True).of("another-key", api_url="x")
    assert alone.ask(alone.join()) == 0.0
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "nowhere" / "at-all"))
    assert budget_file("f" * 64, "https://api.example/v1") is None
