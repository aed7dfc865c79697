"""Categories of products: a tree of names. The API lists and adds them; it cannot rename or delete one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ombud.db.operation import Operation
from ombud.db.queries import read_queries
from ombud.errors import InvalidInput
from ombud.shop.catalogue import Catalogue
from ombud.shop.reading import LONGEST_LIST, Fields

sql = read_queries("ombud.shop")

TOP = 0

_NO_LETTERS = re.compile(r"[^\w]+")


@dataclass(frozen=True)
class Category:
    """A category; `parent_id` 0 means that it is at the top. `path`: the names from the top, its own the last."""

    id: int
    parent_id: int
    name: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class CategoryDraft:
    """What POST /v1/categories says; `where` is its place in the request."""

    name: str
    parent_id: int
    where: str


def read_category_draft(item: Fields) -> CategoryDraft:
    """Read a new category. Raises InvalidInput naming the first field that cannot be accepted."""
    name = item.text("name")
    if not name:
        raise InvalidInput(item.name("name"), "A category needs a name.")
    given = item.raw.get("parent_id")
    return CategoryDraft(name, TOP if given in (None, 0, "0", "") else item.id("parent_id") or TOP, item.where)


class Categories:
    """The categories of one shop."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def all(self) -> Operation[list[Category]]:
        """Return them, oldest first, so that a parent comes before its children."""
        rows = yield sql["list_categories"], {"shop_id": self._catalogue.shop_id}
        paths: dict[int, tuple[str, ...]] = {TOP: ()}
        for row in rows:
            paths[row["id"]] = (*paths[row["parent_id"]], row["name"])
        return [Category(row["id"], row["parent_id"], row["name"], paths[row["id"]]) for row in rows]

    def add(self, draft: CategoryDraft) -> Operation[Category]:
        """Store a new category. Raises InvalidInput when its parent is not there, or when there are too many."""
        known = yield from self.all()
        parents = {category.id: category.path for category in known} | {TOP: ()}
        field = f"{draft.where}.parent_id" if draft.where else "parent_id"
        if draft.parent_id not in parents:
            raise InvalidInput(field, f"There is no category {draft.parent_id}.")
        if len(known) >= LONGEST_LIST:
            raise InvalidInput(field, f"A shop has at most {LONGEST_LIST} categories.")
        category_id = (yield from self._catalogue.take_ids("category"))[0]
        values = {"shop_id": self._catalogue.shop_id, "id": category_id, "parent_id": draft.parent_id}
        yield sql["insert_category"], {**values, "name": draft.name}
        return Category(category_id, draft.parent_id, draft.name, (*parents[draft.parent_id], draft.name))

    def check(self, category_id: int | None, field: str) -> Operation[None]:
        """Raise InvalidInput for a category that is not there; None names none."""
        if category_id is not None and not any(one.id == category_id for one in (yield from self.all())):
            raise InvalidInput(field, f"There is no category {category_id}.")

    def place(self, category_id: int | None, name: str | None) -> Operation[dict[str, Any]]:
        """Return what a product's document says of its category: by id, or by a name that is made if it is new.

        With neither there is nothing to say; an empty name means none.
        """
        if category_id is None and name is None:
            return {}
        if category_id is None and not name:
            return {"headcategory_name": "", "categories": []}
        known = yield from self.all()
        found = next(
            (one for one in known if one.id == category_id or (category_id is None and one.name == name)), None
        )
        if found is None:
            found = yield from self.add(CategoryDraft(name or "", TOP, ""))
        return {"headcategory_name": found.name, "categories": [[{"category": step} for step in found.path]]}


def category_document(category: Category) -> dict[str, Any]:
    """Return a category as GET shows it: ids are numbers here."""
    uri = _uri(category.path)
    return {
        "category_id": category.id,
        "uri": uri,
        "url": f"/{uri}",
        "name": category.name,
        "name_path": " > ".join(category.path),
        "description1": "",
        "description2": "",
        "parent_id": category.parent_id,
    }


def new_category_document(category: Category) -> Mapping[str, str]:
    """Return a category as POST answers it: ids are texts here."""
    return {
        "category_id": str(category.id),
        "name": category.name,
        "uri": _uri(category.path),
        "parent_id": str(category.parent_id),
    }


def _uri(path: Sequence[str]) -> str:
    return "/".join(_NO_LETTERS.sub("-", step.casefold()).strip("-") or "-" for step in path)
