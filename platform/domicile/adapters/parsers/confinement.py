"""What the parsing child takes from itself before it touches a byte of a document. Linux does all of it, other systems less."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWNET = 0x4000_0000
#: Processes and threads that one document may have, where they can be counted apart from the rest of the account's.
_TASKS = 64
_OPEN_FILES = 64


def confine_process() -> None:
    """No core dumps, no new privileges, no network where the system lets an ordinary process give it up.

    Must run while the process has one thread. Losing the network is a second wall: nothing in the parser connects anywhere
    to begin with.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    die_with_parent()
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        resource.setrlimit(resource.RLIMIT_NPROC, (_TASKS, _TASKS))


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that happens."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def confine_document(memory_bytes: int, cpu_seconds: int) -> None:
    """The limits of one document: address space, processor time, and not a byte written to any file."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    die_with_parent()
