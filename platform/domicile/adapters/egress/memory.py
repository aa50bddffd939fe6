"""The memory of this process is nobody else's: neither a core dump nor a debugger of the same account gets the keys in it.

Limits, of which ``docs/operations/secrets.md`` tells: root reads every process's memory, swap and hibernation write it to
disk unless the system encrypts those, and systems other than Linux only do the first half.
"""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def close_memory() -> bool:
    """No core dumps from here on, and no tracing by processes without privileges; gives whether the latter is so.

    Both hold for forks, too. A program that is executed has to ask for the second again (prctl(2)), so every process of
    this product calls this for itself, before it reads any key.
    """
    # The hard limit as well, so that nothing that runs in this process raises it again.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return False
    # A core dump that is piped to a program (core_pattern "|…") ignores the limit; not being dumpable is what stops that.
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
