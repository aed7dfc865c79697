"""The examples of docs/handlers.md run as they stand, each in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "handlers.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python( \w+)?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
BY_NAME = {name.strip(): text for name, text in BLOCKS if name}
ALONE = [text for name, text in BLOCKS if not name]


def run(folder: Path, *command: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(folder)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMBUD_DATABASE_URL": f"sqlite:///{folder}/inbox.db",
    }
    command = (sys.executable, "-W", "error", *command)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def test_the_page_has_examples() -> None:
    assert len(BLOCKS) == 7
    assert PAGE.count("```") == 2 * len(BLOCKS)


@pytest.mark.parametrize("block", [*ALONE, BY_NAME["app"]])
def test_every_example_can_be_imported(tmp_path: Path, block: str) -> None:
    said = run(tmp_path, "-c", block)
    assert ("billing.invoice" in said) == ("billing" in block)


def test_the_tests_on_the_page_pass(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(BY_NAME["app"])
    (tmp_path / "conftest.py").write_text(next(text for text in ALONE if "pytest_plugins" in text))
    (tmp_path / "test_app.py").write_text(BY_NAME["test"])
    said = run(
        tmp_path, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-p", "no:asyncio", "--rootdir", str(tmp_path)
    )
    assert "4 passed" in said
    assert "ship: the same in the end, killed at any of 2" in said
