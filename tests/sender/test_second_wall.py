"""The second wall of docs/destinations.md holds by itself: a sender without rules of its own reaches nothing inside."""

import json
import subprocess
import sys

from tests.sender.second_wall import INSIDE, OUTSIDE
from tests.support.processes import ROOT, clean_environment


def test_what_the_first_wall_lets_through_the_second_refuses() -> None:
    done = subprocess.run(
        ["unshare", "--net", "--map-root-user", sys.executable, "-m", "tests.sender.second_wall"],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    # The control: without it every one of them is reached.
    assert found["without"] == {address: [200, True] for address in [*INSIDE, *OUTSIDE]}
    refused = {address: ["connection-unreachable", False] for address in INSIDE}
    assert found["with"] == refused | {address: [200, True] for address in OUTSIDE}
