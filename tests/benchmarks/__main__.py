"""``python -m tests.benchmarks [NAME …]``: every figure, or those named, in one table. Asserts nothing."""

from __future__ import annotations

import importlib
import sys

from tests.benchmarks.table import Row, machine, skipped, table

NAMES = ("dtype", "ingest", "search", "scope", "policy", "audit", "yielding", "start", "sealing", "ranking", "keys")


def main(wanted: list[str]) -> int:
    if unknown := sorted(set(wanted) - set(NAMES)):
        print(f"There is no benchmark '{unknown[0]}'; there are: {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    before, rows = machine(), list[Row]()
    for name in [each for each in NAMES if not wanted or each in wanted]:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        rows += _measured(name)
    print(table(rows))
    print(f"\nbefore: {before}\nafter:  {machine()}")
    return 0


def _measured(name: str) -> list[Row]:
    try:
        rows: list[Row] = importlib.import_module(f"tests.benchmarks.bench_{name}").run()
    except Exception as error:  # noqa: BLE001 - the outermost loop: one that breaks does not hide the others' figures
        return [skipped(name, f"{type(error).__name__}: {error}")]
    return rows


if __name__ == "__main__":
    # The model's threads must not spin while they wait, as in the product; read when torch is imported.
    sys.exit(main(sys.argv[1:]))
