"""Of two who edit the same thing at the same moment, on each of the databases."""

from functools import partial
from typing import Any

import pytest

from ombud.admin.access import OPERATOR
from ombud.admin.edits import EndpointEdits, etag_of
from ombud.db.database import Database
from ombud.errors import Outdated
from ombud.sender.endpoint import EndpointEdit
from ombud.sender.sender import Sender
from tests.support.commits import meanwhile
from tests.support.databases import Home


def test_of_two_who_change_the_same_version_one_is_refused(
    sender: Sender, database: Database, shared_home: Home
) -> None:
    edits, other = EndpointEdits(sender.endpoints, database.clock), shared_home.open()
    edit = EndpointEdit("https://8.8.8.8/", ("order.new",))
    made = database.write(lambda: edits.add(OPERATOR, edit, 7, None))
    change: Any = partial(edits.change, OPERATOR, made.id, etag_of(made))
    with pytest.raises(Outdated):
        meanwhile(database, partial(change, description="mine"), other, partial(change, description="theirs"))
    assert database.read(lambda: edits.get(OPERATOR, made.id)).edit.description == "mine"
    other.close()
