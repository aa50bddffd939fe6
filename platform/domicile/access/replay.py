"""Deciding again what the audit log recorded, under policies that are not in force yet: what would change, and for whom.

Obligations, labelled where they are met:

1. Whoever replays may read the audit log and the policies of each tenant whose entries are read (``audit:read`` and
   ``policy:read``); both are recorded there before the first entry is read.
2. Nothing is done and nothing released: both bundles are only asked.
3. What cannot be decided again is counted by why, never left out in silence.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domicile.access.gate import Gate
from domicile.access.inforce import PoliciesInForce, PolicyRefresh
from domicile.access.recorded import Recorded, TenantFacts, Unreplayable, decisions_of, rebuilt
from domicile.audit.encoding import timestamp
from domicile.audit.events import AuditEntry, Outcome
from domicile.domain.actions import Action
from domicile.domain.principals import Caller
from domicile.policy.decision import DecisionPoint
from domicile.policy.request import Decision, Request, TenantResource
from domicile.ports.audit_log import AuditLog
from domicile.ports.repositories import Database

#: Entries that are held in memory at a time; an entry is some hundred bytes and names at most some dozen documents.
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` up to but not including ``until``."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """A decision that the candidate makes otherwise than the policies in force do, on the same facts.

    ``recorded_policies`` are those of the whole event, of which a search names all that permitted any of its documents.
    ``facts_changed``: the policies in force do not decide today as it was recorded, so facts or policies have changed since.
    """

    time: datetime
    event_id: UUID
    tenant_id: UUID
    principal_id: UUID
    action: str
    resource: str
    recorded: bool
    in_force: bool
    candidate: bool
    recorded_policies: tuple[str, ...]
    in_force_policies: tuple[str, ...]
    candidate_policies: tuple[str, ...]
    facts_changed: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """What one page of the log came to. ``fraction`` is how far the replay has come, from 0 to 1.

    ``drifted`` counts decisions that the policies in force, too, make otherwise than they were recorded.
    """

    changes: tuple[Change, ...] = ()
    replayed: int = 0
    drifted: int = 0
    skipped: Counter[Unreplayable] = field(default_factory=Counter)
    fraction: float = 0.0


class Replay:
    def __init__(self, *, database: Database, log: AuditLog, gate: Gate) -> None:
        self._database = database
        self._log = log
        self._gate = gate

    async def run(
        self, callers: Sequence[Caller], candidate: DecisionPoint, period: Period, *, whole_cell: bool = False
    ) -> AsyncIterator[Batch]:
        """The entries of the callers' tenants, the oldest first, page by page. Raises ``Forbidden`` before it reads any.

        With ``whole_cell`` the entries that belong to no tenant are counted, too. Over the candidate lie each tenant's own
        policies, as they would; a tenant that they do not fit is denied everything there, and that shows.
        """
        under = PoliciesInForce(candidate)
        await PolicyRefresh(under, self._database).refresh()
        for caller in callers:
            await self._admit(caller, candidate.bundle.digest, period)  # (1)
        async with self._database.reading() as unit:
            facts = {each.tenant.id: await TenantFacts.read(unit, each.tenant) for each in callers}
        for tenant_id in [None] if whole_cell else list(facts):
            async for entries, fraction in self._pages(tenant_id, period):
                yield await self._replayed(facts, under, entries, fraction)

    async def _admit(self, caller: Caller, candidate_digest: str, period: Period) -> None:
        tenant = TenantResource(caller.tenant.id)
        actions = (Action.AUDIT_READ, Action.POLICY_READ)
        decisions = [await self._gate.require(caller, action, tenant) for action in actions]
        detail = (
            ("replayed_since", timestamp(period.since)),
            ("replayed_until", timestamp(period.until)),
            ("candidate_digest", candidate_digest),
        )
        for action, decision in zip(actions, decisions, strict=True):
            await self._gate.record(caller, action, tenant, Outcome.PERMITTED, decision, detail=detail)

    async def _pages(self, tenant_id: UUID | None, period: Period) -> AsyncIterator[tuple[Sequence[AuditEntry], float]]:
        since, until = period.since, period.until
        newest = await self._log.read(tenant_id, limit=1, since=since, until=until)
        last = newest[0].position if newest else 0
        after, first = 0, 0
        while after < last:
            page = await self._log.read(tenant_id, after=after, limit=PAGE, newest_first=False, since=since, until=until)
            if not page:
                return
            after, first = page[-1].position, first or page[0].position
            yield page, min(1.0, (after - first + 1) / (last - first + 1))

    async def _replayed(
        self, facts: dict[UUID, TenantFacts], under: PoliciesInForce, entries: Sequence[AuditEntry], fraction: float
    ) -> Batch:
        skipped = Counter[Unreplayable]()
        by_tenant: dict[UUID, list[Recorded]] = defaultdict(list)
        for entry in entries:
            recorded = list(decisions_of(entry.event))
            tenant_id = entry.event.tenant_id
            if not recorded or tenant_id not in facts:
                skipped[Unreplayable.NO_DECISION] += 1  # (3)
            else:
                by_tenant[tenant_id] += recorded
        changes: list[Change] = []
        replayed = drifted = 0
        for tenant_id, page in by_tenant.items():
            async with self._database.reading() as unit:
                await facts[tenant_id].prepare(unit, page)
            requests, gone = rebuilt(facts[tenant_id], page, self._gate.cell_region)
            skipped += gone  # (3)
            compared = self._compared(tenant_id, requests, under.of(tenant_id))
            replayed += len(compared)
            drifted += sum(each.facts_changed for each in compared)
            changes += [each for each in compared if each.candidate is not each.in_force]
        changes.sort(key=lambda each: each.time)
        return Batch(tuple(changes), replayed, drifted, skipped, fraction)

    def _compared(
        self, tenant_id: UUID, requests: Sequence[tuple[Recorded, Request]], candidate: DecisionPoint
    ) -> list[Change]:
        """(2) Every request under both, changed or not."""
        asked = [request for _, request in requests]
        now, then = self._gate.decide_all(tenant_id, asked), candidate.decide_many(asked)
        return [
            _comparison(recorded, request.caller, in_force, would_be)
            for (recorded, request), in_force, would_be in zip(requests, now, then, strict=True)
        ]


def _comparison(recorded: Recorded, caller: Caller, in_force: Decision, candidate: Decision) -> Change:
    event = recorded.event
    return Change(
        time=event.time,
        event_id=event.id,
        tenant_id=caller.tenant.id,
        principal_id=caller.principal.id,
        action=recorded.action.value,
        resource=recorded.resource,
        recorded=recorded.permitted,
        in_force=in_force.allowed,
        candidate=candidate.allowed,
        recorded_policies=event.policies,
        in_force_policies=in_force.policies,
        candidate_policies=candidate.policies,
        facts_changed=in_force.allowed is not recorded.permitted,
    )
