"""A disk that fails or is full at the n-th call, then a restart, then a power cut: everything acknowledged is there."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from ombud.errors import ConfigurationError, StorageUnavailable
from tests.faults.disk.log import Log
from tests.faults.disk.machine import Machine
from tests.faults.disk.places import FILE, empty, put
from tests.faults.disk.tap import Fault, tapped
from tests.faults.disk.workload import FEW_PAGES, Process, Workload, connections_opened, look

# Commits before and after the restart, and power cuts after it.
COMMITS = 25
COMMITS_AFTER = 4
CUTS = 10
# Refused commits after which there is space again.
FULL_COMMITS = 3
# How often the process is killed instead of ending in order.
KILLED = 0.8


@dataclass(frozen=True)
class Trouble:
    """A kind of call that fails, and how. `full`: until there is space again; else once, and nothing may follow."""

    kind: str
    code: int
    full: bool = False

    def fault(self, nth: int) -> Fault:
        return Fault(self.kind, nth, self.code, lasting=self.full)


# What SQLite's own VFS returns when the kernel says EIO; it tells ENOSPC apart only for a write.
TROUBLES = {
    "failing write": Trouble("write", apsw.SQLITE_IOERR_WRITE),
    "failing truncate": Trouble("truncate", apsw.SQLITE_IOERR_TRUNCATE),
    "failing sync": Trouble("sync", apsw.SQLITE_IOERR_FSYNC),
    "full disk": Trouble("write", apsw.SQLITE_FULL, full=True),
}


@dataclass
class Findings:
    """What came of lives with one trouble each. The lists name the calls that failed; they must be empty."""

    trouble: str
    seed: int
    lives: int = 0
    acknowledged: int = 0
    refused: int = 0
    cuts: int = 0
    not_noticed: list[int] = field(default_factory=list)
    acknowledged_after_failure: list[int] = field(default_factory=list)
    not_resumed: list[int] = field(default_factory=list)
    lost_at_restart: list[int] = field(default_factory=list)
    lost_at_power_cut: list[int] = field(default_factory=list)

    @property
    def wrong(self) -> list[int]:
        kept = self.not_noticed + self.acknowledged_after_failure + self.not_resumed
        return kept + self.lost_at_restart + self.lost_at_power_cut

    def __str__(self) -> str:
        return (
            f"seed {self.seed}, {self.trouble}: {self.lives} lives, acknowledged {self.acknowledged}, refused "
            f"{self.refused} commits, {self.cuts} power cuts; not noticed: {self.not_noticed}, "
            f"acknowledged after a failure: {self.acknowledged_after_failure}, not resumed: {self.not_resumed}, "
            f"lost at the restart: {self.lost_at_restart}, lost at a power cut: {self.lost_at_power_cut}"
        )


def calls(folder: Path, trouble: Trouble, seed: int) -> int:
    """Return how many calls of its kind the same life makes when nothing fails."""
    fault, place = Fault(trouble.kind, 0, apsw.SQLITE_OK), empty(folder / "first")
    workload = Workload(random.Random(seed), Log())
    with tapped(place, workload.log, fault), connections_opened(workload.chance, FEW_PAGES):
        process = workload.open(place / FILE)
        for _ in range(COMMITS):
            assert process.commit()
        return fault.calls


def campaign(folder: Path, name: str, seed: int, nths: Iterable[int]) -> Findings:
    """Live once for each of these calls."""
    findings = Findings(name, seed)
    for nth in nths:
        found = len(findings.wrong)
        log = _live(folder, TROUBLES[name].fault(nth), findings)
        findings.lives += 1
        if findings.wrong and not found:
            log.save(folder / "log.txt")
    return findings


def _live(folder: Path, fault: Fault, findings: Findings) -> Log:
    """Live with the fault, restart without it, cut the power, and note what went wrong."""
    nth, fate = fault.nth, random.Random(f"{findings.seed} {fault.nth}")
    workload, machine = Workload(random.Random(findings.seed), Log()), Machine()
    _first_life(workload, empty(folder / "first"), fault, findings, killed=fate.random() < KILLED)
    lived = len(workload.log.entries)
    machine.live(workload.log.entries)
    place = put(machine.after_restart(), folder / "second")
    _second_life(workload, place, fate)
    found = look(place / FILE)
    if found.trouble or workload.acknowledged - found.keys:
        findings.lost_at_restart.append(nth)
    for moment in sorted(fate.randint(lived, len(workload.log.entries)) for _ in range(CUTS)):
        machine.live(workload.log.entries[lived:moment])
        lived = moment
        findings.cuts += 1
        files = machine.after_power_cut(fate)
        found = look(put(files, folder / "cut") / FILE)
        if found.trouble or machine.acknowledged - found.keys:
            findings.lost_at_power_cut.append(nth)
            put(files, folder / f"lost-{nth}")
            break
    findings.acknowledged += len(workload.acknowledged)
    findings.refused += workload.refused
    return workload.log


def _first_life(workload: Workload, place: Path, fault: Fault, findings: Findings, *, killed: bool) -> None:
    nth = fault.nth
    with tapped(place, workload.log, fault), connections_opened(workload.chance, FEW_PAGES):
        try:
            process = workload.open(place / FILE)
        except (ConfigurationError, StorageUnavailable):
            assert fault.failed
        else:
            if fault.lasting:
                _meet_full_disk(process, fault, findings)
            else:
                _meet_failure(process, findings, nth)
        fault.end()
        workload.log.alive = not killed


def _second_life(workload: Workload, place: Path, fate: random.Random) -> None:
    workload.log.alive = True
    with tapped(place, workload.log, Fault("none", 0, apsw.SQLITE_OK)), connections_opened(fate):
        process = workload.open(place / FILE)
        for _ in range(COMMITS_AFTER):
            assert process.commit()
        workload.log.alive = False


def _meet_failure(process: Process, findings: Findings, nth: int) -> None:
    """Commit on; after the first refusal nothing may be acknowledged any more."""
    refused = False
    for _ in range(COMMITS):
        acknowledged = process.commit()
        if refused and acknowledged:
            findings.acknowledged_after_failure.append(nth)
            return
        refused |= not acknowledged
    if process.database.failure is None:
        findings.not_noticed.append(nth)


def _meet_full_disk(process: Process, fault: Fault, findings: Findings) -> None:
    """Commit on; after some refusals there is space again, and the very next commit must be acknowledged."""
    nth, refused = fault.nth, 0
    for _ in range(COMMITS):
        acknowledged = process.commit()
        refused += not acknowledged
        if refused == FULL_COMMITS:
            fault.end()
        if refused > FULL_COMMITS:
            findings.not_resumed.append(nth)
            return
