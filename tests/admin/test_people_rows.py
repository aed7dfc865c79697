"""People, links, sessions and keys, on each of the databases."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ombud.admin.access import OPERATOR, Caller, Role, Scope, read_scopes
from ombud.admin.audit_log import list_entries, record, recorded
from ombud.admin.keys import add_key, find_key, list_keys, new_key, revoke_key, use_key
from ombud.admin.links import LINK_LIFE, add_link, add_reset, first_link, look_at, new_token, token_hash, use
from ombud.admin.oidc_people import add_address, let_in_by
from ombud.admin.people import Person, change_password, change_role, find_person, list_people, remove_person
from ombud.admin.sessions import (
    IDLE,
    LIFE,
    Session,
    begin_session,
    end_others,
    end_session,
    find_session,
    list_sessions,
    see_session,
)
from ombud.db.database import Database
from ombud.db.migrate import migrate
from ombud.errors import Conflict, Forbidden, InvalidInput, NotFound
from ombud.mailbox.ids import ID_LIMIT
from tests.support.commits import meanwhile
from tests.support.databases import Home

NOW = 1_800_000_000_000_000
BROWSER = ("192.0.2.7", "a browser" * 100)


@pytest.fixture
def database(home: Home) -> Any:
    made = home.open(lambda: NOW)
    migrate(made, ["ombud.admin"])
    yield made
    made.close()


def actions(database: Database) -> list[tuple[str, str, str]]:
    found = database.read(lambda: list_entries(ID_LIMIT - 1, 100))
    return [(entry["actor"], entry["action"], entry["target"]) for entry in reversed(found)]


def refused(database: Database, make: Callable[[], Any], kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        database.write(make)
    return str(caught.value)


def open_link(database: Database, name: str, role: Role = Role.OWNER, now: int = NOW) -> Person:
    token = new_token()
    database.write(lambda: add_link(OPERATOR, token, now, role))
    return database.write(lambda: use(token, name, f"hash of {name}", now))


def test_the_first_link_opens_once_and_then_none_of_them_does(database: Database) -> None:
    first, second = new_token(), new_token()
    for token in (first, first, second):
        assert database.write(partial(first_link, token, NOW))
    assert database.read(lambda: look_at(first, NOW)).role is Role.OWNER
    refused(database, lambda: look_at(first, NOW + LINK_LIFE), NotFound)
    refused(database, lambda: use(first, "\n", "hash", NOW), InvalidInput)
    anna = database.write(lambda: use(first, "Anna", "hash", NOW))
    for token in (first, second):
        assert "older than a day" in refused(database, partial(use, token, "Eve", "hash", NOW), NotFound)
    assert database.write(lambda: first_link(new_token(), NOW)) is False
    assert database.read(lambda: find_person("ANNA")) == anna
    for nobody in ("", "Anna\x00", "Anna\ud800", "Anna" * 100):
        assert database.read(partial(find_person, nobody)) is None
    assert actions(database) == [("Anna", "person.add", "Anna")]


def test_people_come_change_and_go(database: Database) -> None:
    anna, bo = open_link(database, "Anna"), open_link(database, "Bo", Role.READER)
    token = new_token()
    database.write(lambda: add_link(OPERATOR, token, NOW, Role.EDITOR, 7))
    assert "Choose another name" in refused(database, lambda: use(token, "BO", "hash", NOW), Conflict)
    cia = database.write(lambda: use(token, "Cia", "hash", NOW))
    assert (cia.role, cia.shop_id, cia.caller.sees(7), cia.caller.sees(8)) == (Role.EDITOR, 7, True, False)
    database.write(lambda: change_role(anna.caller, bo.id, Role.OWNER, 7, NOW))
    # The owner of one shop lets nobody in.
    for last in (
        lambda: change_role(anna.caller, anna.id, Role.EDITOR, 0, NOW),
        lambda: remove_person(anna.caller, anna.id, NOW),
    ):
        assert "last owner" in refused(database, last, Conflict)
    reset = new_token()
    database.write(lambda: add_reset(anna.caller, reset, bo, NOW))
    assert database.read(lambda: look_at(reset, NOW)).person is not None
    again = database.write(lambda: use(reset, "ignored", "another hash", NOW))
    assert again.id == bo.id
    database.write(lambda: remove_person(anna.caller, bo.id, NOW))
    refused(database, lambda: remove_person(anna.caller, bo.id, NOW), NotFound)
    assert [person.name for person in database.read(list_people)] == ["Anna", "Cia"]
    assert actions(database)[-4:] == [
        ("Anna", "person.role", "Bo"),
        ("Anna", "person.reset", "Bo"),
        ("Bo", "person.password", "Bo"),
        ("Anna", "person.remove", "Bo"),
    ]
    check_who_comes_by_a_provider(database, anna)


def test_of_two_who_remove_each_other_at_once_one_is_left(database: Database, home: Home) -> None:
    anna, bo = open_link(database, "Anna"), open_link(database, "Bo")
    other = home.open(lambda: NOW)
    remove_bo, remove_anna = (
        partial(remove_person, mover.caller, gone.id, NOW) for mover, gone in ((anna, bo), (bo, anna))
    )
    with pytest.raises(Conflict, match="last owner"):
        meanwhile(database, remove_bo, other, remove_anna)
    assert [person.name for person in database.read(list_people)] == ["Anna"]
    other.close()


def test_what_two_do_with_people_at_once_is_done_one_after_the_other(database: Database, home: Home) -> None:
    other, first, second = home.open(lambda: NOW), new_token(), new_token()
    database.write(lambda: first_link(first, NOW))
    enter = partial(use, first, "Anna", "hash of Anna", NOW)
    assert not meanwhile(database, enter, other, partial(first_link, second, NOW)), "there is somebody by then"

    anna = database.write(lambda: find_person("Anna"))
    assert anna is not None
    change = partial(change_password, anna, "another hash", b"", NOW)
    log_in = partial(begin_session, anna, new_token(), b"", BROWSER, NOW)
    with pytest.raises(Forbidden, match="do not belong together"):
        meanwhile(database, change, other, log_in)
    refused(database, change, Forbidden)

    database.write(lambda: add_address(anna.caller, "dan@example.test", Role.READER, 7, NOW))
    come = partial(let_in_by, "issuer 1", "dan@example.test", None, NOW)
    assert meanwhile(database, come, other, come).name == "dan@example.test"
    other.close()


def check_who_comes_by_a_provider(database: Database, anna: Person) -> None:
    """Check that an address opens an account once, and then the provider's name for its person."""
    dan = database.write(lambda: add_address(anna.caller, "dan@example.test", Role.READER, 7, NOW))
    refused(database, lambda: add_address(anna.caller, "DAN@example.test", Role.OWNER, 0, NOW), Conflict)
    for poor in ("dan", "dan@", "a b@example.test", "dan@example.test\n", f"{'d' * 100}@example.test"):
        refused(database, partial(add_address, anna.caller, poor, Role.READER, 0, NOW), InvalidInput)

    def comes(subject: str, address: str) -> Person:
        return database.write(lambda: let_in_by(subject, address, None, NOW))

    assert comes("issuer 1", "Dan@example.test") == comes("issuer 1", "elsewhere@example.test") == dan
    for subject, address in (("issuer 2", "dan@example.test"), ("issuer 3", "Anna"), ("issuer 4", "eve@example.test")):
        refused(database, partial(let_in_by, subject, address, None, NOW), Forbidden)


