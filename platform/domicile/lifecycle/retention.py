"""A tenant's retention rules, and what they would remove now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domicile.access.gate import Gate
from domicile.access.resources import uuid_of
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError, NotFound
from domicile.domain.principals import Caller
from domicile.domain.retention import Due, DueCount, Kept, RetentionRule, audit_days, checked_rules
from domicile.domain.values import Classification, slug
from domicile.policy.request import Decision, TenantResource
from domicile.ports.clock import Clock
from domicile.ports.repositories import Database, UnitOfWork


@dataclass(frozen=True, slots=True)
class RuleSaid:
    """A rule as somebody gives it: ``collection`` by its id or short name."""

    kept: Kept
    days: int
    collection: str | None = None
    classification: Classification | None = None


@dataclass(frozen=True, slots=True)
class RetentionView:
    """``rules`` are the most specific first. The audit log is kept for ``audit_days`` (None: for ever), whatever its rule says:
    nobody keeps it for less than ``floor_days``."""

    floor_days: int
    audit_days: int | None
    rules: tuple[RetentionRule, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would remove at that time: ``counts`` of all, by rule, and a page of ``due``. ``next`` is a cursor."""

    at: datetime
    counts: Mapping[str, DueCount]
    due: tuple[Due, ...]
    next: str | None


class RetentionBook:
    """All raise ``Forbidden`` as the gate does. ``floor_days`` is the operator's: the audit log is kept that long at least."""

    def __init__(self, *, database: Database, gate: Gate, clock: Clock, floor_days: int) -> None:
        self._database = database
        self._gate = gate
        self._clock = clock
        self._floor_days = floor_days

    async def read(self, caller: Caller) -> RetentionView:
        """How long things are kept."""
        decision = await self._require(caller, Action.RETENTION_READ)
        async with self._database.reading() as unit:
            rules = await unit.retention.rules(caller.tenant.id)
        await self._record(caller, Action.RETENTION_READ, Outcome.PERMITTED, decision, (("rules", len(rules)),))
        return self._view(rules)

    async def write(self, caller: Caller, said: Sequence[RuleSaid]) -> RetentionView:
        """These rules and no others from now on, in one transaction with the event that names them.

        Raises ``CallerError``, ``AuditFloor``, and ``NotFound`` for a collection that is not the tenant's.
        """
        decision = await self._require(caller, Action.RETENTION_WRITE)
        try:
            async with self._database.writing() as unit:
                rules = checked_rules([await _rule(unit, caller, each) for each in said], self._floor_days)
                await unit.retention.set_rules(caller.tenant.id, rules)
                event = self._gate.event(
                    caller,
                    Action.RETENTION_WRITE,
                    TenantResource(caller.tenant.id),
                    Outcome.PERMITTED,
                    policies=decision.policies,
                    bundle_digest=decision.bundle_digest,
                    detail=(("rules", len(rules)), *((each.name, each.days) for each in rules)),
                )
                await unit.audit.append(event)
                await unit.commit()
        except (CallerError, NotFound) as error:
            await self._record(caller, Action.RETENTION_WRITE, Outcome.FAILED, decision, reason=error.slug)
            raise
        return self._view(rules)

    async def preview(self, caller: Caller, *, after: str | None = None, limit: int = 100) -> Preview:
        """What a run would remove now: documents first, then conversations, by id. Changes nothing.

        Legal holds count: what they keep is not among them. Raises ``CallerError`` for what is no cursor.
        """
        decision = await self._require(caller, Action.RETENTION_READ)
        kept, id_ = _cursor(after)
        now, tenant_id, due = self._clock.now(), caller.tenant.id, list[Due]()
        async with self._database.reading() as unit:
            rules = await unit.retention.rules(tenant_id)
            counts = await unit.retention.counts(tenant_id, rules, now)
            if kept is Kept.DOCUMENTS:
                due += await unit.retention.due_documents(tenant_id, rules, now, after=id_, limit=limit)
                id_ = None
            if (room := limit - len(due)) > 0:
                due += await unit.retention.due_conversations(tenant_id, rules, now, after=id_, limit=room)
        await self._record(caller, Action.RETENTION_READ, Outcome.PERMITTED, decision, (("due", len(due)),))
        following = f"{due[-1].rule.kept.value}:{due[-1].id}" if len(due) == limit else None
        return Preview(now, counts, tuple(due), following)

    def _view(self, rules: Sequence[RetentionRule]) -> RetentionView:
        return RetentionView(self._floor_days, audit_days(rules, self._floor_days), tuple(rules))

    async def _require(self, caller: Caller, action: Action) -> Decision:
        return await self._gate.require(caller, action, TenantResource(caller.tenant.id))

    async def _record(
        self,
        caller: Caller,
        action: Action,
        outcome: Outcome,
        decision: Decision,
        detail: tuple[tuple[str, str | int], ...] = (),
        reason: str = "",
    ) -> None:
        tenant = TenantResource(caller.tenant.id)
        await self._gate.record(caller, action, tenant, outcome, decision, detail=detail, reason=reason)


async def _rule(unit: UnitOfWork, caller: Caller, said: RuleSaid) -> RetentionRule:
    return RetentionRule(said.kept, said.days, await _collection(unit, caller, said.collection), said.classification)


async def _collection(unit: UnitOfWork, caller: Caller, name: str | None) -> UUID | None:
    if name is None:
        return None
    try:
        id_ = UUID(name)
    except ValueError:
        return (await unit.collections.by_slug(caller.tenant.id, slug(name))).id
    return (await unit.collections.get(caller.tenant.id, id_)).id


def _cursor(after: str | None) -> tuple[Kept, UUID | None]:
    if after is None:
        return Kept.DOCUMENTS, None
    kind, _, id_ = after.partition(":")
    if kind not in (Kept.DOCUMENTS.value, Kept.CONVERSATIONS.value):
        raise CallerError("That is no cursor of a preview.", hint="Give the 'next' of the page before.")
    return Kept(kind), uuid_of(id_)
