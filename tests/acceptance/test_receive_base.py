"""The base install alone, in an environment of its own: it takes a webhook in under WSGI, and runs a handler."""

import importlib.metadata
import subprocess
import sys
import sysconfig
from pathlib import Path

import httpx2
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.receiver.reports import Reports
from tests.receiver.served import environment
from tests.receiver.store import Store
from tests.receiver.world import TOKEN
from tests.support.processes import PATIENCE_SECONDS, ROOT, clean_environment

# What only the extra brings, or nothing at all.
FOREIGN = ("fastapi", "starlette", "uvicorn", "msgspec", "jinja2", "httptools", "pytest", "flask")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that has Ombud and what its base install requires, in the versions that are installed here."""
    folder = tmp_path_factory.mktemp("base") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=PATIENCE_SECONDS)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    assert packages.is_dir()
    for name in base_requirements():
        link_distribution(name, packages)
    (packages / "ombud.pth").write_text(f"{ROOT / 'src'}\n")
    return str(folder / "bin" / "python")


def base_requirements() -> set[str]:
    """The distributions that Ombud needs without any extra, and theirs."""
    found: set[str] = set()
    waiting = ["ombud"]
    while waiting:
        for text in importlib.metadata.requires(waiting.pop()) or []:
            requirement = Requirement(text)
            name = canonicalize_name(requirement.name)
            if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
                found.add(name)
                waiting.append(name)
    return found


def link_distribution(name: str, packages: Path) -> None:
    distribution = importlib.metadata.distribution(name)
    here = Path(str(distribution.locate_file("")))
    for top in {file.parts[0] for file in distribution.files or [] if file.parts[0] not in {"..", "__pycache__"}}:
        (packages / top).symlink_to(here / top)


def test_it_holds_nothing_of_the_extra(python: str) -> None:
    program = (
        "import importlib.util, sys\n"
        f"found = [name for name in {FOREIGN!r} if importlib.util.find_spec(name)]\n"
        "sys.exit(str(found) if found else 0)"
    )
    subprocess.run([python, "-c", program], check=True, timeout=PATIENCE_SECONDS, env=clean_environment())


def test_it_takes_a_webhook_in_and_runs_a_handler(python: str, store: Store, reports: Reports, tmp_path: Path) -> None:
    settings = clean_environment(**environment(tmp_path, store, reports))
    order_id = store.pay()
    serving = subprocess.Popen(
        [python, "-m", "tests.receiver.plain_server"], cwd=ROOT, env=settings, stdout=subprocess.PIPE, text=True
    )
    working = subprocess.Popen(
        [python, "-m", "ombud", "work", "tests.receiver.plain_app:inbox"],
        cwd=ROOT,
        env=settings,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None
    assert working.stdout is not None
    try:
        assert working.stdout.readline() == "Ombud works for tests.receiver.plain_app:inbox.\n"
        url = f"http://127.0.0.1:{serving.stdout.readline().strip()}/hooks/{TOKEN}"
        assert httpx2.get(url, params={"event_type": "order.new", "order_id": order_id}).status_code == 200
        assert [one["order"] for one in reports.wait("ship")] == [order_id]
    finally:
        for process in (serving, working):
            process.terminate()
            process.wait(PATIENCE_SECONDS)
        serving.stdout.close()
        working.stdout.close()
    assert working.returncode == 0


def test_a_verb_that_needs_more_says_so(python: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("from ombud import Inbox\ninbox = Inbox.from_env()\n")
    done = subprocess.run(
        [python, "-m", "ombud", "receive", "app:inbox"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.endswith("is not installed. Run: pip install 'ombud[server]'\n")
    assert done.stderr.count("\n") == 1
