"""The system's clock and its ids."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import RFC_4122

import pytest

from domicile.adapters.identity.clock import SystemClock


def test_now_is_the_present_in_utc() -> None:
    """With its zone."""
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert before <= now <= before + timedelta(minutes=1)


def test_an_id_is_a_version_7_uuid_of_the_present() -> None:
    """RFC 9562, section 5.7: 48 bits of Unix milliseconds lead."""
    before = time.time_ns() // 1_000_000
    made = SystemClock().new_id()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= after + 1


def test_ids_ascend_within_a_millisecond() -> None:
    """Twenty thousand in a row, far more than one in each millisecond."""
    clock = SystemClock()
    made = [clock.new_id() for _ in range(20_000)]
    assert made == sorted(set(made))


def test_ids_ascend_when_the_system_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest millisecond goes on until the system has caught up."""
    clock = SystemClock()
    first = clock.new_id()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)
    second = clock.new_id()
    assert first < second
    assert second.version == 7


def test_a_full_millisecond_borrows_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """The random bits never spill into the version."""
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    clock = SystemClock()
    clock.new_id()
    clock._random = (1 << 74) - 1
    made = clock.new_id()
    assert (made.version, made.variant, made.int >> 80) == (7, RFC_4122, 1_700_000_000_001)


def test_threads_never_get_the_same_id() -> None:
    """One clock serves the whole process."""
    clock, made = SystemClock(), []
    threads = [threading.Thread(target=lambda: made.extend(clock.new_id() for _ in range(2_000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8_000


def test_the_next_id_cannot_be_counted_up_to() -> None:
    """Ids of one millisecond lie a random distance apart."""
    clock = SystemClock()
    clock._milliseconds = 1 << 47
    made = [clock.new_id().int for _ in range(50)]
    steps = {later - earlier for earlier, later in pairwise(made)}
    assert len(steps) == 49
