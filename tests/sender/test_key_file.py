"""The key file: made once, whole and private; refused, with the way to mend it, when it is not as it must be."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ombud.errors import ConfigurationError
from ombud.sender.key_file import add_key, make_key_file, read_key_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is to be."""
    return tmp_path / "ombud.key"


def test_it_is_made_once_and_is_private(path: Path) -> None:
    old = os.umask(0)
    try:
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: make_key_file(path), range(16)))
    finally:
        os.umask(old)

    assert len(set(made)) == 1
    assert make_key_file(path) == read_key_file(path) == made[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_no_key_is_added_to_a_file_in_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is missing"):
        add_key(tmp_path / "gone" / "ombud.key")


def test_keys_that_are_added_at_once_are_all_there(path: Path) -> None:
    [first] = make_key_file(path)
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda _: add_key(path), range(8)))

    assert {key.id for key in read_key_file(path)} == {first.id, *(key.id for key in added)}


def test_a_new_key_comes_before_the_others(path: Path) -> None:
    [first] = make_key_file(path)
    second = add_key(path)

    assert [key.id for key in read_key_file(path)] == [second.id, first.id]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert first.secret.hex() not in repr(first)
    assert "secret" not in repr(first)


def test_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    make_key_file(path)
    (tmp_path / "link").symlink_to(path)
    added = add_key(tmp_path / "link")

    assert (tmp_path / "link").is_symlink()
    assert read_key_file(path)[0] == added


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o622, 0o666])
def test_one_that_is_open_to_others_is_refused(path: Path, mode: int) -> None:
    make_key_file(path)
    path.chmod(mode)

    with pytest.raises(ConfigurationError, match=rf"mode {mode:04o}.*chmod 600 {path}"):
        read_key_file(path)


def test_one_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_key_file(path)
    found = list(path.stat())
    found[stat.ST_UID] = os.geteuid() + 1
    monkeypatch.setattr("ombud.sender.key_file.os.fstat", lambda _: os.stat_result(found))

    with pytest.raises(ConfigurationError, match="belongs to another user"):
        read_key_file(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"# only words\n", b"ombudkey_\n", b"nonsense\n", b"\xff\n", b"ombudkey_" + b"A" * 43, b"A" * 70_000],
)
def test_one_that_holds_something_else_is_refused_without_showing_it(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(ConfigurationError, match=r"Put the right file in its place") as caught:
        read_key_file(path)

    assert "AAAA" not in str(caught.value)
    assert caught.value.__context__ is None
    assert path.read_bytes() == content


def test_a_folder_or_nothing_is_refused(path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is missing.*OMBUD_ENCRYPTION_KEY_FILE"):
        read_key_file(path)
    path.mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match=r"not a file|Is a directory"):
        read_key_file(path)


def test_where_it_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be written.*OMBUD_ENCRYPTION_KEY_FILE"):
        make_key_file(tmp_path / "nowhere" / "ombud.key")
