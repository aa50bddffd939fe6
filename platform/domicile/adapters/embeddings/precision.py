"""Which number format the model computes in: bfloat16 only where the processor multiplies it natively."""

from __future__ import annotations

import re
from pathlib import Path

from domicile.domain.errors import ConfigurationError

#: Flags of Linux' /proc/cpuinfo: x86 (AVX-512 or AMX) and ARM. Without one of them bfloat16 is emulated, and slower.
_NATIVE = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def chosen_dtype(wanted: str, cpuinfo: str | None = None) -> str:
    """``float32`` or ``bfloat16`` for ``auto``, or what is wanted; raises ``ConfigurationError`` for another word."""
    if wanted == "auto":
        return "bfloat16" if computes_bfloat16(_cpuinfo() if cpuinfo is None else cpuinfo) else "float32"
    if wanted not in ("float32", "bfloat16"):
        raise ConfigurationError("The embedding's dtype has to be auto, float32 or bfloat16.")
    return wanted


def computes_bfloat16(cpuinfo: str) -> bool:
    """Whether every processor listed has an instruction for it."""
    flags = re.findall(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    return bool(flags) and all(_NATIVE & set(line.split()) for line in flags)


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text("ascii", errors="replace")
    except OSError:
        return ""
