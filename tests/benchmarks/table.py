"""Measured figures beside their targets, as one table of plain text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. ``ratio`` is what was measured against its target, or against its floor or peer, named in ``against``.

    Without a target (``least`` and ``most`` both None) a row explains another one and has no verdict.
    """

    figure: str
    measured: float | str
    unit: str = ""
    least: float | None = None
    most: float | None = None
    ratio: float | None = None
    against: str = ""

    @property
    def verdict(self) -> str:
        if isinstance(self.measured, str):
            return self.measured if self.measured.startswith("skipped") else ""
        if self.least is None and self.most is None:
            return ""
        reached = (self.least is None or self.measured >= self.least) and (self.most is None or self.measured <= self.most)
        return "reached" if reached else "MISSED"

    @property
    def target(self) -> str:
        if self.least is not None:
            return f"at least {_number(self.least)}"
        return f"at most {_number(self.most)}" if self.most is not None else ""

    def cells(self) -> tuple[str, ...]:
        value = self.measured if isinstance(self.measured, str) else f"{_number(self.measured)} {self.unit}".strip()
        compared = "" if self.ratio is None else f"{_number(self.ratio)} of {self.against or 'the target'}"
        skipped = isinstance(self.measured, str) and self.measured.startswith("skipped")
        return (self.figure, self.target, "" if skipped else value, compared, self.verdict)


HEADINGS = ("figure", "at least / at most", "measured", "ratio", "verdict")


def at_least(figure: str, measured: float, least: float, unit: str = "") -> Row:
    return Row(figure, measured, unit, least=least, ratio=measured / least)


def at_most(figure: str, measured: float, most: float, unit: str = "") -> Row:
    return Row(figure, measured, unit, most=most, ratio=measured / most)


def skipped(figure: str, reason: str) -> Row:
    """A figure that cannot be measured here, with the reason as a sentence."""
    return Row(figure, f"skipped: {reason}")


def table(rows: Sequence[Row]) -> str:
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS) - 1)]
    texts = ["  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]) for line in lines]
    return "\n".join([texts[0].rstrip(), "-" * len(texts[0].rstrip()), *(text.rstrip() for text in texts[1:])])


def machine() -> str:
    """What else the machine was doing: figures of a busy one are not those of a quiet one."""
    processors = len(os.sched_getaffinity(0))
    return f"{processors} processors, load {' '.join(f'{load:.1f}' for load in os.getloadavg())} (1, 5 and 15 minutes)"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
