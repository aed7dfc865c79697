"""One at a time: whoever changes the same thing at the same moment waits, and then sees what the other has done."""

from ombud.db.operation import Operation
from ombud.db.queries import read_queries

sql = read_queries("ombud.admin")


def lock(what: str) -> Operation[None]:
    """Have whoever locks the same wait until this is committed. `what`: an id, or a name of several rows: "people"."""
    yield sql["lock"], {"what": what}
