"""The layout holds: no package shadows the standard library's ``platform``, and every room is where it belongs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "platform" / "domicile"


def test_the_source_root_is_never_a_package() -> None:
    """An ``__init__.py`` there would make ``import platform`` find this folder instead of the standard library."""
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_import_platform_from_the_root_is_the_standard_library() -> None:
    """Also with the repository's root first on the path, as ``python -m`` puts it there."""
    code = "import platform; print(platform.python_implementation(), platform.__file__)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("CPython")
    assert str(ROOT / "platform") not in ran.stdout


def test_importing_the_command_line_is_quick_and_loads_nothing_heavy() -> None:
    """``domicile --help`` must not wait for a model, a parser or a database driver."""
    heavy = ("torch", "transformers", "dbos", "kreuzberg", "sqlalchemy", "qdrant_edge", "qdrant_client", "litestar")
    code = f"import sys, domicile.cli.main; print([m for m in {heavy!r} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_only_the_configuration_reads_the_environment() -> None:
    """A setting that is read elsewhere would escape validation and the documentation."""
    allowed = {PACKAGE / "config.py"}
    readers = [
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*.py")
        if path not in allowed and re.search(r"os\.(environ\[|environ\.get|getenv)", path.read_text("utf-8"))
    ]
    assert readers == []


def test_broad_exception_handlers_stay_in_the_outermost_loops() -> None:
    """Anywhere else they hide faults; each one carries the comment that says why it is there."""
    broad = [
        f"{path.relative_to(ROOT).as_posix()}:{number}"
        for path in PACKAGE.rglob("*.py")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(r"except (Exception|BaseException)\b|except:", line)
    ]
    assert len(broad) <= 6, broad
