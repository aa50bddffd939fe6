"""What a scope binds a field to holds for everything that it admits."""

from __future__ import annotations

from hypothesis import given
from tests.unit.adapters.qdrant.test_filters import CORPUS, TENANTS, scopes

from domicile.policy.bounds import bound
from domicile.policy.scope import AllOf, AnyOf, Between, Everything, Field, Not, Nothing, OneOf, Scope, admits, field_values

ONE = OneOf(Field.TENANT, frozenset({str(TENANTS[0])}))
TWO = OneOf(Field.TENANT, frozenset({str(TENANTS[1])}))


@given(scope=scopes)
def test_nothing_outside_the_bound_is_admitted(scope: Scope) -> None:
    """Whatever the tree, a document that it admits has one of the values."""
    for name in (Field.TENANT, Field.COLLECTION):
        values = bound(scope, name)
        admitted = [document for document in CORPUS if admits(scope, document)]
        assert values is None or all(field_values(document, name) <= values for document in admitted)


def test_alternatives_add_up_and_conditions_narrow() -> None:
    """One tenant or another are two; one tenant and anything else is one; one that is also another is none."""
    public = Between(Field.CLASSIFICATION, None, 0)
    assert bound(AnyOf((ONE, TWO)), Field.TENANT) == ONE.values | TWO.values
    assert bound(AllOf((ONE, public)), Field.TENANT) == ONE.values
    assert bound(AllOf((ONE, TWO)), Field.TENANT) == frozenset()


def test_what_may_be_anybodys_binds_nothing() -> None:
    """An alternative without a tenant, everything, and everything but a tenant leave the field open."""
    assert [
        bound(each, Field.TENANT) for each in (AnyOf((ONE, Between(Field.CLASSIFICATION, 0, 0))), Everything(), Not(ONE))
    ] == [None] * 3
    assert [bound(each, Field.TENANT) for each in (Nothing(), AnyOf(()))] == [frozenset()] * 2
