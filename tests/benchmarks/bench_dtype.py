"""Which number format the embedding model computes in on this processor."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.table import Row

from domicile.adapters.embeddings.precision import chosen_dtype, computes_bfloat16


def run() -> list[Row]:
    native = computes_bfloat16(Path("/proc/cpuinfo").read_text())
    chosen, due = chosen_dtype("auto"), "bfloat16" if native else "float32"
    capability = f"this processor multiplies bfloat16 {'natively' if native else 'only by emulation'}"
    return [Row(f"embedding dtype is the one due ({capability})", float(chosen == due), f"({chosen})", least=1.0, ratio=None)]
