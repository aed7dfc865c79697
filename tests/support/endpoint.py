"""A foreign endpoint on a real socket."""

import queue
import socket
import threading
import time
from dataclasses import dataclass

from tests.support.processes import PATIENCE_SECONDS


def _body_bytes(raw: bytes) -> int:
    """How many bytes follow the headers."""
    lines = raw.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    return sum(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))


@dataclass(frozen=True)
class Seen:
    """A request as it came: when (monotonic seconds), its bytes, and the parts that tests ask for."""

    at: float
    raw: bytes

    @property
    def target(self) -> str:
        return self.raw.split(b" ", 2)[1].decode()

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


class Endpoint:
    """A foreign endpoint on a real socket: records every byte, and answers what it is told to, 200 if nothing."""

    def __init__(self) -> None:
        self.seen: queue.SimpleQueue[Seen] = queue.SimpleQueue()
        self.requests: list[Seen] = []
        self.answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/webhooks"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def answer(self, status: int, *headers: str) -> None:
        """Answer one request with this status; told several times, in that order."""
        lines = [f"HTTP/1.1 {status} Told", *headers, "Content-Length: 0", "Connection: close", "", ""]
        self.answers.put("\r\n".join(lines).encode())

    def hang(self) -> None:
        """Leave one request without an answer."""
        self.answers.put(None)

    def next(self) -> Seen:
        """The next request that came, in order."""
        return self.seen.get(timeout=PATIENCE_SECONDS)

    def wait_for(self, count: int) -> list[Seen]:
        """Wait until that many requests have come in all."""
        while len(self.requests) < count:
            self.next()
        return self.requests[:count]

    def close(self) -> None:
        self._stopped.set()
        self._listening.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            raw = b""
            while b"\r\n\r\n" not in raw:
                part = connection.recv(65536)
                if not part:
                    return
                raw += part
            missing = _body_bytes(raw) - len(raw.partition(b"\r\n\r\n")[2])
            while missing > 0:
                part = connection.recv(min(missing, 65536))
                raw, missing = raw + part, missing - len(part)
            try:
                answer = self.answers.get_nowait()
            except queue.Empty:
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"
            seen = Seen(time.monotonic(), raw)
            self.requests.append(seen)
            self.seen.put(seen)
            if answer is None:
                # Until the other side gives up.
                connection.recv(1)
            else:
                connection.sendall(answer)
