"""Simplifying a scope never changes what it admits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.worlds import COLLECTIONS, GROUPS, REGIONS, TENANTS, documents

from domicile.domain.documents import DocumentAttributes
from domicile.policy.algebra import all_of, any_of, between, intersects, negation, one_of
from domicile.policy.scope import (
    AllOf,
    AnyOf,
    Between,
    Everything,
    Field,
    Intersects,
    IsEmpty,
    Not,
    Nothing,
    OneOf,
    Scope,
    admits,
)

bounds = st.none() | st.integers(-2, 6)
leaves = st.one_of(
    st.just(Everything()),
    st.just(Nothing()),
    st.just(IsEmpty(Field.GROUPS)),
    st.builds(OneOf, st.just(Field.TENANT), st.frozensets(st.sampled_from([str(each.id) for each in TENANTS]))),
    st.builds(OneOf, st.just(Field.COLLECTION), st.frozensets(st.sampled_from([str(each.id) for each in COLLECTIONS]))),
    st.builds(OneOf, st.just(Field.REGION), st.frozensets(st.sampled_from([each.name for each in REGIONS]))),
    st.builds(Intersects, st.just(Field.GROUPS), st.frozensets(st.sampled_from([str(each.id) for each in GROUPS]))),
    st.builds(Between, st.just(Field.CLASSIFICATION), bounds, bounds),
)
scopes: st.SearchStrategy[Scope] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, max_size=4).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=4).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=8,
)


@given(st.lists(scopes, max_size=4), documents())
def test_all_of_admits_what_every_part_admits(parts: list[Scope], document: DocumentAttributes) -> None:
    """However the parts are merged, the conjunction stays the conjunction."""
    assert admits(all_of(*parts), document) == all(admits(part, document) for part in parts)


@given(st.lists(scopes, max_size=4), documents())
def test_any_of_admits_what_some_part_admits(parts: list[Scope], document: DocumentAttributes) -> None:
    """However the parts are merged, the disjunction stays the disjunction."""
    assert admits(any_of(*parts), document) == any(admits(part, document) for part in parts)


@given(scopes, documents())
def test_negation_admits_the_rest(scope: Scope, document: DocumentAttributes) -> None:
    """A document is admitted by a scope or by its negation, never by both."""
    assert admits(negation(scope), document) != admits(scope, document)


@given(bounds, bounds, documents())
def test_between_is_cut_to_the_classifications_there_are(
    low: int | None, high: int | None, document: DocumentAttributes
) -> None:
    """Numbers that no document can have are never left in a filter, and the interval admits what it says."""
    scope = between(Field.CLASSIFICATION, low, high)
    level = document.classification
    assert admits(scope, document) == ((low is None or low <= level) and (high is None or level <= high))
    if isinstance(scope, Between):
        assert all(limit is None or limit in range(4) for limit in (scope.low, scope.high))


def test_no_parts_are_everything_and_nothing() -> None:
    """Empty means deny for alternatives; a conjunction without conditions is the neutral one."""
    assert all_of() == Everything()
    assert any_of() == Nothing()
    assert one_of(Field.TENANT) == Nothing()
    assert intersects(Field.GROUPS) == Nothing()


def test_contradicting_conjuncts_are_nothing() -> None:
    """Two different tenants, or an empty interval, need no store to be asked."""
    assert all_of(one_of(Field.TENANT, "a"), one_of(Field.TENANT, "b")) == Nothing()
    public, secret = between(Field.CLASSIFICATION, None, 1), between(Field.CLASSIFICATION, 2, None)
    assert all_of(public, secret) == Nothing()


def test_nested_parts_are_flattened_and_merged() -> None:
    """What a caller's policies say together is one flat conjunction, with one test per single-valued field."""
    tree = all_of(
        one_of(Field.TENANT, "a"),
        all_of(one_of(Field.TENANT, "a", "b"), between(Field.CLASSIFICATION, None, 2), IsEmpty(Field.GROUPS)),
    )
    assert tree == AllOf((one_of(Field.TENANT, "a"), Between(Field.CLASSIFICATION, None, 2), IsEmpty(Field.GROUPS)))
