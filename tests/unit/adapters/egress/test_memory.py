"""Who gets to see the memory of a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import domicile.adapters.egress.memory

SOURCE = Path(domicile.adapters.egress.memory.__file__).read_text("utf-8")
NOBODY = 65534
#: Python that another account may run; the tests' own may lie in a folder that is closed to it.
PYTHON = "/usr/bin/python3"
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
HOLDING = "secret = bytes(range(32)) * 64\nprint('ready', flush=True)\nsys.stdin.read()\n"
ALLOWING_CORES = """import resource, sys
most = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="Only Linux closes a process's memory to its own account.")


def holding(closed: bool, folder: Path, **arguments: int) -> subprocess.Popen[bytes]:
    """A process that holds a secret and waits; with its memory closed first, or not."""
    code = (f"{SOURCE}\nassert close_memory()\n" if closed else ALLOWING_CORES) + HOLDING
    command = [PYTHON, "-I", "-c", code]
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **arguments)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def ended(process: subprocess.Popen[bytes], by: signal.Signals) -> None:
    process.send_signal(by)
    with process:  # closes its pipes
        process.wait()


@linux
@pytest.mark.skipif(not Path(PYTHON).exists() or not CORE_PATTERN.exists(), reason="Needs the system's Python.")
def test_a_process_that_is_aborted_leaves_no_core_dump(tmp_path: Path) -> None:
    """Whereas one that has not closed its memory does, where the system writes them into the working folder."""
    if CORE_PATTERN.read_text().strip() != "core":
        pytest.skip("Core dumps go elsewhere on this system.")
    for closed in (False, True):
        folder = tmp_path / str(closed)
        folder.mkdir()
        ended(holding(closed, folder), signal.SIGABRT)
        assert bool(list(folder.glob("core*"))) is not closed


@linux
@pytest.mark.skipif(os.geteuid() != 0 or not Path(PYTHON).exists(), reason="Needs root, to become two other processes.")
def test_another_process_of_the_same_account_reads_neither_its_memory_nor_its_environment(tmp_path: Path) -> None:
    """Not even a debugger's way in is open; the control shows that it would be."""
    tmp_path.chmod(0o755)
    look = "import sys\nfor name in ('environ', 'mem', 'maps'):\n open(f'/proc/{sys.argv[1]}/{name}', 'rb').close()"
    seen = {}
    for closed in (False, True):
        process = holding(closed, Path("/"), user=NOBODY, group=NOBODY)
        command = [PYTHON, "-I", "-c", look, str(process.pid)]
        looked = subprocess.run(command, cwd="/", user=NOBODY, group=NOBODY, capture_output=True, text=True, check=False)
        seen[closed] = (looked.returncode, "PermissionError" in looked.stderr)
        ended(process, signal.SIGKILL)
    assert seen == {False: (0, False), True: (1, True)}
