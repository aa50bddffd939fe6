"""The system's time, and ids that ascend."""

from __future__ import annotations

import secrets
import threading
import time
from datetime import UTC, datetime
from uuid import UUID

#: The bits of an id below its version and variant: ``rand_a`` (12) and ``rand_b`` (62).
_RANDOM_BITS = 74
_RAND_B_BITS = 62
#: How far apart two ids of one millisecond may lie: far enough that nobody guesses the next one from the last.
_LARGEST_STEP = 2**40


class SystemClock:
    """Implements the ``Clock`` port; safe to share between threads.

    Ids follow RFC 9562, section 5.7, made monotonic by section 6.2, method 2: within a millisecond each id is the one before
    plus a random step. When the system's clock is set back, ids go on from the latest millisecond that was used.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._milliseconds = 0
        self._random = 0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_id(self) -> UUID:
        with self._lock:
            self._advance(time.time_ns() // 1_000_000)
            return _uuid7(self._milliseconds, self._random)

    def _advance(self, milliseconds: int) -> None:
        if milliseconds > self._milliseconds:
            self._milliseconds = milliseconds
            # The top bit stays clear, so that a millisecond has room for 2^33 steps before the next one has to be borrowed.
            self._random = secrets.randbits(_RANDOM_BITS - 1)
            return
        self._random += 1 + secrets.randbelow(_LARGEST_STEP)
        if self._random >> _RANDOM_BITS:
            self._milliseconds += 1
            self._random = secrets.randbits(_RANDOM_BITS - 1)


def _uuid7(milliseconds: int, random: int) -> UUID:
    rand_a, rand_b = random >> _RAND_B_BITS, random & (1 << _RAND_B_BITS) - 1
    return UUID(int=milliseconds << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b)
