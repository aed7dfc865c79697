"""What `import ombud` promises."""

import subprocess
import sys

import ombud


def test_every_public_name_is_there() -> None:
    for name in ombud.__all__:
        assert getattr(ombud, name) is not None


def test_the_list_is_sorted_and_whole() -> None:
    assert sorted(ombud.__all__) == ombud.__all__
    assert set(ombud._HOMES) | {"__version__"} == set(ombud.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(ombud, "Bogus")


def test_importing_it_imports_nothing_else() -> None:
    program = "import sys, ombud; assert not {'httpx2', 'apsw', 'typer'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
