"""What this version cannot do is refused at the start, not ignored."""

from pathlib import Path

import pytest

from ombud.db.connect import open_database
from ombud.errors import ConfigurationError
from ombud.receiver.receiver import Receiver
from ombud.settings import Settings


def test_working_unconfirmed_is_refused(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/inbox.db")
    receiver = Receiver(database, Settings(confirm="none", api_key="a-key-for-this-test-only"))
    with pytest.raises(ConfigurationError, match="OMBUD_CONFIRM"):
        receiver.check_keys()
    receiver.close()
