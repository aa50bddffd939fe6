"""Throttling of sign-ins: per login and per address, growing, bounded and forgiving."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta

import pytest
from tests.fakes.clock import FixedClock

from domicile.access import throttle as module
from domicile.access.throttle import PER_LOGIN, Throttle
from domicile.domain.errors import DatabaseUnavailable, TooManyAttempts


class Door:
    def __init__(self) -> None:
        self.clock = FixedClock()
        self.throttle = Throttle(self.clock)

    def knock(self, login: str = "mia", address: str = "192.0.2.7", *, right: bool = False) -> int:
        """The seconds to wait, 0 if the password was looked at."""
        try:
            with self.throttle.attempt(login, address) as attempt:
                attempt.succeeded = right
        except TooManyAttempts as error:
            return int(str(error.members["retry_after"]))
        return 0

    def wait(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))


@pytest.fixture
def door() -> Door:
    return Door()


def test_waits_double_up_to_the_longest(door: Door) -> None:
    """Five guesses are free; then each costs twice the wait of the one before, up to five minutes."""
    assert [door.knock(address="") for _ in range(5)] == [0] * 5
    waits = []
    for _ in range(20):
        waits.append(door.knock(address=""))
        door.wait(waits[-1])
        assert door.knock(address="") == 0
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 64, 128]
    assert max(waits) == PER_LOGIN.longest == waits[-1]


def test_knocking_while_blocked_does_not_lengthen_the_wait(door: Door) -> None:
    """An attacker who keeps knocking cannot keep the owner out longer than the wait of the last guess."""
    while not door.knock():
        pass
    for _ in range(100):
        assert door.knock() == 1
    door.wait(1)
    assert door.knock(right=True) == 0


def test_an_address_is_counted_over_all_logins(door: Door) -> None:
    """Trying one password on many accounts runs into the address's limit."""
    waits = [door.knock(login=f"user-{n}") for n in range(30)]
    assert waits[:20] == [0] * 20
    assert all(waits[20:])
    assert door.knock(login="user-99", address="198.51.100.1") == 0


def test_an_unknown_address_is_nobodys(door: Door) -> None:
    """Where addresses are not known, people do not wait for one another's mistakes."""
    assert [door.knock(login=f"user-{n}", address="") for n in range(50)] == [0] * 50


def test_an_ipv6_network_counts_as_one_address(door: Door) -> None:
    """Whoever has a /64 to choose addresses from gains nothing by it; the neighbours' network is another."""
    for n in range(20):
        assert door.knock(login=f"user-{n}", address=f"2001:db8:0:1::{n:x}") == 0
    assert door.knock(login="user-98", address="2001:db8:0:1:ffff::1") > 0
    assert door.knock(login="user-99", address="2001:db8:0:2::1") == 0


def test_success_clears_the_login_but_not_the_address(door: Door) -> None:
    """A right password ends the waits of that account; an attacker's own account does not buy guesses at others."""
    for _ in range(4):
        door.knock()
    door.knock(right=True)
    assert [door.knock() for _ in range(5)] == [0] * 5
    other = Door()
    for n in range(19):
        other.knock(login=f"user-{n}")
        other.knock(login="attackers-own", right=True)
    assert other.knock(login="user-20") == 0
    assert other.knock(login="user-21") > 0


def test_failures_are_forgotten_with_time(door: Door) -> None:
    """Some mistyping every day never adds up: one failure is forgotten every five minutes."""
    for _ in range(50):
        assert door.knock(address="") == 0
        door.wait(PER_LOGIN.leak)


def test_guesses_sent_at_once_are_counted_at_once(door: Door) -> None:
    """A hundred attempts in parallel do not slip through before the first has failed."""
    looked_at = 0
    with ExitStack() as stack:
        for n in range(100):
            try:
                stack.enter_context(door.throttle.attempt("mia", f"192.0.2.{n}"))
                looked_at += 1
            except TooManyAttempts:
                continue
    assert looked_at == PER_LOGIN.free


def test_only_so_many_checks_are_under_way(door: Door) -> None:
    """A flood over many logins and addresses is refused beyond what the hasher can queue, and recovers."""
    looked_at = 0
    with ExitStack() as stack:
        for n in range(200):
            try:
                stack.enter_context(door.throttle.attempt(f"user-{n}", f"192.0.2.{n}"))
                looked_at += 1
            except TooManyAttempts:
                continue
    assert looked_at == 32
    assert door.knock(login="someone", address="203.0.113.1", right=True) == 0


def test_an_outage_is_nobodys_failed_guess(door: Door) -> None:
    """Attempts that failed because the database was down are not held against anyone."""
    for _ in range(30):
        with pytest.raises(DatabaseUnavailable), door.throttle.attempt("mia", "192.0.2.7"):
            raise DatabaseUnavailable()
    assert [door.knock() for _ in range(5)] == [0] * 5


def test_memory_is_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many logins are tried, only so many are remembered, the latest ones, and none by its text."""
    monkeypatch.setattr(module, "_REMEMBERED", 50)
    for n in range(500):
        door.knock(login=f"user-{n}" * 100, address=f"10.0.{n // 250}.{n % 250}")
    for backoff in (door.throttle._logins, door.throttle._addresses):
        assert len(backoff._records) == 50
        assert {len(name) for name in backoff._records} == {32}
