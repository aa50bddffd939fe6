"""What may flow to another region, and what is registered of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.fakes.accounts import MemoryAccounts
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.clock import FixedClock
from tests.fakes.people import HOME, caller, principal, tenant
from tests.fakes.policy import LAPSED, decisions

from domicile.access.gate import Gate
from domicile.access.inforce import PoliciesInForce
from domicile.access.transfers import Flow, TransferRegister
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import AuditUnavailable, DatabaseUnavailable, Forbidden, TransferDenied
from domicile.domain.principals import Caller
from domicile.domain.transfers import TransferFilter, Unit
from domicile.domain.values import Region, Role
from domicile.policy.regions import DataKind
from domicile.policy.request import EndpointResource

LYON, ZURICH, VIRGINIA = Region("eu-fr"), Region("ch-zh"), Region("us-va")
FLOW = Flow(HOME, LYON, DataKind.CONTENT, 8, Unit.PASSAGES, "model")
MODEL = EndpointResource("model", "mistral", LYON)
MIA, OLAF = caller(), caller(principal("olaf", role=Role.AUDITOR))


class Border:
    def __init__(self, regions: str | None = None) -> None:
        self.log, self.database, self.clock = MemoryAuditLog(), MemoryAccounts(), FixedClock()
        gate = Gate(PoliciesInForce(decisions(regions=regions)), self.log, self.clock, HOME)
        self.register = TransferRegister(database=self.database, gate=gate, clock=self.clock)  # type: ignore[arg-type]

    async def flows(self, who: Caller = MIA, flow: Flow = FLOW) -> None:
        await self.register.require(who, flow, Action.ENDPOINT_USE, MODEL)

    async def looks(self, region: str, *actions: Action, who: Caller = MIA) -> None:
        await self.register.require_access(replace(who, access_region=region), actions or (Action.DOCUMENT_READ,))

    @property
    def entries(self) -> Sequence[tuple[str, str, str, str]]:
        rows = self.database.rows.transfers.values()
        return [(each.kind, each.source, each.target, each.entry) for each in rows]


@pytest.fixture
def border() -> Border:
    return Border()


async def test_the_entry_and_the_event_say_the_same_of_a_flow(border: Border) -> None:
    """Who, what, from where to where, how much and on which basis; each names the other."""
    await border.flows()
    (record,) = border.database.rows.transfers.values()
    (event,) = border.database.rows.events
    assert (record.tenant_id, record.principal_id, record.request_id) == (MIA.tenant.id, MIA.principal.id, "request-1")
    assert (record.basis, record.reference) == ("No transfer to a third country (GDPR Art. 1(3))", "GDPR Art. 1(3)")
    assert (record.audit_id, record.time, record.bundle_digest) == (event.id, event.time, event.bundle_digest)
    assert (event.action, event.resource, event.outcome) == (Action.ENDPOINT_USE, "endpoint:model", Outcome.PERMITTED)
    assert dict(event.detail) == {
        "transfer": str(record.id),
        "entry": "eu-internal",
        "kind": "content",
        "from": "eu-de",
        "to": "eu-fr",
        "amount": 8,
        "unit": "passages",
    }


async def test_either_both_are_written_or_neither(border: Border) -> None:
    """What cannot be audited is not registered either, and does not happen."""
    border.database.audit_broken = True
    with pytest.raises(AuditUnavailable):
        await border.flows()
    assert border.entries == []


async def test_a_register_that_cannot_be_written_refuses(border: Border) -> None:
    """Fail closed."""
    border.database.broken = True
    with pytest.raises(DatabaseUnavailable):
        await border.flows()


@pytest.mark.parametrize("target", [VIRGINIA, Region("xx-nowhere"), ZURICH])
async def test_no_basis_no_flow(border: Border, target: Region) -> None:
    """Not for another jurisdiction, not for an unknown region, and not for content where only access has a basis."""
    with pytest.raises(TransferDenied):
        await border.flows(flow=replace(FLOW, target=target))
    assert border.entries == []
    (event,) = border.log.events
    assert (event.outcome, event.reason, dict(event.detail)["to"]) == (Outcome.DENIED, "transfer-denied", target.name)


async def test_a_basis_is_good_until_the_end_of_its_last_day() -> None:
    """By the clock in UTC; the day after, nothing flows."""
    border = Border(LAPSED.replace("2025-03-13", "2025-03-14"))
    await border.flows()
    border.clock.advance(timedelta(days=1))
    with pytest.raises(TransferDenied):
        await border.flows()
    assert len(border.entries) == 1


async def test_only_who_may_read_policies_is_told_which_basis(border: Border) -> None:
    """The others learn that it is refused, and nothing of what the operator has on file."""
    with pytest.raises(TransferDenied) as told:
        await Border(LAPSED).flows(OLAF)
    assert "'eu-internal' expired on 2025-03-13" in str(told.value)
    assert told.value.members == {"kind": "content", "source": "eu-de", "target": "eu-fr", "expired": "eu-internal"}
    with pytest.raises(TransferDenied, match="no entry covers it") as told:
        await border.flows(OLAF, replace(FLOW, target=VIRGINIA))
    with pytest.raises(TransferDenied) as refused:
        await Border(LAPSED).flows(MIA)
    assert (str(refused.value), refused.value.members) == (TransferDenied.title, {})


async def test_no_refusal_is_told_that_could_not_be_recorded(border: Border) -> None:
    """As for every other refusal."""
    border.log.broken = True
    with pytest.raises(AuditUnavailable):
        await border.flows(flow=replace(FLOW, target=VIRGINIA))


async def test_looking_from_another_region_is_a_transfer(border: Border) -> None:
    """Within a jurisdiction, too: each has its own entry in regions.yaml."""
    await border.looks("ch-zh")
    await border.looks("eu-fr", Action.SESSION_READ, Action.JOB_READ)
    assert border.entries == [("access", "eu-de", "ch-zh", "eu-ch-access"), ("access", "eu-de", "eu-fr", "eu-internal")]
    (record, _) = border.database.rows.transfers.values()
    assert (record.amount, record.unit, record.component) == (1, "requests", "")


async def test_looking_from_where_there_is_no_basis_is_refused(border: Border) -> None:
    """Also from a region that nobody listed."""
    for region in ("us-va", "xx-nowhere"):
        with pytest.raises(TransferDenied):
            await border.looks(region)
    assert border.entries == []


@pytest.mark.parametrize(
    ("region", "actions"),
    [
        ("unknown", (Action.DOCUMENT_READ,)),
        ("eu-de", (Action.DOCUMENT_READ,)),
        ("us-va", (Action.SESSION_READ,)),
        ("us-va", (Action.TRANSFER_READ,)),
        ("us-va", (Action.DOCUMENT_DELETE,)),
    ],
)
async def test_other_requests_are_no_matter_of_the_register(border: Border, region: str, actions: tuple[Action, ...]) -> None:
    """From home, from a place that is not known, and where no content and no name of it is released."""
    await border.looks(region, *actions)
    assert (border.entries, border.log.events) == ([], [])


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMINISTRATOR])
async def test_reading_the_register_is_an_access(border: Border, role: Role) -> None:
    """Recorded before anything is told."""
    await border.flows()
    who = caller(principal("olaf", role=role))
    assert [each.entry for each in await border.register.read(who, TransferFilter())] == ["eu-internal"]
    (event,) = border.log.events
    assert (event.action, event.outcome, event.policies) == (Action.TRANSFER_READ, Outcome.PERMITTED, ("transfer-register",))
    border.log.broken = True
    with pytest.raises(AuditUnavailable):
        await border.register.read(who, TransferFilter())
    with pytest.raises(AuditUnavailable):
        await border.register.export(who, TransferFilter())


async def test_a_member_does_not_read_it(border: Border) -> None:
    """Neither a page nor all of it."""
    with pytest.raises(Forbidden):
        await border.register.read(MIA, TransferFilter())
    with pytest.raises(Forbidden):
        await border.register.export(MIA, TransferFilter())


async def test_an_export_gives_all_of_the_tenants_entries_once(border: Border, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages that takes, and none of another tenant's."""
    monkeypatch.setattr("domicile.access.transfers._PAGE", 2)
    globex = tenant("globex")
    for amount in range(5):
        await border.flows(flow=replace(FLOW, amount=amount))
        await border.flows(caller(of=globex), replace(FLOW, amount=99))
    exported = [each.amount async for each in await border.register.export(OLAF, TransferFilter())]
    assert exported == [4, 3, 2, 1, 0]
