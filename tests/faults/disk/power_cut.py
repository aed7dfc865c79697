"""Power cuts: one recorded life of a database, cut at many moments; what is found afterwards is compared with the acks."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.disk.log import Key, Log
from tests.faults.disk.machine import Machine
from tests.faults.disk.places import FILE, empty, put
from tests.faults.disk.recorder import recording
from tests.faults.disk.workload import Look, Workload, look, connections_opened

# Commits in one life, and power cuts simulated of it.
COMMITS = 30
CUTS = 50
# How often the database is closed and opened again between two commits.
REOPENED = 0.08


@dataclass
class Findings:
    """What came of a number of power cuts. `lossy` counts those after which something acknowledged was gone."""

    seed: int
    synchronous: str
    states: int = 0
    acknowledged: int = 0
    lossy: int = 0
    lost: int = 0
    unexpected: int = 0
    damaged: int = 0
    first: str = ""
    levels: set[int] = field(default_factory=set)

    @property
    def bad(self) -> int:
        return self.lossy + self.damaged

    def __str__(self) -> str:
        return (
            f"seed {self.seed}, synchronous {self.synchronous}: {self.states} power cuts, acknowledged "
            f"{self.acknowledged}, lost {self.lost} in {self.lossy} states, damaged or unreadable {self.damaged}, "
            f"unexpected {self.unexpected}; {self.first}"
        )


def live(folder: Path, seed: int, synchronous: str | None) -> tuple[Log, Workload, set[int]]:
    """Let a database live for a while and record it; also returns the values of `synchronous` it really had."""
    log = Log()
    workload, levels = Workload(random.Random(seed), log), set[int]()
    with recording(folder, log) as vfs, connections_opened(workload.chance):
        session = workload.open(folder / FILE, vfs, synchronous)
        for _ in range(COMMITS):
            assert session.commit()
            if workload.chance.random() < REOPENED:
                session.database.close()
                session = workload.open(folder / FILE, vfs, synchronous)
            levels.add(session.writer.execute("pragma synchronous").get)
        session.database.close()
    return log, workload, levels


def campaign(folder: Path, states: int, seed: int, synchronous: str | None = None) -> Findings:
    """Cut the power that many times, all in a folder whose last content a failure leaves behind."""
    findings = Findings(seed, synchronous or "as opened")
    for number in range(-(-states // CUTS)):
        log, workload, levels = live(empty(folder / "life"), seed * 1_000_003 + number, synchronous)
        findings.acknowledged += len(workload.acknowledged)
        findings.levels |= levels
        for machine in moments(log, min(CUTS, states - findings.states), workload.chance):
            place = put(machine.after_power_cut(workload.chance), folder / "cut")
            _judge(findings, machine.acknowledged, look(place / FILE))
            if findings.bad == 1:
                log.save(folder / "log.txt")
    return findings


def moments(log: Log, cuts: int, chance: random.Random) -> Iterator[Machine]:
    """Give the machine at random moments of its life, earliest first."""
    machine, lived = Machine(), 0
    for moment in sorted(chance.randint(1, len(log.entries)) for _ in range(cuts)):
        machine.live(log.entries[lived:moment])
        lived = moment
        yield machine


def _judge(findings: Findings, acknowledged: set[Key], found: Look) -> None:
    findings.states += 1
    lost = acknowledged - found.keys
    if found.trouble:
        findings.damaged += 1
    elif lost:
        findings.lossy += 1
        findings.lost += len(lost)
    if not findings.first and (found.trouble or lost):
        findings.first = f"the first in state {findings.states}: {found.trouble or sorted(lost)[:5]}"

