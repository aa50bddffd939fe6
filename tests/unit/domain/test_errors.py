"""What callers rely on in every error: a stable name, a sentence on what is wrong, and one on what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from domicile.domain import errors
from domicile.domain.errors import DomicileError, Forbidden, Refused, RegionRefused


def descendants(parent: type[DomicileError]) -> Iterator[type[DomicileError]]:
    for child in parent.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from descendants(child)


KINDS = [DomicileError, *descendants(DomicileError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_says_what_is_wrong_and_what_to_do(kind: type[DomicileError]) -> None:
    """Without arguments, too: its title, and an advice that is a sentence."""
    error = kind()
    assert str(error) == kind.title
    assert re.fullmatch(r"[A-Z'].*[.…]", error.advice)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.slug)


def test_no_two_errors_share_a_slug() -> None:
    """Clients tell them apart by it. ``Refused`` is the one family that shows as its plainest member."""
    slugs = [kind.slug for kind in KINDS if kind is not Refused]
    assert len(slugs) == len(set(slugs))
    assert Refused.slug == Forbidden.slug


def test_detail_advice_and_members_take_the_place_of_the_general_ones() -> None:
    """A particular error is more particular than its class."""
    error = RegionRefused("This cell is in eu-de.", hint="Ask in us-va.", region="us-va")
    assert (str(error), error.advice, error.members) == ("This cell is in eu-de.", "Ask in us-va.", {"region": "us-va"})
