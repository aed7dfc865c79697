"""An inbox served by other processes: what they need, and how webhooks get there."""

import http.client
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from ombud.db.operation import Row
from ombud.db.sqlite import SqliteDatabase
from ombud.wire import PARAMETER_OF
from tests.receiver.reports import Reports
from tests.receiver.store import KEY, Store
from tests.receiver.world import TOKEN, once
from tests.support.processes import PATIENCE_SECONDS, ROOT, Ombud


def environment(folder: Path, store: Store, reports: Reports | None = None) -> dict[str, str]:
    """What an app and `ombud` read: an inbox in that folder, for that shop, under which nothing waits."""
    return ({} if reports is None else reports.environment) | {
        "OMBUD_DATABASE_URL": f"sqlite:///{folder / 'inbox.db'}",
        "OMBUD_TOKEN": TOKEN,
        "OMBUD_API_URL": store.api_url,
        "OMBUD_READS_PER_SECOND": "1000",
        "OMBUD_QUIET_SECONDS": "0,0",
        "OMBUD_SETTLE_SECONDS": "",
        "OMBUD_RECONCILE_SECONDS": "",
        "OMBUD_RETRY_SECONDS": ",".join(["0.05"] * 100),
        "QUICKBUTIK_API_KEY": KEY,
        "PYTHONPATH": str(ROOT),
    }


def hook_of(ombud: Ombud) -> str:
    return str(ombud.card["receiver"]).replace("<token>", TOKEN)


class Hook:
    """Sends webhooks, each on a connection of its own as the vendor may, and remembers how long each answer took."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self.seconds: list[float] = []

    def hear(self, event_type: str, object_id: str) -> int:
        began = time.monotonic()
        with closing(http.client.HTTPConnection(self._url.netloc, timeout=PATIENCE_SECONDS)) as connection:
            connection.request(
                "GET", f"{self._url.path}?event_type={event_type}&{PARAMETER_OF[event_type]}={object_id}"
            )
            status = connection.getresponse().status
        self.seconds.append(time.monotonic() - began)
        return status

    def hear_all(self, webhooks: Sequence[tuple[str, str]], senders: int = 8) -> None:
        """Send many at once; every one is answered 200."""
        shares = [webhooks[number::senders] for number in range(senders)]
        refused: list[int] = []

        def send(share: Sequence[tuple[str, str]]) -> None:
            refused.extend(status for one in share if (status := self.hear(*one)) != 200)

        threads = [threading.Thread(target=send, args=(share,)) for share in shares]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert refused == []
        assert len(self.seconds) >= len(webhooks)

    def share(self, of_hundred: int) -> float:
        """Seconds within which that many of a hundred answers came."""
        return sorted(self.seconds)[max(0, len(self.seconds) * of_hundred // 100 - 1)]


def query(folder: Path, sql: str) -> list[Row]:
    """Ask the database of the inbox in that folder."""
    database = SqliteDatabase(folder / "inbox.db")
    try:
        return database.read(lambda: once(sql))
    finally:
        database.close()


def wait_until_settled(folder: Path) -> None:
    """Wait until every arrival and every run of the inbox in that folder has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := query(folder, "select subject from delivery where state = 0 limit 5"):
        assert time.monotonic() < deadline, left
