"""In which order tests run, and which of them go to one process together."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

# Where a single test may wait half a minute: each goes to whichever process is free, and before all others.
LONG = "tests/faults/"


def is_alone(item: pytest.Item) -> bool:
    """Whether it has the machine to itself."""
    return item.get_closest_marker("alone") is not None


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the long ones first, so that none is left over at the end; and last those that run alone.

    In between, each of those would wait for whatever runs, and all others for it.
    """
    return sorted(items, key=lambda item: (is_alone(item), not item.nodeid.startswith(LONG)))


class InOrder(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
    """Deals tests out in the order in which they were collected: file by file, and the long ones singly.

    xdist's own ways begin with a share for each process. Then most of the long tests are one process's, and what is to
    come last comes when one process is done.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # it would put the files of many tests first
        self._units: dict[str, str] = {}

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Number the units of tests that go together: a file with some that run alone is two."""
        super().add_node_collection(node, collection)
        for number, (_, tests) in enumerate(groupby(collection, _together)):
            self._units.update(dict.fromkeys(tests, str(number)))

    def _split_scope(self, nodeid: str) -> str:
        return self._units[nodeid]


def _together(nodeid: str) -> str:
    return nodeid if nodeid.startswith(LONG) else nodeid.partition("::")[0]
