"""The pytest fixture: `pytest_plugins = ["ombud.testing.plugin"]` in conftest.py."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ombud.receiver.inbox import Inbox
from ombud.testing.trial import Trial, open_trial


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Callable[[Inbox], Trial]]:
    """Return what opens a trial of an inbox: `run = trial(inbox)`. It ends with the test."""
    with ExitStack() as stack:
        yield lambda inbox: stack.enter_context(open_trial(inbox, tmp_path))
