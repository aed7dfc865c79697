"""Texts that programs write beside an order or a product. No read of those shows them, and no event tells of them.

What the vendor documents is that GET gives them all, POST adds one, PUT changes one and with an empty value deletes it.
That POST refuses a known name and PUT an unknown one is this shop's choice: a client must know which it means.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput, NotFound
from ombud.shop.reading import Fields

sql = read_queries("ombud.shop")

# Texts beside one thing: more than any program needs, and few enough to read in one go.
MOST_TEXTS = 100
# Characters of a name.
LONGEST_NAME = 255

Texts = Mapping[str, str]


@dataclass(frozen=True)
class Text:
    """One text to write; `where` is the place of the words in the request."""

    name: str
    value: str
    where: str = ""


def read_texts(item: Fields) -> Texts:
    """Read the `metadata` of an order or a product that is written. Raises InvalidInput."""
    given = item.part("metadata")
    if given is None:
        return {}
    if len(given.raw) > MOST_TEXTS:
        raise InvalidInput(item.name("metadata"), f"There are at most {MOST_TEXTS} texts.")
    return {_checked(name, given.name(name)): given.text(name) or "" for name in given.raw}


def read_text(item: Fields) -> Text:
    """Read `{"key": …, "value": …}`. Raises InvalidInput."""
    return Text(_checked(item.text("key") or "", item.name("key")), item.text("value") or "", item.where)


def _checked(name: str, field: str) -> str:
    found = Fields({"name": name}).text("name") or ""
    if not 0 < len(found) <= LONGEST_NAME:
        raise InvalidInput(field, f"A name has 1 to {LONGEST_NAME} characters.")
    return found


class Metadata:
    """The texts beside the things of one kind, `order` or `product`, of one shop."""

    def __init__(self, shop_id: int, kind: str) -> None:
        self._owner = {"shop_id": shop_id, "kind": kind}

    def of(self, owner_id: int) -> Operation[dict[str, str]]:
        """Return the texts beside one thing, by name."""
        rows = yield sql["list_metadata"], {**self._owner, "owner_id": owner_id}
        return {row["name"]: row["value"] for row in rows}

    def add(self, owner_id: int, text: Text) -> Operation[None]:
        """Write a text under a new name. Raises InvalidInput when it is known, or when there are too many."""
        known = yield from self.of(owner_id)
        if text.name in known:
            raise InvalidInput(_field(text), f"{text.name!r} is there already; change it with PUT.")
        if len(known) >= MOST_TEXTS:
            raise InvalidInput(_field(text), f"There are at most {MOST_TEXTS} texts.")
        yield from self.put(owner_id, {text.name: text.value})

    def change(self, owner_id: int, text: Text) -> Operation[None]:
        """Write another text under a known name; an empty one deletes it. Raises NotFound."""
        if text.name not in (yield from self.of(owner_id)):
            raise NotFound(f"There is no metadata {text.name!r}.")
        yield from self.put(owner_id, {text.name: text.value})

    def put(self, owner_id: int, texts: Texts) -> Operation[None]:
        """Write texts under names, known or new; an empty one deletes its name."""
        for name, value in texts.items():
            key = {**self._owner, "owner_id": owner_id, "name": name}
            if value:
                yield sql["put_metadata"], {**key, "value": value}
            else:
                yield sql["drop_metadata"], key

    def forget(self, owner_id: int) -> Operation[None]:
        """Delete them all, with their owner."""
        yield sql["forget_metadata"], {**self._owner, "owner_id": owner_id}


def _field(text: Text) -> str:
    return f"{text.where}.key" if text.where else "key"
