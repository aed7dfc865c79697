"""A whole life of an endpoint with planted secrets: none is in a log, a file, a page, an answer, an output or argument.

S13 and S20. Where each may be is said with it; and every place is looked into for a word that must be found there.
"""

import base64
import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from urllib.parse import quote, unquote

import httpx2

from ombud.admin.access import Role
from ombud.admin.keys import add_key, new_key
from ombud.db.migrate import migrate
from ombud.db.operation import Operation, Statement
from ombud.db.sqlite import SqliteDatabase
from ombud.signing import new_secret
from tests.support.endpoint import Endpoint
from tests.support.people import log_in
from tests.support.processes import PATIENCE_SECONDS, Commands, Ombud, Ombuds

# What must be found at each place, so that no look is blind. `mine`: what the API and the pages show to who may change
# the endpoint. `others`: what they show to everybody, and tell of deliveries. `wire`: what the endpoint is sent.
MARKS = {
    "log": "cannot be an event", "files": "plain-word", "mine": "plain-word", "others": "order/90017",
    "output": "plain-word", "arguments": "plain-word", "wire": "event_type=order.new", "chat": "[Ombud]",
}  # fmt: skip
# Pages of one kind that are looked at: their rows are as those of the others.
ALIKE = 5
PASSWORD = "planted password 4711"
# `ombud` that writes down whatever its libraries and itself have to say.
LOUD = ("-c", "import logging; logging.basicConfig(level=logging.DEBUG); from ombud.cli.main import main; main()")
OURS = {"OMBUD_ALLOW_NETWORKS": "127.0.0.0/8", "OMBUD_RETRY_SECONDS": "0.05", "OMBUD_TIMEOUT_SECONDS": "1"}


class Places:
    """What was seen, by place; and which secrets may be seen where."""

    def __init__(self) -> None:
        self._seen: dict[str, list[bytes]] = defaultdict(list)
        self._planted: dict[str, tuple[str, frozenset[str]]] = {}

    def plant(self, name: str, secret: str, *places: str) -> str:
        """Return a secret that may be seen there and nowhere else."""
        self._planted[name] = (secret, frozenset(places))
        return secret

    def see(self, place: str, *texts: str | bytes) -> None:
        self._seen[place] += [text.encode() if isinstance(text, str) else text for text in texts]

    def blind(self) -> set[str]:
        """Return the places at which not even what must be there was seen."""
        return {place for place, mark in MARKS.items() if not self._has(place, mark)}

    def leaks(self) -> set[tuple[str, str]]:
        """Return each secret that was seen, in whatever writing, with the place where it must not be."""
        return {
            (name, place)
            for name, (secret, allowed) in self._planted.items()
            for place in self._seen.keys() - allowed
            if any(self._has(place, written) for written in writings(secret))
        }

    def _has(self, place: str, text: str) -> bool:
        return any(text.encode() in seen for one in self._seen[place] for seen in (one, plainly(one)))


def writings(secret: str) -> set[str]:
    """Return the ways in which a secret may be written: as it is, what it stands for, and both in base64 and hex."""
    bare = secret.removeprefix("whsec_")
    texts = [secret.encode(), bare.encode()]
    if bare != secret:
        texts.append(base64.b64decode(bare))
    encoded = {base64.b64encode(text).decode().rstrip("=") for text in texts}
    return {secret, bare, *encoded, *(text.hex() for text in texts)}


def plainly(text: bytes) -> bytes:
    """Return a text without the writing of HTML, JSON and URLs."""
    return unquote(unescape(text.decode("latin-1")).replace("\\/", "/")).encode("latin-1", "replace")


