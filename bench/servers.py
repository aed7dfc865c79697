"""The servers that are measured, each a process of its own on a free port of this machine, stopped by its id."""

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import trustme

from bench.machine import Cores, program

ROOT = Path(__file__).parent.parent
TOKEN = "a-token-of-the-bench"  # noqa: S105 - guards a database that lives for minutes
HOST = "127.0.0.1"
# The generator asks about the same things again and again.
ANY_NUMBER = {"OMBUD_ALIKE_PER_MINUTE": "100000000", "OMBUD_WEBHOOKS_PER_HOUR": "100000000"}
# Seconds until a server must answer, and until one that was told to stop is killed.
PATIENCE_SECONDS = 20.0
TICKS = os.sysconf("SC_CLK_TCK")

NGINX = """
daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log error.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {{
    listen {host}:{port} backlog=4096;
    {more}
    location = /status {{ stub_status; }}
    location / {{ return 200 "OK"; }}
  }}
}}
"""


@dataclass(frozen=True)
class Server:
    """A running server: its process, its port, and the path that a webhook is sent to."""

    process: subprocess.Popen[bytes]
    port: int
    path: str = f"/hooks/{TOKEN}"
    # Where it stores what it is sent.
    database: Path | None = None
    # Where it answers with TLS as well, and the authority (PEM) that says who it is.
    secure_port: int | None = None
    authority: str | None = None

    @property
    def base(self) -> str:
        """The URL before the path."""
        return f"http://{HOST}:{self.port}" if self.secure_port is None else f"https://{HOST}:{self.secure_port}"

    def processor_seconds(self) -> float:
        """Return the processor time that it and its children have used."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return sum(_ticks(pid) for pid in [str(self.process.pid), *children]) / TICKS


class Servers:
    """Starts servers in a folder, and stops them when the block ends."""

    def __init__(self, folder: Path, cores: Cores) -> None:
        self.folder = folder
        self._cores = cores
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop whatever was started."""
        self._ends.close()

    def nginx(self, name: str, *, target: bool = False, more: str = "") -> Server:
        """Start an nginx that answers 200: as the yardstick, or as the target of deliveries, beside the generator."""
        prefix = self.folder / name
        prefix.mkdir(exist_ok=True)
        port = free_port()
        (prefix / "nginx.conf").write_text(NGINX.format(host=HOST, port=port, more=more))
        command = [program("nginx"), "-p", f"{prefix}/", "-c", "nginx.conf", "-e", "error.log"]
        process = self._start(name, command, core=self._cores.generator if target else self._cores.server)
        return self._answering(process, port)

    def secure_nginx(self, name: str) -> Server:
        """Start one as the target of deliveries with TLS."""
        prefix, port, authority = self.folder / name, free_port(), trustme.CA()
        prefix.mkdir()
        certificate = authority.issue_cert(HOST)
        certificate.private_key_and_cert_chain_pem.write_to_path(str(prefix / "nginx.pem"))
        more = f"listen {HOST}:{port} ssl backlog=4096; ssl_certificate nginx.pem; ssl_certificate_key nginx.pem;"
        started = self.nginx(name, target=True, more=more)
        return replace(started, secure_port=port, authority=authority.cert_pem.bytes().decode())

    def flask(self) -> Server:
        """Start the Flask view under gunicorn: one worker, eight threads."""
        port = free_port()
        options = ["--workers", "1", "--threads", "8", "--bind", f"{HOST}:{port}", "bench.receiver.flask_app:app"]
        process = self._start("flask", [sys.executable, "-m", "gunicorn", *options], core=self._cores.server)
        return self._answering(process, port)

    def receiver(self) -> Server:
        """Start `ombud receive`: hooks, commit, 200; the work is left to another process."""
        environment, database = self._inbox("receiver")
        options = ["receive", "bench.receiver.app:inbox", "--no-work", "--port", "0", "--json"]
        return replace(self._ombud("receiver", options, environment), database=database)

    def web(self, name: str, command: Sequence[str], more: Mapping[str, str] | None = None) -> Server:
        """Start the inbox under a web server: Python's arguments, in which `{port}` stands for a free one.

        `more`: of its environment.
        """
        environment, database = self._inbox(name)
        environment = {**environment, **(more or {})}
        port = free_port()
        arguments = [part.replace("{port}", str(port)) for part in command]
        process = self._start(name, [sys.executable, *arguments], core=self._cores.server, environment=environment)
        server = replace(self._answering(process, port), database=database)
        # An inbox makes its database when it is first asked for something.
        with closing(http.client.HTTPConnection(HOST, port, timeout=PATIENCE_SECONDS)) as connection:
            connection.request("GET", "/hooks/nobody")
            connection.getresponse()
        return server

    def work(self, server: Server, inbox: str, more: Mapping[str, str]) -> None:
        """Start `ombud work` of an inbox that has handlers, beside the server that takes its webhooks in."""
        environment = {"OMBUD_TOKEN": TOKEN, "OMBUD_DATABASE_URL": f"sqlite:///{server.database}", **more}
        self._start(
            "work", [sys.executable, "-m", "ombud", "work", inbox], core=self._cores.server, environment=environment
        )

    def add_shop(self, server: Server, name: str) -> str:
        """Add a shop to the inbox of a server; returns the path of its webhooks."""
        command = [sys.executable, "-m", "ombud", "shops", "add", name, "--json"]
        environment = _environment({"OMBUD_DATABASE_URL": f"sqlite:///{server.database}"})
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - ours
        return f"/hooks/{json.loads(done.stdout)['token']}"

    def _inbox(self, name: str) -> tuple[Mapping[str, str], Path]:
        """Return the environment of an inbox that only stores, and its database."""
        database = self.folder / f"{name}.db"
        url = f"sqlite:///{database}"
        return {"OMBUD_TOKEN": TOKEN, "OMBUD_DATABASE_URL": url, "OMBUD_PERFORM": "elsewhere"} | ANY_NUMBER, database

    def sender(self, more: Mapping[str, str] | None = None) -> Server:
        """Start `ombud serve`: API and delivery, allowed to deliver to this machine; `more`: of its environment."""
        environment = {
            "OMBUD_DATABASE_URL": self._sender_url(),
            "OMBUD_ALLOW_NETWORKS": "127.0.0.0/8",
            **(more or {}),
        }
        return self._ombud("sender", ["serve", "--port", "0", "--json"], environment)

    def new_key(self, database: str = "") -> str:
        """Make a key of the sender's API; `database`: the URL of another than its file."""
        command = [sys.executable, "-m", "ombud", "keys", "add", "bench", "--database", database or self._sender_url()]
        done = subprocess.run(command, env=_environment({}), capture_output=True, text=True, check=True)  # noqa: S603 - ours
        return done.stdout.strip()

    def _sender_url(self) -> str:
        return f"sqlite:///{self.folder}/sender.db"

    def _ombud(self, name: str, options: Sequence[str], environment: Mapping[str, str]) -> Server:
        command = [sys.executable, "-m", "ombud", *options]
        process = self._start(name, command, core=self._cores.server, environment=environment, pipe=True)
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE_SECONDS)
        line = process.stdout.readline() if ready else b""
        if not line:
            raise RuntimeError(f"{name} did not start; see {self.folder}/{name}.log")
        (url, *_) = json.loads(line).values()
        return Server(process, int(url.split(":")[2].partition("/")[0]))

    def _start(
        self,
        name: str,
        command: Sequence[str],
        *,
        core: int | None,
        environment: Mapping[str, str] | None = None,
        pipe: bool = False,
    ) -> subprocess.Popen[bytes]:
        log = self._ends.enter_context((self.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(  # noqa: S603 - our own commands
            [*on_core(core), *command],
            cwd=ROOT,
            env=_environment(environment or {}),
            stdout=subprocess.PIPE if pipe else log,
            stderr=log,
        )
        self._ends.callback(_stop, process)
        return process

    def _answering(self, process: subprocess.Popen[bytes], port: int) -> Server:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection((HOST, port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return Server(process, port)
        raise RuntimeError(f"{process.args!r} does not answer; see the logs in {self.folder}")


def on_core(core: int | None) -> list[str]:
    """Return what stands before a command that is to have this core."""
    return [] if core is None else [program("taskset"), "--cpu-list", str(core)]


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.create_server((HOST, 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _ticks(pid: str) -> int:
    """Return the ticks that a process has used in user and kernel; its name may hold blanks and brackets."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _environment(changes: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMBUD_", "QUICKBUTIK_"))}
    return {**kept, "PYTHONUNBUFFERED": "1", **changes}
