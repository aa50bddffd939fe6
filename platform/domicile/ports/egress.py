"""What the guard of the process refused, until it is in the audit log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something that was refused. ``kind`` is connect, resolve, socket, start, or many for what was too much to keep apart.

    ``target`` is an IP address, the domain of a name, or a fixed word: never more, since a name can be made to carry content.
    """

    kind: str
    target: str = ""
    port: int = 0


class Refusals(Protocol):
    """What keeps refusals until they are written down."""

    def taken(self) -> Counter[Attempt]:
        """Those since the last call, each with its number."""
        ...

    def put_back(self, attempts: Counter[Attempt]) -> None:
        """Those that could not be written down."""
        ...
