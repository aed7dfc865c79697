"""Where a figure was taken: without it the figure means nothing."""

import os
import platform
import re
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import apsw

# Seconds that the disk is asked for.
DISK_SECONDS = 1.0
BLOCK = b"\0" * 4096
# Where Debian keeps daemons, which is not on everybody's PATH.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
# Commands, and the Debian packages that bring them.
PACKAGES = {"nginx": "nginx-light", "wrk": "wrk", "taskset": "util-linux"}


@dataclass(frozen=True)
class Cores:
    """Which core the measured server has for itself, and which the generator; None when there is only one core."""

    server: int | None
    generator: int | None


def program(name: str) -> str:
    """Return the path of a command that `missing_packages` has seen."""
    path = shutil.which(name, path=SEARCH_PATH)
    assert path is not None
    return path


def missing_packages() -> list[str]:
    """Return the Debian packages that must be installed first."""
    return [package for name, package in PACKAGES.items() if shutil.which(name, path=SEARCH_PATH) is None]


@cache
def cores() -> Cores:
    """Choose two cores of those that this process may use; whoever keeps to one of them then is told both again."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[0], usable[1]) if len(usable) > 1 else Cores(None, None)


def describe(folder: Path) -> dict[str, str | int | float]:
    """Return what a figure depends on."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    rate, milliseconds = _disk(folder)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": model[1] if model else platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "file_system": _file_system(folder),
        "fdatasync_per_second": rate,
        "fdatasync_median_milliseconds": milliseconds,
        "load_average": round(os.getloadavg()[0], 2),
    }


def _disk(folder: Path) -> tuple[int, float]:
    """Overwrite 4 KiB and have it on disk, again and again: the ceiling of a commit for each event."""
    spans = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        end = time.monotonic() + DISK_SECONDS
        while (began := time.monotonic()) < end:
            os.pwrite(file.fileno(), BLOCK, 0)
            os.fdatasync(file.fileno())
            spans.append(time.monotonic() - began)
    return round(len(spans) / DISK_SECONDS), round(statistics.median(spans) * 1000, 3)


def _file_system(folder: Path) -> str:
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [(point, kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(holding, key=lambda mount: len(mount[0]), default=("", "unknown"))[1]
