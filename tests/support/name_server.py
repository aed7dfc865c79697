"""A real name server on loopback that says what a test wants, by UDP and TCP."""

import socket
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, SOA, A, DNSRecord  # type: ignore[import-untyped]

# Of questions that wait: the kernel's usual is full with half of what 250 names ask at once, and the rest is dropped.
RECEIVE_BYTES = 1 << 20


@dataclass(frozen=True)
class Says:
    """One answer: addresses, an alias in front of them, or trouble."""

    addresses: Sequence[str] = ()
    ttl: int = 0
    rcode: str = "NOERROR"
    aliases: Sequence[str] = ()
    after_seconds: float = 0.0
    silent: bool = False
    cut_by_udp: bool = False
    raw: Callable[[bytes], bytes] | None = field(default=None)


SILENCE = Says(silent=True)
UNKNOWN = Says(rcode="NXDOMAIN")
FAILURE = Says(rcode="SERVFAIL")

Turn = Says | Sequence[str]


class NameServer:
    """Each look-up of a name gives its next answer; the last goes on. A name that it was not told of does not exist."""

    def __init__(self) -> None:
        # The names of look-ups in their order: of the questions for IPv4, of which there is one for each look-up.
        self.asked: list[str] = []
        self._turns: dict[str, list[Says]] = {}
        self._questions: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._servers = _bound(self)
        self.address = "{}:{}".format(*self._servers[0].server_address)
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def are(self, host: str, *turns: Turn) -> None:
        """Choose what a name leads to; after questions were asked, from the first answer again."""
        with self._lock:
            self._turns[host] = [turn if isinstance(turn, Says) else Says(turn) for turn in turns]
            for kind in ("A", "AAAA"):
                del self._questions[host, kind]

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def answer(self, raw: bytes, *, by_udp: bool) -> bytes | None:
        question = DNSRecord.parse(raw)
        host, kind = str(question.q.qname).rstrip("."), str(QTYPE[question.q.qtype])
        says = self._turn(host, kind)
        if says.after_seconds:
            time.sleep(says.after_seconds)
        if says.silent:
            return None
        if says.raw is not None:
            return says.raw(raw)
        reply = question.reply()
        reply.header.rcode = getattr(RCODE, says.rcode)
        if says.cut_by_udp and by_udp:
            reply.header.tc = 1
            return bytes(reply.pack())
        for record in _records(host, kind, says):
            reply.add_answer(record)
        if not reply.rr:
            # How long that there is nothing may be remembered: not at all.
            reply.add_auth(RR(host, QTYPE.SOA, rdata=SOA("ns.example", "a.example", (1, 0, 0, 0, 0)), ttl=0))
        return bytes(reply.pack())

    def _turn(self, host: str, kind: str) -> Says:
        with self._lock:
            if kind == "A":
                self.asked.append(host)
            turns = self._turns.get(host, [UNKNOWN])
            place = self._questions[host, kind]
            self._questions[host, kind] += 1
            return turns[min(place, len(turns) - 1)]


def _bound(names: NameServer) -> "tuple[_Udp, _Tcp]":
    """Take one port for both: whatever is free for one may not be so for the other."""
    while True:
        udp = _Udp(names)
        try:
            return udp, _Tcp(names, int(udp.server_address[1]))
        except OSError:
            udp.server_close()


def _records(host: str, kind: str, says: Says) -> list[RR]:
    records, name = [], host
    for alias in says.aliases:
        records.append(RR(name, QTYPE.CNAME, rdata=CNAME(alias), ttl=says.ttl))
        name = alias
    for text in says.addresses:
        version = ip_address(text).version
        if kind == {4: "A", 6: "AAAA"}[version]:
            data = A(text) if version == 4 else AAAA(list(ip_address(text).packed))
            records.append(RR(name, getattr(QTYPE, kind), rdata=data, ttl=says.ttl))
    return records


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True
    max_packet_size = 65_535

    def __init__(self, names: NameServer) -> None:
        self.names = names
        super().__init__(("127.0.0.1", 0), _UdpQuestion)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, names: NameServer, port: int) -> None:
        self.names = names
        super().__init__(("127.0.0.1", port), _TcpQuestion)


class _UdpQuestion(socketserver.BaseRequestHandler):
    server: Any

    def handle(self) -> None:
        raw, sending = self.request
        reply = self.server.names.answer(raw, by_udp=True)
        if reply is not None:
            # The test may have ended before a late answer.
            with suppress(OSError):
                sending.sendto(reply, self.client_address)


class _TcpQuestion(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        while len(size := self.rfile.read(2)) == 2:
            reply = self.server.names.answer(self.rfile.read(int.from_bytes(size)), by_udp=False)
            if reply is None:
                return
            self.wfile.write(len(reply).to_bytes(2) + reply)
