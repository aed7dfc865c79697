"""Real processes of Ombud."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ombud.db.postgres import PostgresDatabase

ROOT = Path(__file__).parent.parent.parent
# Seconds: generous on a busy machine; a test that waits this long has failed.
PATIENCE_SECONDS = 30.0


@dataclass
class Ombud:
    """A running `ombud` process and the line it printed when everything answered."""

    process: subprocess.Popen[bytes]
    card: dict[str, Any]

    def kill(self) -> None:
        """Kill it as a power cut would: no handler runs."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)
        self.close()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it as a supervisor would; returns the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_SECONDS)
        self.close()
        return code

    def close(self) -> None:
        """Read no more of what it says."""
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@dataclass
class Ombuds:
    """Starts `ombud` processes and ends what is left of them."""

    running: list[Ombud] = field(default_factory=list)
    program: Sequence[str] = ("-m", "ombud")
    # Where their standard error goes, as for Popen: with that of the tests if None.
    errors: int | None = None

    def start(self, *arguments: str, program: Sequence[str] = (), **environment: str) -> Ombud:
        """Start a serving verb with --json and wait for its line; `program` stands in for this time only."""
        named = (*arguments, environment.get("OMBUD_DATABASE_URL", ""))
        if any(one.startswith("postgresql:") for one in named):
            environment.setdefault("OMBUD_ENCRYPTION_KEY_FILE", str(PostgresDatabase.key_file))
        process = subprocess.Popen(
            [sys.executable, *(program or self.program), *arguments, "--json"],
            stdout=subprocess.PIPE,
            stderr=self.errors,
            cwd=ROOT,
            env=clean_environment(**environment),
        )
        line = _first_line(process)
        ombud = Ombud(process, json.loads(line))
        self.running.append(ombud)
        return ombud

    def end(self) -> None:
        """Kill what still runs."""
        for ombud in self.running:
            if ombud.process.poll() is None:
                ombud.kill()
            ombud.close()


def clean_environment(**changes: str) -> dict[str, str]:
    """This environment without settings of Ombud, and with these changes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMBUD_", "QUICKBUTIK_"))}
    return kept | {"PYTHONUNBUFFERED": "1"} | changes


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE_SECONDS)
    line = process.stdout.readline() if ready else b""
    if not line:
        with process:
            process.kill()
        raise AssertionError(f"no line from {process.args!r}; exit code {process.returncode}")
    return line


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    error: str


@dataclass(frozen=True)
class Commands:
    """Runs `ombud` to its end, in a folder."""

    folder: Path

    def run(self, *arguments: str, text: str = "", **environment: str) -> Finished:
        """Run it; `text` is its standard input."""
        done = subprocess.run(
            [sys.executable, "-m", "ombud", *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
            cwd=self.folder,
            env=clean_environment(**environment),
        )
        return Finished(done.returncode, done.stdout, done.stderr)
