"""Spans and measurements. Attributes pass an allow-list; content has no way through."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Telemetry(Protocol):
    """Names and attributes are fixed words, ids and numbers. Anything not on the allow-list is dropped."""

    def span(self, name: str, **attributes: str | int | float | bool) -> AbstractContextManager[None]:
        """A trace span around a piece of work, and its duration as a histogram of the same name in seconds."""
        ...

    def count(self, name: str, amount: int = 1, **attributes: str | int | float | bool) -> None: ...

    def trace_id(self) -> str:
        """The current trace's id in hex, or the empty text outside a trace."""
        ...
