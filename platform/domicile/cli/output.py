"""What the commands print: tables and sentences for people, JSON for programs, one shape of error for both."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer

#: Characters of a line; more than any table has, because a narrower one would have its cells cut.
_WIDEST = 100_000

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, to_errors: bool = False) -> None:
    """A table as wide as its cells are: a terminal wraps what is too long for it, and a program gets every cell whole.

    On standard error where standard output has something else for a program to read.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(highlight=False, markup=False, soft_wrap=True, width=_WIDEST, stderr=to_errors).print(table)


def fail(sentence: str, advice: str) -> int:
    """One sentence on what is wrong and one on what to do, on standard error; gives the exit status."""
    sys.stderr.write(f"Error: {sentence}\n{advice}\n")
    return 1
