"""Schemathesis against an API that runs: what it asked, and what it found."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
# Lines of what it printed that a failure shows: the first of its findings stand there.
SHOWN_LINES = 150


@dataclass(frozen=True)
class Verdict:
    """How a run ended. `failures`: the names of the checks that failed, and on which operations; `text`: in words."""

    code: int
    cases: int
    operations: int
    failures: dict[str, list[str]]
    text: str


def judge(url: str, key: str, folder: Path, *, seed: int, options: Sequence[str]) -> Verdict:
    """Ask an API whose document is at `url`/openapi.json, with every check that Schemathesis has."""
    report = folder / "report.json"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(FOLDER / "schemathesis.toml"), "run"]
    command += [f"{url}/openapi.json", "--checks", "all", "--seed", str(seed), "--no-color"]
    command += ["--report-json-path", str(report), *options]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(FOLDER.parents[2]), "API_KEY": key}
    # Where it runs it keeps what it has learned: not among our files.
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    found: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
    return Verdict(
        done.returncode,
        found.get("test_cases", {}).get("generated", 0),
        (found.get("operations") or {}).get("tested", 0),
        {failure["type"]: failure["operations"] for failure in found.get("failures", ())},
        "\n".join(lines[-SHOWN_LINES:]),
    )
