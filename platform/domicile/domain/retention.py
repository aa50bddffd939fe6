"""How long things are kept: a tenant's rules, in days. What no rule is about is kept for ever."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domicile.domain.errors import AuditFloor, CallerError
from domicile.domain.values import Classification

#: A hundred years: longer is for ever.
MOST_DAYS = 36_500
#: Rules that one tenant may have.
MOST_RULES = 100


class Kept(StrEnum):
    """What a rule is about."""

    DOCUMENTS = "documents"  # counted from the publication of the version
    CONVERSATIONS = "conversations"  # counted from the last exchange
    AUDIT = "audit"  # never below the operator's floor


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """``collection`` and ``classification`` narrow a rule on documents; None is any. Raises ``CallerError``."""

    kept: Kept
    days: int
    collection: UUID | None = None
    classification: Classification | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.days <= MOST_DAYS:
            raise CallerError(
                f"Things are kept for 1 to {MOST_DAYS} days.", hint="Without a rule they are kept for ever.", limit=MOST_DAYS
            )
        if self.kept is not Kept.DOCUMENTS and (self.collection is not None or self.classification is not None):
            raise CallerError("Only rules on documents tell collections and classifications apart.")

    @property
    def name(self) -> str:
        """What it is about, such as ``documents``, ``documents:<collection>`` or ``documents:*:restricted``."""
        parts = [self.kept.value]
        if self.collection is not None or self.classification is not None:
            parts.append(str(self.collection) if self.collection is not None else "*")
        if self.classification is not None:
            parts.append(self.classification.label)
        return ":".join(parts)

    def before(self, now: datetime) -> datetime:
        """What is from then or earlier has been kept long enough."""
        return now - timedelta(days=self.days)

    @property
    def breadth(self) -> tuple[bool, bool]:
        """Sorts narrow rules before broad ones; a collection counts for more than a classification."""
        return self.collection is None, self.classification is None


def checked_rules(rules: Iterable[RetentionRule], floor_days: int) -> tuple[RetentionRule, ...]:
    """The rules, the most specific first.

    Raises ``CallerError`` for two about the same and for too many, and ``AuditFloor`` for less than the operator keeps the
    audit log.
    """
    found = specific_first(rules)
    if len({each.name for each in found}) < len(found):
        raise CallerError("Two rules are about the same.", hint="Give one number of days for each.")
    if len(found) > MOST_RULES:
        raise CallerError(f"There are at most {MOST_RULES} rules.", limit=MOST_RULES)
    if any(each.kept is Kept.AUDIT and each.days < floor_days for each in found):
        raise AuditFloor(f"The audit log is kept for {floor_days} days at least.", limit=floor_days)
    return found


def specific_first(rules: Iterable[RetentionRule]) -> tuple[RetentionRule, ...]:
    """In the order in which they count: collection and classification, collection, classification, all."""
    return tuple(sorted(rules, key=lambda each: (each.kept.value, each.breadth, each.name)))


def rule_for(rules: Sequence[RetentionRule], collection: UUID, classification: Classification) -> RetentionRule | None:
    """Of those in their order, the one that a document in that collection is kept by; None keeps it for ever."""
    fits = (
        each
        for each in rules
        if each.kept is Kept.DOCUMENTS
        and each.collection in (None, collection)
        and each.classification in (None, classification)
    )
    return next(fits, None)


def audit_days(rules: Iterable[RetentionRule], floor_days: int) -> int | None:
    """How long the audit log is kept, whatever is stored: the floor may have been raised since. None is for ever."""
    return next((max(each.days, floor_days) for each in rules if each.kept is Kept.AUDIT), None)


@dataclass(frozen=True, slots=True)
class Due:
    """A document or conversation that a rule says may go, and since when it is as it is."""

    id: UUID
    rule: RetentionRule
    since: datetime


@dataclass(frozen=True, slots=True)
class DueCount:
    """How many a rule says may go: ``due`` ones that can, and ``held`` ones, which a legal hold keeps."""

    due: int = 0
    held: int = 0
