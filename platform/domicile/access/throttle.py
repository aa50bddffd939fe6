"""Slowing down whoever guesses passwords: per login and per address, in memory, bounded.

An attempt is counted when it begins and forgiven when it succeeds, so that a hundred guesses sent at once are a hundred
guesses. While blocked, further attempts are refused without being counted: nobody can keep an account locked for longer than
the longest wait after their last guess. Nothing here depends on whether the account exists.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from domicile.domain.errors import DependencyError, TooManyAttempts
from domicile.ports.clock import Clock

_REMEMBERED = 10_000  # logins and addresses each; the one longest untouched is forgotten first
_AT_ONCE = 32  # password checks waiting or running; more would only time out in the queue


@dataclass(frozen=True, slots=True)
class Patience:
    """``free`` failures cost nothing; each further one doubles the wait, from 1 s up to ``longest`` s.

    One failure is forgotten every ``leak`` s.
    """

    free: int
    leak: float
    longest: float


PER_LOGIN = Patience(free=5, leak=300.0, longest=300.0)
PER_ADDRESS = Patience(free=20, leak=60.0, longest=900.0)  # an office shares one


@dataclass(slots=True)
class _Record:
    level: float
    at: float
    blocked_until: float


class _Backoff:
    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._records: OrderedDict[bytes, _Record] = OrderedDict()

    def wait(self, name: bytes | None, now: float) -> float:
        record = self._records.get(name) if name else None
        return max(0.0, record.blocked_until - now) if record else 0.0

    def count(self, name: bytes | None, now: float) -> None:
        if name is None:
            return
        record = self._records.setdefault(name, _Record(0.0, now, 0.0))
        self._records.move_to_end(name)
        leaked = max(0.0, now - record.at) / self._patience.leak
        record.level, record.at = max(0.0, record.level - leaked) + 1, now
        excess = math.ceil(record.level) - self._patience.free  # a failure half forgotten still counts
        if excess >= 0:
            record.blocked_until = now + min(self._patience.longest, 2.0 ** min(excess, 30))
        while len(self._records) > _REMEMBERED:
            self._records.popitem(last=False)

    def forgive(self, name: bytes | None) -> None:
        """Take back one attempt."""
        record = self._records.get(name) if name else None
        if record:
            record.level, record.blocked_until = max(0.0, record.level - 1), 0.0

    def forget(self, name: bytes) -> None:
        self._records.pop(name, None)


class Attempt:
    """One password check under way."""

    def __init__(self) -> None:
        self.succeeded = False


class Throttle:
    """``attempt`` is entered before the password is looked at and left when it was."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._logins = _Backoff(PER_LOGIN)
        self._addresses = _Backoff(PER_ADDRESS)
        self._under_way = 0

    @contextmanager
    def attempt(self, login: str, address: str) -> Iterator[Attempt]:
        """Raises ``TooManyAttempts`` with ``retry_after`` in seconds. Set ``succeeded`` on what it gives."""
        # Requests of unknown address are not one another's neighbours: only their logins are counted.
        names = (_digest(login), _digest(_network(address)) if address else None)
        self._admit(*names)
        self._under_way += 1
        attempt = Attempt()
        try:
            yield attempt
        except DependencyError:
            # The password was never compared: that is nobody's failed guess.
            self._logins.forgive(names[0])
            self._addresses.forgive(names[1])
            raise
        finally:
            self._under_way -= 1
        if attempt.succeeded:
            self._logins.forget(names[0])
            # Only the one attempt: an attacker who has one account must not buy guesses at others with it.
            self._addresses.forgive(names[1])

    def _admit(self, login: bytes, address: bytes | None) -> None:
        now = self._clock.now().timestamp()
        wait = max(self._logins.wait(login, now), self._addresses.wait(address, now))
        if self._under_way >= _AT_ONCE:
            wait = max(wait, 1.0)
        if wait > 0:
            raise TooManyAttempts(retry_after=math.ceil(wait))
        self._logins.count(login, now)
        self._addresses.count(address, now)


def _network(address: str) -> str:
    """The address, or for IPv6 its /64, all of which one subscriber commonly has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return f"v6/{int(parsed) >> 64:x}" if isinstance(parsed, IPv6Address) else str(parsed)


def _digest(text: str) -> bytes:
    """Equal length however long a text someone sends, and no logins in memory."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
