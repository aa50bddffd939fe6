"""Refused connections in the audit log."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.clock import FixedClock
from tests.fakes.people import HOME
from tests.fakes.policy import shipped_in_force

from domicile.access.egress import EgressLedger
from domicile.access.gate import Gate
from domicile.audit.events import Outcome
from domicile.domain.errors import AuditUnavailable
from domicile.ports.egress import Attempt


class Kept:
    """Refusals that nothing watches for."""

    def __init__(self, *attempts: Attempt) -> None:
        self.attempts = Counter(attempts)

    def taken(self) -> Counter[Attempt]:
        taken, self.attempts = self.attempts, Counter()
        return taken

    def put_back(self, attempts: Counter[Attempt]) -> None:
        self.attempts += attempts


def ledger(kept: Kept, log: MemoryAuditLog) -> EgressLedger:
    return EgressLedger(kept, Gate(shipped_in_force(), log, FixedClock(), HOME))


async def test_each_different_attempt_is_one_event_with_its_number() -> None:
    """Denied, of no tenant, and by the address that was tried."""
    log = MemoryAuditLog()
    wrong, name = Attempt("connect", "203.0.113.7", 443), Attempt("resolve", "*.evil.example")
    await ledger(Kept(wrong, name, wrong), log).flush()
    events = {event.resource: event for event in log.events}
    assert set(events) == {"endpoint:undeclared-connect", "endpoint:undeclared-resolve"}
    assert all(event.outcome is Outcome.DENIED and event.tenant_id is None for event in log.events)
    assert dict(events["endpoint:undeclared-connect"].detail) == {"target": "203.0.113.7", "port": 443, "attempts": 2}


async def test_nothing_refused_is_nothing_written() -> None:
    """The ledger is asked every two seconds."""
    log = MemoryAuditLog()
    await ledger(Kept(), log).flush()
    assert log.events == []


async def test_what_cannot_be_written_is_kept_for_the_next_time() -> None:
    """And is then written once."""
    log, kept = MemoryAuditLog(), Kept(Attempt("connect", "203.0.113.7", 443))
    writing = ledger(kept, log)
    log.broken = True
    with pytest.raises(AuditUnavailable):
        await writing.flush()
    assert kept.attempts.total() == 1
    log.broken = False
    await writing.flush()
    assert len(log.events) == 1
    assert not kept.attempts


async def test_it_keeps_writing_while_the_log_comes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed turn does not end the task."""
    monkeypatch.setattr("domicile.access.egress._SECONDS", 0.001)
    log, kept = MemoryAuditLog(), Kept(Attempt("connect", "203.0.113.7", 443))
    log.broken = True
    writing = asyncio.create_task(ledger(kept, log).keep_flushed())
    await asyncio.sleep(0.02)
    assert not writing.done()
    log.broken = False
    await asyncio.sleep(0.1)
    writing.cancel()
    assert len(log.events) == 1
