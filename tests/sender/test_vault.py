"""Secrets of endpoints at rest: encrypted, bound to their place, opened by one file alone; keys in turn."""

import base64
import logging
import mmap
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme

from ombud.db.operation import Operation, Statement
from ombud.errors import ConfigurationError, InvalidInput, KeyMissing
from ombud.mailbox.ids import ID_LIMIT
from ombud.sender import rotation as rotation_module
from ombud.sender.deliver import Deliverer
from ombud.sender.endpoint import Endpoint, EndpointEdit
from ombud.sender.key_file import add_key, make_key_file, read_key_file
from ombud.sender.outbox import Event
from ombud.sender.rotation import Rotation
from ombud.sender.sender import Sender
from ombud.sender.vault import Vault
from ombud.settings import Settings
from tests.sender.conftest import LOOPBACK, Running
from tests.support.databases import Home
from tests.support.postgres import PostgresServers

URL = "https://hooks.example/"
DEAD = 2


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a key be known as soon as it is in the file."""
    monkeypatch.setattr("ombud.sender.vault.LOOK_SECONDS", 0.0)


@pytest.fixture
def new_sender(home: Home, tmp_path: Path) -> Iterator[Callable[..., Sender]]:
    """Start senders on one database; a file of their own stands in for the usual one."""
    made: list[Sender] = []

    def make(key_file: Path | None = None) -> Sender:
        path = key_file or tmp_path / "ombud.key"
        settings = Settings(allow_networks=LOOPBACK, retry_seconds=(), encryption_key_file=str(path))
        made.append(Sender(home.open(), settings))
        made[-1].prepare()
        return made[-1]

    yield make
    for sender in made:
        sender.close()


def secret_of(text: str) -> str:
    """Return a signing secret whose text is easily found."""
    return "whsec_" + base64.b64encode(text.encode()).decode()


def run(sender: Sender, text: str, **values: Any) -> list[Any]:
    def operation() -> Operation[list[Any]]:
        return (yield Statement(text, text), values)

    found: list[Any] = sender.database.write(operation)
    return found


def add(sender: Sender, secret: str | None = None, url: str = URL, **choices: Any) -> Endpoint:
    return sender.database.write(lambda: sender.endpoints.add(EndpointEdit(url, **choices), 1, secret))


def stored(sender: Sender) -> list[Any]:
    return run(sender, "select id, secret, previous_secret, headers from endpoint order by id")


def opened(sender: Sender) -> list[Any]:
    """Return what a try would use, of every endpoint."""
    found = []
    for row in stored(sender):
        both = " ".join(filter(None, (row["secret"], row["previous_secret"])))
        found.append((sender.vault.secrets(row["id"], both), sender.vault.headers(row["id"], row["headers"])))
    return found


def bytes_of(home: Home, folder: Path, servers: PostgresServers) -> Iterator[Path]:
    """Return the files in which a database keeps what it has."""
    if not home.is_postgres:
        yield from (file for file in folder.iterdir() if file.is_file() and file.suffix != ".key")
        return
    parts = urlsplit(home.url)
    server = Path(parse_qs(parts.query)["host"][0])
    [lent] = [one for one in servers.started if one.folder == server]
    lent.sql("checkpoint")
    number = lent.sql(f"select oid from pg_database where datname = '{parts.path[1:]}'")[0]
    yield from (server / "data" / "base" / number).iterdir()


def holds(file: Path, text: str) -> bool:
    if not file.stat().st_size:
        return False
    with file.open("rb") as opened_file, mmap.mmap(opened_file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(text.encode()) >= 0


def is_anywhere(text: str, home: Home, folder: Path, servers: PostgresServers) -> bool:
    return any(holds(file, text) for file in bytes_of(home, folder, servers))


@pytest.mark.parametrize("plain", [False, True], ids=["", "control: a build that stores them as they are"])
def test_no_file_of_the_database_holds_a_secret(
    home: Home,
    tmp_path: Path,
    new_sender: Callable[..., Sender],
    postgres_servers: PostgresServers,
    monkeypatch: pytest.MonkeyPatch,
    plain: bool,
) -> None:
    if plain:

        def as_it_is(_vault: Vault, _id: int, _column: str, text: str) -> Operation[str]:
            yield from ()
            return text

        monkeypatch.setattr(Vault, "_encrypted", as_it_is)
        monkeypatch.setattr(Vault, "secrets", lambda _vault, _id, text: (text,))
        monkeypatch.setattr(Vault, "headers", lambda *_: ())
    sender = new_sender()
    canaries = [secrets.token_hex(16) for _ in range(4)]
    first, second, third = map(secret_of, canaries[:3])
    endpoint = add(sender, first, headers=(("X-Key", canaries[3]),))
    sender.database.write(lambda: sender.endpoints.rotate_secret(endpoint.id, second))
    sender.database.write(lambda: sender.endpoints.rotate_secret(endpoint.id, third))
    sender.database.write(lambda: sender.endpoints.change(endpoint.id, description="seen"))

    planted = [first, second, third, canaries[3]]
    assert is_anywhere("seen", home, tmp_path, postgres_servers)
    assert [is_anywhere(text, home, tmp_path, postgres_servers) for text in planted] == [plain] * 4
    if not plain:
        assert opened(sender) == [((third, second), (("X-Key", canaries[3]),))]


async def test_what_is_sent_is_decrypted_once(anywhere: Running, peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[str] = []
    real = Vault._decrypted

    def counted(vault: Vault, endpoint_id: int, column: str, text: str) -> str:
        times.append(column)
        return real(vault, endpoint_id, column, text)

    monkeypatch.setattr(Vault, "_decrypted", counted)
    sender, secret = anywhere.sender, secret_of("s" * 32)
    edit = EndpointEdit(peer.url, headers=(("X-Key", "k"),))
    await sender.writer.write(lambda: sender.endpoints.add(edit, 1, secret))
    await sender.publish([Event("order.new", str(number)) for number in range(20)])
    anywhere.start()

    requests = await peer.wait_for(20)
    assert all(b"X-Key: k\r\n" in request and b"webhook-signature: v1," in request for request in requests)
    await anywhere.settled()
    assert sorted(times) == ["headers", "secret"]


def test_what_was_moved_or_changed_opens_nothing(new_sender: Callable[..., Sender]) -> None:
    sender = new_sender()
    one, other = (add(sender, secret_of(name * 32), headers=(("X-Key", name),)) for name in "ab")
    rows = {row["id"]: row for row in stored(sender)}
    mine, others = rows[one.id], rows[other.id]
    turned = mine["secret"][:-2] + ("A" if mine["secret"][-2] != "A" else "B") + mine["secret"][-1]

    for bad in (
        others["secret"],
        mine["headers"],
        turned,
        mine["secret"][:-8],
        f"{mine['secret'][:20]}x",
        "whsec_AAAA",
    ):
        with pytest.raises(InvalidInput, match="cannot be read"):
            sender.vault.secrets(one.id, bad)
    with pytest.raises(InvalidInput, match="moved here"):
        sender.vault.secrets(one.id, f"{mine['secret']} {mine['secret']}")
    with pytest.raises(InvalidInput, match="plain text"):
        sender.vault.headers(one.id, '[["X-Key", "of a stranger"]]')
    assert sender.vault.secrets(one.id, mine["secret"]) == (secret_of("a" * 32),)


def test_a_private_key_is_not_taken_for_a_certificate() -> None:
    authority = trustme.CA()
    certificate, key = authority.cert_pem.bytes().decode(), authority.private_key_pem.bytes().decode()
    EndpointEdit(URL, authority=certificate).check()
    with pytest.raises(InvalidInput, match="holds a private key") as caught:
        EndpointEdit(URL, authority=certificate + key).check()
    assert key.split("\n")[1] not in str(caught.value)


def test_a_start_without_the_right_file_is_refused(new_sender: Callable[..., Sender], tmp_path: Path) -> None:
    path = tmp_path / "ombud.key"
    add(new_sender(), secret_of("s" * 32))
    whole = path.read_bytes()
    [key] = read_key_file(path)

    path.unlink()
    with pytest.raises(ConfigurationError, match=f"{path} is missing"):
        new_sender()
    assert not path.exists(), "a new one would be taken for the right one"
    make_key_file(path)
    with pytest.raises(ConfigurationError, match=f"is not the one of .* lacks {key.id}"):
        new_sender()
    path.write_bytes(whole)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        new_sender()
    path.chmod(0o600)
    assert opened(new_sender()) == [((secret_of("s" * 32),), ())]


def test_a_start_that_cannot_make_the_file_says_so(new_sender: Callable[..., Sender], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        new_sender(tmp_path / "nowhere" / "ombud.key")
    assert run(new_sender(), "select number, work from encryption_key") == [{"number": 1, "work": ""}]


async def test_a_try_waits_for_its_key(anywhere: Running, peer: Any, tmp_path: Path) -> None:
    sender = anywhere.sender
    lacking = Vault(tmp_path / "other.key")
    sender.deliverer = Deliverer((), 10.0, guard=sender.deliverer.guard, vault=lacking)
    make_key_file(lacking.path)
    secret = secret_of("s" * 32)
    await sender.writer.write(lambda: sender.endpoints.add(EndpointEdit(peer.url), 1, secret))
    await sender.publish([Event("order.new", "1")])
    anywhere.start()
    attempt = (await anywhere.until("select reason from attempt"))[0]
    assert "key file lacks" in attempt["reason"]
    with pytest.raises(KeyMissing, match="lacks a key"):
        lacking.key("0" * 16)

    keys = (tmp_path / "other.key").read_text() + Vault.of(sender.database, sender.settings).path.read_text()
    (tmp_path / "other.key").write_text(keys)
    assert len(await peer.wait_for(1)) == 1


def test_a_key_follows_another_while_everybody_goes_on(
    new_sender: Callable[..., Sender], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation_module, "STEP_ENDPOINTS", 2)
    sender, path = new_sender(), tmp_path / "ombud.key"
    for number in range(5):
        add(sender, secret_of(f"{number}" * 32), headers=(("X-Key", f"k{number}"),))
    add(sender)
    before, [old] = opened(sender), read_key_file(path)
    copy = Path(str(path) + ".copy")
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o600)

    beside = Rotation(sender.database, Vault(path))
    prepared = beside.add_key()
    assert beside.add_key() == prepared, "it is not used yet"
    add(sender, secret_of("x" * 32))
    assert old.id in stored(sender)[-1]["secret"]
    assert beside.rotate() == prepared
    add(sender, secret_of("y" * 32))

    texts = [text for row in stored(sender) for name, text in row.items() if name != "id" and text not in (None, "[]")]
    assert len(texts) == 12
    assert all(text.startswith(f"v1:{prepared.id}:") for text in texts)
    assert opened(sender)[:6] == before
    assert read_key_file(path) == (prepared, old)
    assert run(sender, "select id, work from encryption_key") == [{"id": prepared.id, "work": ""}]
    with pytest.raises(ConfigurationError, match=f"lacks {prepared.id}"):
        new_sender(copy)
    path.write_text("\n".join(line for line in path.read_text().split("\n") if line != copy.read_text().split("\n")[1]))
    assert opened(new_sender())[:6] == before


def test_a_rotation_that_was_killed_is_ended_by_the_next_start(
    new_sender: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation_module, "STEP_ENDPOINTS", 2)
    sender = new_sender()
    for number in range(5):
        add(sender, secret_of(f"{number}" * 32))
    before = opened(sender)
    for steps in (0, 1, 2):
        with monkeypatch.context() as patch:
            die_after(patch, steps)
            with pytest.raises(Killed):
                Rotation(sender.database, Vault(sender.vault.path)).rotate()
        assert opened(sender) == before, "both keys open what is theirs"
        new_sender()
        keys = {row["secret"].split(":")[1] for row in stored(sender)}
        assert keys == {read_key_file(sender.vault.path)[0].id}
        assert opened(sender) == before


def test_what_nobody_can_open_does_not_hold_up_a_rotation(
    new_sender: Callable[..., Sender], caplog: pytest.LogCaptureFixture
) -> None:
    """A row of an old backup, whose key is not in the file any more."""
    sender = new_sender()
    lost, kept = (add(sender, secret_of(name * 32)) for name in "ab")
    old = stored(sender)[0]["secret"]
    path = sender.vault.path
    Rotation(sender.database, Vault(path)).rotate()
    [new, _] = path.read_text().split("\n")[1:3]
    path.write_text(new)
    run(sender, "update endpoint set secret = :secret where id = :id", secret=old, id=lost.id)

    key = Rotation(sender.database, Vault(path)).rotate()

    assert f"({lost.id}) keeps what cannot be read: The key file" in caplog.text
    assert [row["secret"].split(":")[1] == key.id for row in stored(sender)] == [False, True]
    assert new_sender().vault.secrets(kept.id, stored(sender)[1]["secret"]) == (secret_of("b" * 32),)


def test_a_database_whose_file_is_lost_is_used_on(new_sender: Callable[..., Sender]) -> None:
    """As docs/secrets.md says: without what the file opened."""
    page = (Path(__file__).parents[2] / "docs" / "secrets.md").read_text()
    [statements] = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    sender = new_sender()
    endpoint = add(sender, secret_of("a" * 32), headers=(("X-Key", "lost"),))
    sender.database.write(lambda: sender.endpoints.rotate_secret(endpoint.id, secret_of("b" * 32)))
    sender.vault.path.unlink()
    with pytest.raises(ConfigurationError, match="is missing"):
        new_sender()

    for text in statements.split(";")[:-1]:
        run(sender, text)

    after = new_sender()
    assert opened(after) == [((), ())]
    after.database.write(lambda: after.endpoints.rotate_secret(endpoint.id, secret_of("c" * 32)))
    after.database.write(lambda: after.endpoints.change(endpoint.id, headers=(("X-Key", "new"),)))
    assert opened(after) == [((secret_of("c" * 32),), (("X-Key", "new"),))]


class Killed(Exception):
    """The process is gone."""


def die_after(patch: pytest.MonkeyPatch, steps: int) -> None:
    """End a rotation after so many of its commits."""
    left = [steps]
    real = Rotation._step

    def step(rotation: Rotation, key_id: str, after: int) -> Operation[int | None]:
        if not left[0]:
            raise Killed
        left[0] -= 1
        return (yield from real(rotation, key_id, after))

    patch.setattr(Rotation, "_step", step)


@pytest.mark.parametrize("kills", [(), (0, 1, 1)], ids=["at once", "after kills"])
def test_plain_text_of_an_older_version_is_encrypted_and_leaves_nothing(
    home: Home,
    tmp_path: Path,
    new_sender: Callable[..., Sender],
    postgres_servers: PostgresServers,
    monkeypatch: pytest.MonkeyPatch,
    kills: tuple[int, ...],
) -> None:
    monkeypatch.setattr(rotation_module, "STEP_ENDPOINTS", 2)
    planted = [secrets.token_hex(16) for _ in range(6)]
    with Old(home) as old:
        for canary in planted:
            endpoint = add(old.sender)
            run(
                old.sender,
                "update endpoint set secret = :secret, headers = :headers where id = :id",
                secret=secret_of(canary),
                headers=f'[["X-Key", "{canary}"]]',
                id=endpoint.id,
            )
        run(old.sender, "update endpoint set secret = null where id = (select max(id) from endpoint)")
        assert is_anywhere(planted[0], home, tmp_path, postgres_servers), "else nothing would be found below either"
    for steps in kills:
        with monkeypatch.context() as patch:
            die_after(patch, steps)
            with pytest.raises(Killed):
                new_sender()

    sender = new_sender()

    texts = [text for canary in planted for text in (canary, secret_of(canary))]
    assert [text for text in texts if is_anywhere(text, home, tmp_path, postgres_servers)] == []
    wanted = [((secret_of(canary),), (("X-Key", canary),)) for canary in planted]
    assert opened(sender) == [*wanted[:-1], ((), wanted[-1][1])]
    assert run(sender, "select number, work from encryption_key") == [{"number": 1, "work": ""}]
    assert [one.edit.headers for one in sender.database.read(lambda: sender.endpoints.list(ID_LIMIT - 1, 1))]


class Old:
    """A sender from before there were keys."""

    def __init__(self, home: Home) -> None:
        self.sender = Sender(home.open(), Settings())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sender.close()


def test_a_large_file_is_scrubbed_when_somebody_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home, canary = Home(f"sqlite:///{tmp_path}/ombud.db"), secrets.token_hex(16)
    with Old(home) as old:
        endpoint = add(old.sender, description=canary)
        run(old.sender, "update endpoint set secret = :secret, description = ''", secret=secret_of("s" * 32))
    monkeypatch.setattr("ombud.db.sqlite.LARGEST_SCRUB_BYTES", 1)
    sender = Sender(home.open(), Settings())
    try:
        with caplog.at_level(logging.WARNING):
            sender.prepare()
        assert "ombud secrets scrub" in caplog.text
        assert run(sender, "select work from encryption_key") == [{"work": "scrub"}]
        Rotation(sender.database, sender.vault).rotate()
        assert run(sender, "select work from encryption_key") == [{"work": "scrub"}] * 2, "it is not forgotten"
        Rotation(sender.database, sender.vault).scrub()
        assert run(sender, "select work from encryption_key") == [{"work": ""}]
        assert opened(sender) == [((secret_of("s" * 32),), ())]
        assert [row["id"] for row in stored(sender)] == [endpoint.id]
        assert not any(holds(file, canary) for file in tmp_path.iterdir())
    finally:
        sender.close()


def test_nodes_that_start_at_once_have_one_key(home: Home, tmp_path: Path) -> None:
    """Two hosts whose files were not the same: one of them must not begin."""
    senders = [Sender(home.open(), Settings(encryption_key_file=str(tmp_path / f"{name}.key"))) for name in "ab"]
    try:
        senders[0].prepare()
        with pytest.raises(ConfigurationError, match=r"b\.key is missing"):
            senders[1].prepare()
        with pytest.raises(KeyMissing):
            add(senders[1], secret_of("s" * 32))
        add(senders[1])
        add_key(tmp_path / "a.key")
    finally:
        for sender in senders:
            sender.close()
