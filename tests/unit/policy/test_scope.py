"""The reference meaning of a scope, which both stores' filters are tested against."""

from __future__ import annotations

import pytest
from tests.fakes.people import collection, document, group, tenant

from domicile.domain.values import Classification, Region
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
    field_values,
)

FINANCE = group("finance").id
SECRET = document(classification=Classification.CONFIDENTIAL, groups=[FINANCE])


@pytest.mark.parametrize(
    "empty", [Nothing(), AnyOf(()), OneOf(Field.TENANT, frozenset()), Intersects(Field.GROUPS, frozenset())]
)
def test_empty_admits_nothing(empty: Scope) -> None:
    """Whatever is empty denies."""
    assert not admits(empty, document())


@pytest.mark.parametrize("scope", [Everything(), AllOf(()), Not(Nothing())])
def test_only_what_says_everything_admits_everything(scope: Scope) -> None:
    """A scope that admits all has to be made on purpose."""
    assert admits(scope, document())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (Field.TENANT, str(tenant().id)),
        (Field.DOCUMENT, str(SECRET.document_id)),
        (Field.COLLECTION, str(collection().id)),
        (Field.REGION, "eu-de"),
    ],
)
def test_a_single_valued_field_is_tested_by_its_value(name: Field, value: str) -> None:
    """Stores hold ids as canonical text and the region by name."""
    assert admits(OneOf(name, frozenset({value, "other"})), SECRET)
    assert not admits(OneOf(name, frozenset({"other"})), SECRET)


@pytest.mark.parametrize(("low", "high", "expected"), [(2, 2, True), (None, 1, False), (3, None, False), (None, None, True)])
def test_an_interval_is_closed(low: int | None, high: int | None, expected: bool) -> None:
    """Both ends belong to it; an open end admits all on its side."""
    assert admits(Between(Field.CLASSIFICATION, low, high), SECRET) is expected


def test_groups_are_tested_by_intersection_and_emptiness() -> None:
    """One common group is enough, and no groups at all is a fact of its own."""
    assert admits(Intersects(Field.GROUPS, frozenset({str(FINANCE), str(group("legal").id)})), SECRET)
    assert not admits(Intersects(Field.GROUPS, frozenset({str(group("legal").id)})), SECRET)
    assert not admits(IsEmpty(Field.GROUPS), SECRET)
    assert admits(IsEmpty(Field.GROUPS), document())


def test_every_field_has_values_as_stores_index_them() -> None:
    """No field is left out: a filter on any of them has something to meet."""
    somewhere = document(region=Region("eu-fr"), groups=[FINANCE], labels=frozenset({"hr"}))
    assert all(field_values(somewhere, name) for name in Field)
    assert field_values(somewhere, Field.REGION) == {"eu-fr"}
