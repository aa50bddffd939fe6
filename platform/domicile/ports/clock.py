"""Time and new ids: the two sources of non-determinism that the core may not reach for itself."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    def now(self) -> datetime:
        """The present, in UTC with a time zone."""
        ...

    def new_id(self) -> UUID:
        """A fresh UUIDv7 (RFC 9562, section 5.7): ids made later sort later, also within a millisecond."""
        ...
