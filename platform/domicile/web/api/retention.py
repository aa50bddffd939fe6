"""``/v1/retention``: how long things are kept, and what would go now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, put
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from domicile.domain.actions import Action
from domicile.domain.retention import MOST_DAYS, MOST_RULES, Due, Kept, RetentionRule
from domicile.domain.values import Classification
from domicile.lifecycle.retention import RetentionView, RuleSaid
from domicile.web.api.responses import problems
from domicile.web.declared import decides
from domicile.web.dependencies import Here, Who

_TAGS = ["lifecycle"]


class DocumentRule(msgspec.Struct, forbid_unknown_fields=True):
    days: Annotated[int, Meta(ge=1, le=MOST_DAYS, description="Since the version was published")]
    collection: Annotated[str, Meta(max_length=64, description="Id or short name; any if not given")] | None = None
    classification: Annotated[str, Meta(max_length=40, description="Any if not given")] | None = None


class RetentionBody(msgspec.Struct, forbid_unknown_fields=True):
    """All rules at once. What is not there is kept for ever."""

    documents: Annotated[
        list[DocumentRule],
        Meta(max_length=MOST_RULES, description="The most specific one counts; a collection before a classification"),
    ] = msgspec.field(default_factory=list)
    conversations: Annotated[int, Meta(ge=1, le=MOST_DAYS, description="Days since the last exchange")] | None = None
    audit: Annotated[int, Meta(ge=1, le=MOST_DAYS, description="Days; not below the operator's floor")] | None = None

    def said(self) -> Iterator[RuleSaid]:
        """Raises ``CallerError``."""
        for each in self.documents:
            level = None if each.classification is None else Classification.parse(each.classification)
            yield RuleSaid(Kept.DOCUMENTS, each.days, each.collection, level)
        for kept, days in ((Kept.CONVERSATIONS, self.conversations), (Kept.AUDIT, self.audit)):
            if days is not None:
                yield RuleSaid(kept, days)


class RuleOut(msgspec.Struct):
    name: Annotated[str, Meta(description="What audit events and previews call it")]
    kept: Kept
    days: int
    collection: UUID | None
    classification: str | None


class RetentionOut(msgspec.Struct):
    audit_floor_days: Annotated[int, Meta(description="The operator's: no rule on the audit log goes below")]
    audit_days: Annotated[int | None, Meta(description="How long the audit log is kept; null for ever")]
    rules: Annotated[list[RuleOut], Meta(description="The most specific first")]


class DueOut(msgspec.Struct):
    kept: Annotated[Kept, Meta(description="documents or conversations")]
    id: UUID
    rule: str
    since: datetime
    age_days: int


class CountOut(msgspec.Struct):
    rule: str
    due: int
    held: Annotated[int, Meta(description="Kept by a legal hold for now")]


class PreviewOut(msgspec.Struct):
    at: datetime
    counts: Annotated[list[CountOut], Meta(description="Of all that is due, not only of this page")]
    items: list[DueOut]
    next: Annotated[str | None, Meta(description="Give it as 'after' for the next page; null on the last")]


@get("/retention", summary="Read retention rules", tags=_TAGS, responses=problems(), opt=decides(Action.RETENTION_READ))
async def get_retention(visitor: Who, cell: Here) -> RetentionOut:
    """How long documents, conversations and the audit log are kept; for administrators and auditors."""
    return _retention_out(await cell.retention.read(visitor.caller))


@put(
    "/retention",
    summary="Change retention rules",
    tags=_TAGS,
    responses=problems(404, 415, 422),
    opt={"content_type": "application/json", **decides(Action.RETENTION_WRITE)},
)
async def put_retention(data: JSONBody[RetentionBody], visitor: Who, cell: Here) -> RetentionOut:
    """All of them at once; look at the preview afterwards. They are carried out once a day."""
    return _retention_out(await cell.retention.write(visitor.caller, list(data.said())))


@get(
    "/retention/preview",
    summary="See what retention would remove now",
    tags=_TAGS,
    responses=problems(),
    opt=decides(Action.RETENTION_READ),
)
async def preview_retention(
    visitor: Who,
    cell: Here,
    after: Annotated[str | None, QueryParameter(max_length=64, description="The cursor that the page before gave")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="Documents and conversations a page")] = 100,
) -> PreviewOut:
    """Documents and conversations by id, each with its rule and its age. Changes nothing."""
    seen = await cell.retention.preview(visitor.caller, after=after, limit=limit)
    counts = [CountOut(rule, each.due, each.held) for rule, each in seen.counts.items()]
    return PreviewOut(seen.at, counts, [_due_out(each, seen.at) for each in seen.due], seen.next)


def _retention_out(view: RetentionView) -> RetentionOut:
    return RetentionOut(view.floor_days, view.audit_days, [_rule_out(each) for each in view.rules])


def _rule_out(rule: RetentionRule) -> RuleOut:
    label = None if rule.classification is None else rule.classification.label
    return RuleOut(rule.name, rule.kept, rule.days, rule.collection, label)


def _due_out(due: Due, at: datetime) -> DueOut:
    return DueOut(due.rule.kept, due.id, due.rule.name, due.since, (at - due.since).days)