def session_of(database: Database, token: str) -> Session:
    found = database.read(lambda: find_session(token))
    assert found is not None
    return found


def test_sessions_begin_and_end(database: Database) -> None:
    anna = open_link(database, "Anna")
    tokens = [new_token() for _ in range(3)]
    old = b""
    for token in tokens:
        database.write(partial(begin_session, anna, token, old, BROWSER, NOW))
        old = token_hash(tokens[0])
    first, second, third = (session_of(database, token) for token in tokens)
    # The one that a browser came with has ended; its hash stays to know the browser by.
    assert [one.is_over(NOW) for one in (first, second, third)] == [True, False, False]
    assert database.read(lambda: find_session(new_token())) is None
    assert not second.is_over(NOW + IDLE)
    assert second.is_over(NOW + IDLE + 1)
    database.write(lambda: see_session(second.hash, NOW + LIFE))
    seen = session_of(database, tokens[1])
    assert not seen.is_over(NOW + LIFE)
    assert seen.is_over(NOW + LIFE + 1)
    shown = database.read(lambda: list_sessions(second, NOW))
    assert [(one["this"], len(one["agent"])) for one in shown] in (
        [(True, 200), (False, 200)],
        [(False, 200), (True, 200)],
    )
    database.write(lambda: end_others(second, NOW))
    assert session_of(database, tokens[2]).is_over(NOW)
    database.write(lambda: end_session(second.hash, NOW))
    assert session_of(database, tokens[1]).is_over(NOW)
    assert all(token not in repr(database.read(lambda: list_sessions(second, NOW))) for token in tokens)


def test_keys_say_what_they_may(database: Database) -> None:
    key = new_key()
    database.write(lambda: add_key("ERP", key, NOW, read_scopes("read, events:write"), 7))
    assert database.read(lambda: find_key(key)) == Caller("ERP", 7, frozenset({Scope.READ, Scope.EVENTS}))
    assert database.read(lambda: list_keys(10))[0]["last_used_at"] is None
    for at in (NOW + 5, NOW + 3):
        database.write(partial(use_key, "ERP", at))
    [shown] = database.read(lambda: list_keys(10))
    assert (shown["scopes"], shown["shop_id"]) == (["events:write", "read"], 7)
    assert shown["last_used_at"].endswith("000005Z")
    database.write(lambda: revoke_key(OPERATOR, "ERP", NOW))
    refused(database, lambda: revoke_key(OPERATOR, "ERP", NOW), NotFound)
    assert database.read(lambda: find_key(key)) is None
    assert actions(database) == [("operator", "key.add", "ERP"), ("operator", "key.revoke", "ERP")]


def test_a_change_that_fails_is_not_on_record(database: Database) -> None:
    def note(_: object) -> Any:
        return record(OPERATOR, "person.remove", "nobody", NOW)

    refused(database, recorded(lambda: remove_person(OPERATOR, 1, NOW), note), NotFound)
    assert actions(database) == []
    database.write(recorded(lambda: use_key("nobody", NOW), note))
    assert actions(database) == [("operator", "person.remove", "nobody")]


def test_who_may_do_what() -> None:
    assert [[role.includes(other) for other in Role] for role in Role] == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    for text in ("", "write", "read write", "READ"):
        with pytest.raises(InvalidInput):
            read_scopes(text)
    one, every = Caller("one", 7), Caller("every")
    assert (one.shop_for(None, 1), one.shop_for(7, 1), every.shop_for(None, 1), every.shop_for(9, 1)) == (7, 7, 1, 9)
    with pytest.raises(Forbidden):
        one.shop_for(8, 1)