@contextmanager
def arguments_of_processes(places: Places) -> Iterator[None]:
    """Look at every process of this machine, again and again."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.1):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    places.see("arguments", *{line for line in (path.read_bytes(),) if b"ombud" in line})
                except OSError:
                    continue

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


class Life:
    """An endpoint of a running sender, what is done with it, and what is seen meanwhile."""

    def __init__(self, places: Places, ombud: Ombud, endpoint: Endpoint, database: SqliteDatabase, key: str) -> None:
        self._places = places
        self._endpoint = endpoint
        self.database = database
        self.api = httpx2.Client(base_url=ombud.card["api"], headers={"Authorization": f"Bearer {key}"})
        self.base = ombud.card["panel"].rstrip("/")
        self.id = ""
        self.events: list[str] = []

    def ask(self, method: str, path: str, place: str, **body: object) -> dict[str, object]:
        answer = self.api.request(method, path, json=body or None)
        assert answer.is_success, (path, answer.text)
        self._places.see(place, answer.text, str(answer.headers))
        told: dict[str, object] = answer.json() if answer.content else {}
        return told

    def publish(self, ends: str, place: str = "others") -> None:
        """Publish an event and wait for the end of its delivery."""
        told = self.ask("POST", "/events", place, event_type="order.new", order_id="90017")
        self.events.append(str(told["id"]))
        until = time.monotonic() + PATIENCE_SECONDS
        while f'"state": "{ends}"' not in json.dumps(self.ask("GET", f"/events/{told['id']}", place)):
            assert time.monotonic() < until
            time.sleep(0.02)

    def look_around(self, cookies: dict[str, str], place: str) -> None:
        """See every page that is reached by links."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        with httpx2.Client(base_url=self.base, headers=headers) as browser:
            left, found = ["/", "/deliveries.csv", "/deliveries.ndjson", f"/events/{self.events[0]}"], set[str]()
            kinds = defaultdict[str, int](int)
            while left:
                path = left.pop()
                kind = re.sub(r"\b(ep|evt|dlv|alc|prs|rsd)_\w+", "", path.partition("?")[0])
                kinds[kind] += 1
                if kinds[kind] > ALIKE:
                    continue
                answer = browser.get(path)
                assert answer.status_code == 200, (path, answer.status_code)
                self._places.see(place, answer.text, str(answer.headers))
                links = {
                    unescape(one).partition("#")[0] for one in re.findall(r'<a [^>]*?href="(/[^"]*)"', answer.text)
                }
                left += sorted(links - found - {path})
                found |= links

    def fail_in_every_way(self, url: str) -> None:
        """Deliver, and have deliveries fail in ways that say back what was sent."""
        self.publish("done")
        said = self._endpoint.requests[-1].raw.replace(b"\r\n", b" ")
        for _ in range(2):
            self._endpoint.answers.put(b"HTTP/1.1 500 " + said + b"\r\nContent-Length: %d\r\n\r\n" % len(said) + said)
        self.publish("dead")
        self.publish("done")
        for broken in (
            url.replace("http:", "https:"),
            re.sub(r":\d+/", ":9/", url),
            url.replace("127.0.0.1", "10.0.0.7"),
        ):
            # By hand, as who enters it would hear of the last one.
            self._write("update endpoint set url = :url", url=broken)
            self.publish("dead")
            self._write("update endpoint set url = :url", url=url)
            self.publish("done")
        for _ in range(2):
            self._endpoint.hang()
        self.publish("dead")
        self._write("insert into intake(type, object_id) values (:type, '7')", type="no event")

    def _write(self, text: str, **values: str) -> None:
        def write() -> Operation[None]:
            yield Statement(text, text), values

        self.database.write(write)


def run_commands(places: Places, life: Life, commands: Commands) -> None:
    """See what the commands say; secrets are given to them by standard input, and shown once."""
    where = ("--database", f"sqlite:///{life.database.name}")
    edited = commands.run("endpoints", "edit", life.id, "--set", "description=plain-word", "--json", *where, **OURS)
    rotated = commands.run("endpoints", "secret", life.id, "--json", *where, **OURS)
    places.plant("secret of a command", json.loads(rotated.out)["secret"])
    for done in (
        edited,
        commands.run("explain", life.events[1], *where, **OURS),
    ):
        assert done.code == 0, done.error
        places.see("output", done.out, done.error)
    places.see("output", rotated.error)


