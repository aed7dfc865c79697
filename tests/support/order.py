"""In which order tests run, and which of them go to one process together."""

from collections.abc import Sequence
from itertools import dropwhile, groupby, takewhile
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
    return sorted(items, key=lambda item: (is_alone(item), not _is_long(item.nodeid)))


class InOrder(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
    """Deals tests out in the order in which they were collected: file by file, and the long ones singly.

    One process has the long ones, as long as there are others: each keeps several processes of Ombud busy.

    xdist's own ways begin with a share for each process. Then most of the long tests are one process's share, and what
    is to come last comes when one process is done.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # it would put the files of many tests first
        self._units: dict[str, str] = {}
        self._short: set[str] = set()

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Number the units of tests that go together: a file with some that run alone is two."""
        super().add_node_collection(node, collection)
        for number, (_, tests) in enumerate(groupby(collection, _together)):
            self._units.update(dict.fromkeys(tests, str(number)))
        after_the_long_ones = dropwhile(_is_long, collection)
        self._short = {self._units[nodeid] for nodeid in takewhile(lambda one: not _is_long(one), after_the_long_ones)}

    def _assign_work_unit(self, node: WorkerController) -> None:
        short = next((unit for unit in self.workqueue if unit in self._short), None)
        if short is not None and node is not self.nodes[0]:
            self.workqueue.move_to_end(short, last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        return self._units[nodeid]


def _is_long(nodeid: str) -> bool:
    return nodeid.startswith(LONG)


def _together(nodeid: str) -> str:
    return nodeid if _is_long(nodeid) else nodeid.partition("::")[0]
