"""Starts one of this program's child processes with a guard that permits nothing, and with its memory closed to others.

Run as ``python -m domicile.adapters.egress.child MODULE ARGUMENTS…``. A child works for its parent, through pipes: it has
nobody to connect to. What it tries all the same fails there, and shows in no audit log, since it cannot reach one.
"""

from __future__ import annotations

import runpy
import sys

from domicile.adapters.egress.guard import CHILDREN, install
from domicile.adapters.egress.memory import close_memory

if __name__ == "__main__":
    _, module, *arguments = sys.argv
    if module not in CHILDREN:
        sys.exit(f"{module} is no child process of Domicile.")
    close_memory()
    install()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
