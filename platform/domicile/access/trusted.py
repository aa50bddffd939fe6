"""Credentials that were found good a moment ago."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from domicile.domain.principals import Caller, Session
from domicile.ports.clock import Clock

#: How long an authentication is taken on trust before the database is asked again. Search is called far more often than
#: keys are revoked; this is how long a revoked key can still be used.
SECONDS_TRUSTED = 2.0
_AT_ONCE = 10_000  # credentials, about 1 kB each


@dataclass(frozen=True, slots=True)
class Known:
    """A credential that was found good, with whom it belongs to. Whether it has expired is looked at on every use."""

    caller: Caller
    expires_at: datetime | None
    session: Session | None = None


class TrustedCredentials:
    """By the hash of the credential. Holds good ones only, so that no guess ever finds anything."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[datetime, Known]] = OrderedDict()

    def recall(self, token_hash: bytes) -> Known | None:
        found = self._known.get(token_hash)
        if found is None:
            return None
        until, known = found
        if self._clock.now() >= until:
            del self._known[token_hash]
            return None
        return known

    def trust(self, token_hash: bytes, known: Known) -> Known:
        self._known[token_hash] = (self._clock.now() + timedelta(seconds=SECONDS_TRUSTED), known)
        while len(self._known) > _AT_ONCE:
            self._known.popitem(last=False)
        return known

    def drop(self, token_hash: bytes) -> None:
        self._known.pop(token_hash, None)
