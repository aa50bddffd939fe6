"""The ledger of failed authentications: complete, and not to be flooded."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.clock import FixedClock
from tests.fakes.policy import shipped_in_force

from domicile.access.gate import Gate
from domicile.access.refusals import Origin, Refusal, RefusalLedger
from domicile.audit.events import AuditEvent
from domicile.domain.errors import AuditUnavailable
from domicile.domain.principals import AuthenticationMethod
from domicile.domain.values import Region

KEY = Refusal(AuthenticationMethod.API_KEY, "unknown-key")
SIGN_IN = Refusal(AuthenticationMethod.SESSION, "wrong-password")


class Bench:
    def __init__(self) -> None:
        self.clock = FixedClock()
        self.log = MemoryAuditLog()
        self.ledger = RefusalLedger(Gate(shipped_in_force(), self.log, self.clock, Region("eu-de")), self.clock)

    async def refuse(self, refusal: Refusal, times: int, network: str = "192.0.2") -> None:
        for n in range(times):
            await self.ledger.record(refusal, Origin("r", "t", address=network if network else f"10.0.{n // 250}.{n % 250}"))


def attempts(events: list[AuditEvent]) -> int:
    """How many refusals the log tells of."""
    return sum(dict(event.detail).get("attempts", 1) for event in events)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_every_refusal_is_in_the_log_in_the_end(bench: Bench) -> None:
    """Single events and counts together add up to what happened, by method and reason."""
    await bench.refuse(KEY, 25)
    await bench.refuse(SIGN_IN, 15)
    await bench.ledger.flush()
    assert attempts([event for event in bench.log.events if event.reason == "unknown-key"]) == 25
    assert attempts([event for event in bench.log.events if event.reason == "wrong-password"]) == 15
    assert len(bench.log.events) == 12


async def test_one_address_does_not_use_up_anothers_share(bench: Bench) -> None:
    """While one address floods, a refusal elsewhere is still an event of its own, before it is told."""
    await bench.refuse(KEY, 500)
    await bench.refuse(SIGN_IN, 1, "198.51.100")
    assert bench.log.events[-1].reason == "wrong-password"
    assert bench.log.events[-1].detail == ()


async def test_many_addresses_do_not_flood_either(bench: Bench) -> None:
    """A flood from ever new addresses is limited as a whole."""
    await bench.refuse(KEY, 1000, "")
    assert len(bench.log.events) == 300
    await bench.ledger.flush()
    assert attempts(bench.log.events) == 1000


async def test_the_next_minute_starts_anew(bench: Bench) -> None:
    """After a minute the counts are written down and refusals are single events again."""
    await bench.refuse(KEY, 12)
    bench.clock.advance(timedelta(seconds=60))
    await bench.refuse(KEY, 1)
    assert [dict(event.detail) for event in bench.log.events[-2:]] == [{"attempts": 2}, {}]


async def test_counts_survive_an_outage(bench: Bench) -> None:
    """A flush that fails loses nothing."""
    await bench.refuse(KEY, 15)
    bench.log.broken = True
    with pytest.raises(AuditUnavailable):
        await bench.ledger.flush()
    bench.log.broken = False
    await bench.refuse(KEY, 1)
    await bench.ledger.flush()
    assert attempts(bench.log.events) == 16
