"""A clock that stands still until it is told to move, and gives ids that ascend."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID


class FixedClock:
    """Implements the ``Clock`` port. Ids are well-formed UUIDv7 of the clock's time with a counter instead of randomness."""

    def __init__(self, now: datetime = datetime(2025, 3, 14, 9, 26, 53, tzinfo=UTC)) -> None:
        self._now = now
        self._made = 0

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by

    def new_id(self) -> UUID:
        self._made += 1
        milliseconds = int(self._now.timestamp() * 1000)
        # RFC 9562, section 5.7: 48 bits of time, version 7, 12 + 62 bits (here the counter), variant 10.
        return UUID(int=(milliseconds << 80) | (0x7 << 76) | (0b10 << 62) | self._made)
