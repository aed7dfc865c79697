"""What the benchmarks that visit several servers in turn have in common: how they start, print and end."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.load import Cheated
from bench.machine import describe, missing_packages
from bench.report import Rounds, Yardsticks, document, text


def run(
    name: str,
    options: argparse.Namespace,
    measure: Callable[[Path, argparse.Namespace], Rounds],
    yardsticks: Yardsticks,
    note: str = "",
) -> int:
    """Measure and print; returns 1 when a server did not do what it answered, 2 when something is missing.

    `options` has `directory` and `json`. Of `yardsticks` what was not measured is left out. `note` is printed last.
    """
    if missing := missing_packages():
        packages = " ".join(missing)
        return _fail(name, f"missing: {packages}. As root: apt-get install -y --no-install-recommends {packages}", 2)
    with tempfile.TemporaryDirectory(prefix="ombud-bench-", dir=options.directory) as folder:
        machine = describe(Path(folder))
        try:
            measured = measure(Path(folder), options)
        except (Cheated, RuntimeError, OSError, subprocess.SubprocessError) as error:
            return _fail(name, str(error), 1)
    held = {
        figure: [other for other in others if other in measured]
        for figure, others in yardsticks.items()
        if figure in measured
    }
    sys.stdout.write("\n\n".join(filter(None, [text(machine, measured, held), note])) + "\n")
    if options.json is not None:
        options.json.write_text(json.dumps(document(machine, measured, held), indent=2) + "\n")
    return 0


def _fail(name: str, message: str, code: int) -> int:
    sys.stderr.write(f"{name}: {message}\n")
    return code
