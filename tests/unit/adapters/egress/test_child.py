"""A child process of ours reaches nothing, and nothing else can be started in its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from domicile.adapters.egress import child

STARTER = [sys.executable, "-P", "-m", "domicile.adapters.egress.child"]
#: Stands in for a child's module: what it prints is whether it could connect.
MODULE = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
    print("connected")
except OSError as error:
    print(type(error).__name__, sys.argv)
"""


def test_it_starts_only_our_own_children() -> None:
    """Whatever else it is told to run, it says so and ends."""
    ran = subprocess.run([*STARTER, "http.server"], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert "http.server is no child process" in ran.stderr


def test_what_it_starts_has_a_guard_that_permits_nothing(tmp_path: Path) -> None:
    """The child's module gets its own arguments, and cannot even reach its own machine."""
    (tmp_path / "stand_in.py").write_text(MODULE, "utf-8")
    code = (
        "import runpy, sys\n"
        "import domicile.adapters.egress.guard as guard\n"
        "guard.CHILDREN = ('stand_in',)\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "sys.argv = ['child', 'stand_in', '9']\n"
        "runpy.run_path(guard.__file__.replace('guard.py', 'child.py'), run_name='__main__')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.startswith("EgressRefused")
    assert ran.stdout.rstrip().endswith("'9']")
    assert child.CHILDREN
