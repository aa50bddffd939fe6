"""Rules on how long things are kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.people import uid

from domicile.domain.errors import AuditFloor, CallerError
from domicile.domain.retention import (
    MOST_DAYS,
    MOST_RULES,
    Kept,
    RetentionRule,
    audit_days,
    checked_rules,
    rule_for,
)
from domicile.domain.values import Classification

HANDBOOK, LETTERS = uid("handbook"), uid("letters")
SECRET = Classification.RESTRICTED


def test_the_most_specific_rule_counts() -> None:
    """Collection and classification, then collection, then classification, then all."""
    rules = checked_rules(
        [
            RetentionRule(Kept.DOCUMENTS, 4),
            RetentionRule(Kept.DOCUMENTS, 3, None, SECRET),
            RetentionRule(Kept.DOCUMENTS, 2, HANDBOOK),
            RetentionRule(Kept.DOCUMENTS, 1, HANDBOOK, SECRET),
        ],
        183,
    )
    asked = [(HANDBOOK, SECRET), (HANDBOOK, Classification.PUBLIC), (LETTERS, SECRET), (LETTERS, Classification.PUBLIC)]
    assert [rule_for(rules, *each).days for each in asked] == [1, 2, 3, 4]  # type: ignore[union-attr]
    assert rule_for(rules[:1], LETTERS, SECRET) is None


@given(st.integers(1, MOST_DAYS), st.integers(1, 5000))
def test_nothing_shortens_the_audit_floor(days: int, floor: int) -> None:
    """Neither a rule that is written, nor one that was stored before the floor was raised."""
    rule = RetentionRule(Kept.AUDIT, days)
    assert audit_days([rule], floor) >= floor  # type: ignore[operator]
    if days >= floor:
        assert checked_rules([rule], floor) == (rule,)
        return
    with pytest.raises(AuditFloor):
        checked_rules([rule], floor)


def test_without_a_rule_the_audit_log_is_kept_for_ever() -> None:
    """As everything is."""
    assert audit_days([], 183) is None


@pytest.mark.parametrize("days", [0, -1, MOST_DAYS + 1])
def test_days_that_cannot_be_are_refused(days: int) -> None:
    """Nothing is removed at once by a rule."""
    with pytest.raises(CallerError):
        RetentionRule(Kept.DOCUMENTS, days)


def test_rules_that_cannot_be_are_refused() -> None:
    """Two about the same, too many, and conversations by collection."""
    with pytest.raises(CallerError):
        checked_rules([RetentionRule(Kept.DOCUMENTS, 1), RetentionRule(Kept.DOCUMENTS, 2)], 1)
    with pytest.raises(CallerError):
        checked_rules([RetentionRule(Kept.DOCUMENTS, 1, uid(str(n))) for n in range(MOST_RULES + 1)], 1)
    with pytest.raises(CallerError):
        RetentionRule(Kept.CONVERSATIONS, 1, HANDBOOK)


def test_a_rule_is_named_for_what_it_is_about() -> None:
    """By ids and labels."""
    named = [
        RetentionRule(Kept.DOCUMENTS, 1),
        RetentionRule(Kept.DOCUMENTS, 1, HANDBOOK),
        RetentionRule(Kept.DOCUMENTS, 1, None, SECRET),
        RetentionRule(Kept.DOCUMENTS, 1, HANDBOOK, SECRET),
        RetentionRule(Kept.AUDIT, 1),
    ]
    assert [each.name for each in named] == [
        "documents",
        f"documents:{HANDBOOK}",
        "documents:*:restricted",
        f"documents:{HANDBOOK}:restricted",
        "audit",
    ]
