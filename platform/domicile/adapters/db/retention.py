"""Retention rules, and what they say may go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, delete, func, insert, literal, select, true

from domicile.adapters.db.columns import UtcDateTime
from domicile.adapters.db.holds import keeps_conversation, keeps_document
from domicile.adapters.db.schema import collections, conversations, documents, legal_holds, retention_rules
from domicile.adapters.db.transaction import Transaction
from domicile.domain.errors import NotFound
from domicile.domain.retention import Due, DueCount, Kept, RetentionRule, specific_first
from domicile.domain.values import Classification

_OF_TENANT = select(retention_rules).where(retention_rules.c.tenant_id == bindparam("tenant_id"))
_ADD = insert(retention_rules)
_DELETE = delete(retention_rules).where(retention_rules.c.tenant_id == bindparam("of_tenant"))
_OWN = select(collections.c.id).where(
    collections.c.tenant_id == bindparam("tenant_id"), collections.c.id.in_(bindparam("ids", expanding=True))
)
_HELD_DOCUMENT = select(legal_holds.c.id).where(keeps_document()).correlate(documents).exists()
_HELD_CONVERSATION = select(legal_holds.c.id).where(keeps_conversation()).correlate(conversations).exists()


class SqlRetention:
    """Implements ``RetentionRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def rules(self, tenant_id: UUID) -> Sequence[RetentionRule]:
        rows = await self._transaction.all(_OF_TENANT, {"tenant_id": tenant_id})
        return specific_first(
            RetentionRule(
                Kept(row.kept),
                row.days,
                row.collection_id,
                None if row.classification is None else Classification(row.classification),
            )
            for row in rows
        )

    async def set_rules(self, tenant_id: UUID, rules: Sequence[RetentionRule]) -> None:
        named = {each.collection for each in rules if each.collection is not None}
        if named:
            own = await self._transaction.all(_OWN, {"tenant_id": tenant_id, "ids": sorted(named)})
            if named != {row.id for row in own}:
                raise NotFound()
        await self._transaction.run(_DELETE, {"of_tenant": tenant_id})
        if rules:
            await self._transaction.run(_ADD, [_columns(tenant_id, each) for each in rules])

    async def due_documents(
        self,
        tenant_id: UUID,
        rules: Sequence[RetentionRule],
        now: datetime,
        *,
        only: UUID | None = None,
        after: UUID | None = None,
        limit: int = 100,
    ) -> Sequence[Due]:
        ours = _about(rules, Kept.DOCUMENTS)
        if not ours:
            return []
        return await self._due(_documents(tenant_id, ours, now), ~_HELD_DOCUMENT, documents.c.id, ours, (only, after, limit))

    async def due_conversations(
        self,
        tenant_id: UUID,
        rules: Sequence[RetentionRule],
        now: datetime,
        *,
        only: UUID | None = None,
        after: UUID | None = None,
        limit: int = 100,
    ) -> Sequence[Due]:
        ours = _about(rules, Kept.CONVERSATIONS)
        if not ours:
            return []
        due = _conversations(tenant_id, ours, now)
        return await self._due(due, ~_HELD_CONVERSATION, conversations.c.id, ours, (only, after, limit))

    async def counts(self, tenant_id: UUID, rules: Sequence[RetentionRule], now: datetime) -> Mapping[str, DueCount]:
        found: dict[str, DueCount] = {}
        if ours := _about(rules, Kept.DOCUMENTS):
            found |= await self._counted(_documents(tenant_id, ours, now), _HELD_DOCUMENT, ours)
        if ours := _about(rules, Kept.CONVERSATIONS):
            found |= await self._counted(_conversations(tenant_id, ours, now), _HELD_CONVERSATION, ours)
        return found

    async def _due(
        self,
        due: Select[Any],
        unheld: ColumnElement[bool],
        id_: ColumnElement[UUID],
        rules: Sequence[RetentionRule],
        page: tuple[UUID | None, UUID | None, int],
    ) -> Sequence[Due]:
        only, after, limit = page
        due = due.where(unheld).order_by(id_).limit(limit)
        if only is not None:
            due = due.where(id_ == only)
        if after is not None:
            due = due.where(id_ > after)
        return [Due(row.id, rules[row.rule], row.since) for row in await self._transaction.all(due)]

    async def _counted(
        self, due: Select[Any], held: ColumnElement[bool], rules: Sequence[RetentionRule]
    ) -> dict[str, DueCount]:
        counts = {each.name: DueCount() for each in rules}
        each = due.add_columns(case((held, 1), else_=0).label("held")).subquery()
        totals = select(each.c.rule, func.count().label("due"), func.sum(each.c.held).label("held")).group_by(each.c.rule)
        for row in await self._transaction.all(totals):
            counts[rules[row.rule].name] = DueCount(row.due - int(row.held), int(row.held))
        return counts


def _about(rules: Sequence[RetentionRule], kept: Kept) -> list[RetentionRule]:
    return [each for each in rules if each.kept is kept]


def _documents(tenant_id: UUID, rules: Sequence[RetentionRule], now: datetime) -> Select[Any]:
    """Those that may go, each with the position of its rule. The index gives those that any rule could be about."""
    since = documents.c.version_created_at
    cutoffs = [literal(each.before(now), UtcDateTime) for each in rules]
    matches = [_matches(each) for each in rules]
    rule = case(*((match, number) for number, match in enumerate(matches)))
    cutoff = case(*zip(matches, cutoffs, strict=True))
    latest = max(each.before(now) for each in rules)
    chosen = select(documents.c.id, since.label("since"), rule.label("rule"))
    return chosen.where(documents.c.tenant_id == tenant_id, since <= latest, since <= cutoff)


def _matches(rule: RetentionRule) -> ColumnElement[bool]:
    tests: list[ColumnElement[bool]] = []
    if rule.collection is not None:
        tests.append(documents.c.collection_id == rule.collection)
    if rule.classification is not None:
        tests.append(documents.c.classification == int(rule.classification))
    return and_(true(), *tests)


def _conversations(tenant_id: UUID, rules: Sequence[RetentionRule], now: datetime) -> Select[Any]:
    """Those that may go; there is one rule at most."""
    since = conversations.c.updated_at
    chosen = select(conversations.c.id, since.label("since"), literal(0).label("rule"))
    return chosen.where(conversations.c.tenant_id == tenant_id, since <= rules[0].before(now))


def _columns(tenant_id: UUID, rule: RetentionRule) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "tenant_id": tenant_id,
        "kept": rule.kept.value,
        "collection_id": rule.collection,
        "classification": None if rule.classification is None else int(rule.classification),
        "days": rule.days,
    }