def let_in(places: Places, url: str) -> dict[str, str]:
    """Make the first account; returns its cookie."""
    path = url.partition("/set-up/")[2]
    places.plant("link of the first account", path)
    origin = url.partition("/set-up/")[0]
    answer = httpx2.post(url, data={"name": "Anna", "password": PASSWORD}, headers={"Origin": origin})
    assert answer.status_code == 303, answer.text
    for secret in answer.cookies.values():
        places.plant("session", secret)
    return dict(answer.cookies)


def test_planted_secrets_stay_where_they_are(
    tmp_path: Path, ombuds: Ombuds, commands: Commands, new_endpoint: Callable[[], Endpoint]
) -> None:
    places, endpoint, chat = Places(), new_endpoint(), new_endpoint()
    token = places.plant("token in the path", "tok_path_canary_1", "files", "mine", "output", "wire")
    query = places.plant("token in the query", "tok_query_canary_2", "files", "mine", "output", "wire")
    header = places.plant("header", "header canary 3", "mine", "output", "wire")
    room = places.plant("room of a chat", "room_canary_4", "files")
    key, signing = places.plant("API key", new_key()), places.plant("signing secret", new_secret())
    places.plant("password", PASSWORD)
    database = SqliteDatabase(tmp_path / "ombud.db")
    migrate(database, ["ombud.mailbox", "ombud.sender", "ombud.admin"])
    database.write(lambda: add_key("program", key, database.clock()))

    with (tmp_path / "log").open("wb") as log, arguments_of_processes(places):
        ombuds.errors = log.fileno()
        ombud = ombuds.start("serve", "--port", "0", "--database", f"sqlite:///{database.name}", program=LOUD, **OURS)
        life = Life(places, ombud, endpoint, database, key)
        owner = let_in(places, ombud.card["set_up"])
        url = f"{endpoint.url}/{token}?a={query}"
        choices = {"headers": {"X-Key": header}, "description": "plain-word", "secret": signing}
        life.id = str(life.api.post("/endpoints", json={"url": url} | choices).json()["id"])
        channel = {"kind": "webhook", "target": f"{chat.url}/{room}", "name": "chat"}
        way = life.ask("POST", "/alarm-channels", "others", **channel)
        life.fail_in_every_way(url)
        places.plant("rotated secret", life.api.post(f"/endpoints/{life.id}/secret", json={}).json()["secret"])
        life.publish("done")
        life.ask("POST", "/replays", "others", state="dead")
        life.ask("POST", f"/alarm-channels/{way['id']}/test", "others")
        for path in ("/events", "/deliveries?state=dead", "/replays", "/alarm-channels", "/alarms"):
            life.ask("GET", path, "others")
        for path in ("/endpoints", f"/endpoints/{life.id}", f"/events/{life.events[1]}/explain"):
            life.ask("GET", path, "mine")
        run_commands(places, life, commands)
        writer = database.open_writer()
        reader = log_in(writer, Role.READER)
        writer.close()
        for cookies, place in ((owner, "mine"), (reader, "others")):
            life.look_around(cookies, place)
        life.ask("DELETE", f"/endpoints/{life.id}", "others")
        life.api.close()
        assert ombud.stop() == 0
    database.close()
    places.see("log", (tmp_path / "log").read_bytes())
    places.see("files", *(path.read_bytes() for path in tmp_path.glob("ombud.db*") if path.suffix != ".key"))
    places.see("wire", *(seen.raw for seen in endpoint.requests))
    places.see("chat", *(seen.body for seen in chat.requests))

    assert places.blind() == set()
    assert places.leaks() == set()


def test_a_secret_that_shows_is_found_however_it_is_written() -> None:
    for place in MARKS:
        for written in (
            *writings(secret := new_secret()), json.dumps(secret), quote(secret, safe=""), secret.replace("+", "&#43;"),
        ):  # fmt: skip
            places = Places()
            places.plant("secret", secret, *(set(MARKS) - {place}))
            for other in MARKS:
                places.see(other, f"…{written}…")
            assert places.leaks() == {("secret", place)}
    assert places.blind() == set(MARKS)
