"""What flows to components in other regions for as long as a cell runs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.fakes.accounts import MemoryAccounts
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.clock import FixedClock
from tests.fakes.people import HOME
from tests.fakes.policy import LAPSED, decisions

from domicile.access.gate import Gate
from domicile.access.inforce import PoliciesInForce
from domicile.access.standing import StandingFlows
from domicile.access.transfers import Flow
from domicile.audit.events import Outcome
from domicile.domain.errors import AuditUnavailable, ResidencyViolation
from domicile.domain.transfers import Unit
from domicile.domain.values import Region
from domicile.policy.regions import DataKind

LYON = Region("eu-fr")
TELEMETRY = Flow(HOME, LYON, DataKind.TELEMETRY, 1, Unit.COMPONENTS, "telemetry")
STORE = Flow(HOME, LYON, DataKind.CONTENT, 1, Unit.COMPONENTS, "blob-store")


class Border:
    """Its bases end with the day."""

    def __init__(self, *flows: Flow) -> None:
        self.log, self.database, self.clock = MemoryAuditLog(), MemoryAccounts(), FixedClock()
        gate = Gate(
            PoliciesInForce(decisions(LYON, regions=LAPSED.replace("2025-03-13", "2025-03-14"))), self.log, self.clock, HOME
        )
        self.standing = StandingFlows(flows, database=self.database, gate=gate, clock=self.clock)  # type: ignore[arg-type]

    def wait_until_tomorrow(self) -> None:
        self.clock.advance(timedelta(days=1))


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domicile.access.standing._SECONDS", 0.001)


async def test_each_flow_is_registered_with_its_event_at_every_start() -> None:
    """For the whole cell: no tenant and nobody is to blame."""
    border = Border(TELEMETRY, STORE)
    await border.standing.enter()
    records = list(border.database.rows.transfers.values())
    assert [(each.kind, each.component, each.amount, each.unit) for each in records] == [
        ("telemetry", "telemetry", 1, "components"),
        ("content", "blob-store", 1, "components"),
    ]
    assert {(each.tenant_id, each.principal_id, each.entry) for each in records} == {(None, None, "eu-internal")}
    events = border.database.rows.events
    assert [(each.resource, each.outcome, each.method) for each in events] == [
        ("endpoint:telemetry", Outcome.PERMITTED, "cell"),
        ("endpoint:blob-store", Outcome.PERMITTED, "cell"),
    ]
    assert [dict(each.detail)["transfer"] for each in events] == [str(each.id) for each in records]
    await border.standing.enter()
    assert len(border.database.rows.transfers) == 4


async def test_a_cell_that_is_all_at_home_registers_nothing() -> None:
    """And needs no database for it."""
    border = Border()
    border.database.broken = True
    await border.standing.enter()


async def test_what_cannot_be_audited_is_not_started() -> None:
    """Neither entries nor events."""
    border = Border(TELEMETRY)
    border.database.audit_broken = True
    with pytest.raises(AuditUnavailable):
        await border.standing.enter()
    assert border.database.rows.transfers == {}


async def test_all_that_has_no_basis_is_named() -> None:
    """At the start, and to the operator of a cell that ended."""
    border = Border(TELEMETRY, STORE)
    border.wait_until_tomorrow()
    with pytest.raises(ResidencyViolation, match="telemetry to the telemetry in eu-fr; content to the blob-store in eu-fr"):
        await border.standing.enter()
    assert border.database.rows.transfers == {}


@pytest.mark.parametrize("broken", [False, True])
async def test_a_cell_whose_basis_ends_is_told_to_stop(broken: bool) -> None:
    """Whether or not that can be recorded; until then it is left alone."""
    border, stop = Border(TELEMETRY, STORE), asyncio.Event()
    watching = asyncio.create_task(border.standing.watch(stop))
    await asyncio.sleep(0.02)
    assert not stop.is_set()
    border.log.broken = broken
    border.wait_until_tomorrow()
    await asyncio.wait_for(watching, 10)
    assert stop.is_set()
    ended = [] if broken else [("endpoint:telemetry", "transfer-denied"), ("endpoint:blob-store", "transfer-denied")]
    assert [(each.resource, each.reason) for each in border.log.events] == ended
