"""Bearer keys: nobody can guess one, nobody can read one from the database, a name has one."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from ombud.admin.keys import add_key, find_key, key_hash, new_key, replace_key
from ombud.db.migrate import migrate
from ombud.db.sqlite import SqliteDatabase
from ombud.errors import Conflict, InvalidInput


def name_of(database: Any, key: str) -> str | None:
    found = database.read(lambda: find_key(key))
    return found.name if found else None


def test_keys_are_long_and_never_the_same() -> None:
    keys = {new_key() for _ in range(1_000)}

    assert len(keys) == 1_000
    # 32 random bytes are 43 characters of base 64.
    assert all(re.fullmatch(r"ombud_[A-Za-z0-9_-]{43}", key) for key in keys)


def test_only_the_hash_is_stored(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "ombud.db")
    migrate(database, ["ombud.admin"])
    key = new_key()
    database.write(lambda: add_key("ERP", key, 1))

    assert name_of(database, key) == "ERP"
    assert key_hash(key) == hashlib.sha256(key.encode()).digest()
    database.close()
    assert (tmp_path / "ombud.db").is_file()
    for file in tmp_path.iterdir():
        assert key.removeprefix("ombud_").encode() not in file.read_bytes()


@pytest.mark.parametrize("other", ["", "ombud_", " ", "x" * 100_000, "\x00", "å", "' or 1=1 --", "%", "ombud_%"])
def test_what_is_no_key_finds_nobody(database: Any, other: str) -> None:
    database.write(lambda: add_key("ERP", new_key(), 1))

    assert name_of(database, other) is None


def test_a_key_is_compared_in_full(database: Any) -> None:
    key = new_key()
    database.write(lambda: add_key("ERP", key, 1))

    for other in (key[:-1], key + "a", key.swapcase(), f" {key}", key.removeprefix("ombud_")):
        assert name_of(database, other) is None


@pytest.mark.parametrize("name", ["", "a" * 101, "a\nb", "a\x00", "\x1b[31m", "a\x7f", "\udcff"])
def test_a_name_that_cannot_be(database: Any, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        database.write(lambda: add_key(name, new_key(), 1))
    assert caught.value.field == "name"


@pytest.mark.parametrize("name", ["a", "a" * 100, "Ordrar från kassan 💳", "'; drop table api_key; --", " "])
def test_a_name_that_can(database: Any, name: str) -> None:
    key = new_key()
    database.write(lambda: add_key(name, key, 1))

    assert name_of(database, key) == name


def test_a_taken_name_keeps_its_key(database: Any) -> None:
    first, second = new_key(), new_key()
    database.write(lambda: add_key("ERP", first, 1))

    with pytest.raises(Conflict, match=r"'ERP' already"):
        database.write(lambda: add_key("ERP", second, 2))

    assert (name_of(database, first), name_of(database, second)) == ("ERP", None)


def test_a_replaced_key_is_out(database: Any) -> None:
    first, second, other = new_key(), new_key(), new_key()
    database.write(lambda: add_key("ERP", first, 1))
    database.write(lambda: add_key("CRM", other, 1))

    database.write(lambda: replace_key("ERP", second, 2))
    database.write(lambda: replace_key("new", first, 3))

    assert [name_of(database, key) for key in (first, second, other)] == ["new", "ERP", "CRM"]
    database.write(lambda: replace_key("new", new_key(), 4))
    assert name_of(database, first) is None
