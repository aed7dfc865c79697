"""Power cuts: recorded lives of a database, each cut at many moments; what is found is compared with the acks."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.disk.log import Key, Log
from tests.faults.disk.machine import Machine
from tests.faults.disk.places import FILE, empty, put
from tests.faults.disk.recorder import recording
from tests.faults.disk.workload import Look, Workload, connections_opened, look

# Commits in one life, and power cuts simulated of it.
COMMITS = 30
CUTS = 50
# How often the database is closed and opened again between two commits.
CLOSED = 0.08
# After every so many power cuts Ombud itself is the first to open the file, and stores more.
REOPENED_EACH = 10
# Where the numbers of what it stores begin.
GOING_ON = 1_000_000


@dataclass
class Findings:
    """What came of a number of power cuts. `lossy` counts those after which something acknowledged was gone."""

    seed: int
    synchronous: str
    states: int = 0
    acknowledged: int = 0
    lossy: int = 0
    lost: int = 0
    damaged: int = 0
    reopened: int = 0
    first: str = ""
    # What SQLite said that `synchronous` was, after the last commit of each life.
    levels: set[int] = field(default_factory=set)

    @property
    def bad(self) -> int:
        return self.lossy + self.damaged

    def judge(self, acknowledged: set[Key], found: Look) -> None:
        """Compare what must be there with what is."""
        self.states += 1
        lost = acknowledged - found.keys
        if found.trouble:
            self.damaged += 1
        elif lost:
            self.lossy += 1
            self.lost += len(lost)
        if self.bad == 1 and not self.first:
            self.first = f"; first in state {self.states}: {found.trouble or sorted(lost)[:5]}"

    def __str__(self) -> str:
        return (
            f"seed {self.seed}, synchronous {self.synchronous}: {self.states} power cuts, {self.reopened} with a start "
            f"of Ombud after it; acknowledged {self.acknowledged}, lost {self.lost} in {self.lossy} states, "
            f"damaged or unreadable {self.damaged}{self.first}"
        )


def campaign(folder: Path, states: int, seed: int, synchronous: str | None = None) -> Findings:
    """Cut the power that many times. The first files that are not as they must be are left in `folder/bad`."""
    findings = Findings(seed, synchronous or "as opened")
    for number in range(-(-states // CUTS)):
        workload = Workload(random.Random(f"{seed} {number}"), Log())
        findings.levels.add(_live(empty(folder / "life"), workload, synchronous))
        findings.acknowledged += len(workload.acknowledged)
        for machine in moments(workload.log, min(CUTS, states - findings.states), workload.chance):
            files = machine.after_power_cut(workload.chance)
            place = put(files, folder / "cut")
            if findings.states % REOPENED_EACH == 0 and synchronous is None:
                _go_on(place)
                findings.reopened += 1
            findings.judge(machine.acknowledged, look(place / FILE))
            if findings.bad and not (folder / "bad").exists():
                put(files, folder / "bad")
                workload.log.save(folder / "log.txt")
    return findings


def _live(folder: Path, workload: Workload, synchronous: str | None) -> int:
    """Let a database live for a while and be recorded; returns the `synchronous` that it really had."""
    with recording(folder, workload.log) as vfs, connections_opened(workload.chance):
        process = workload.open(folder / FILE, vfs, synchronous)
        for _ in range(COMMITS):
            assert process.commit()
            level = int(process.writer.execute("pragma synchronous").get)
            if workload.chance.random() < CLOSED:
                process.database.close()
                process = workload.open(folder / FILE, vfs, synchronous)
    return level


def _go_on(folder: Path) -> None:
    """Start again after the power cut, as if nothing had happened."""
    workload = Workload(random.Random(0), Log(), first_number=GOING_ON)
    process = workload.open(folder / FILE)
    assert process.commit()
    process.database.close()


def moments(log: Log, cuts: int, chance: random.Random) -> Iterator[Machine]:
    """Give the machine at random moments of its life, earliest first."""
    machine, lived = Machine(), 0
    for moment in sorted(chance.randint(1, len(log.entries)) for _ in range(cuts)):
        machine.live(log.entries[lived:moment])
        lived = moment
        yield machine
