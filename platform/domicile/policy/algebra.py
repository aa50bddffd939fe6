"""Building scopes in their simplest form, so that stores get small filters and a scope can be read in a log.

Each function admits exactly what its name says; that nothing is lost by simplifying is a property of its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from domicile.policy.scope import NUMBERS, AllOf, AnyOf, Between, Everything, Field, Intersects, Not, Nothing, OneOf, Scope


def all_of(*parts: Scope) -> Scope:
    """What every part admits, as a flat tree without constants or repetitions; tests of the same field become one."""
    kept: dict[Scope, None] = {}
    for part in _flattened(parts, AllOf):
        if isinstance(part, Nothing):
            return Nothing()
        if not isinstance(part, Everything):
            kept[part] = None
    narrowed = _narrowed(kept)
    if narrowed is None:
        return Nothing()
    return AllOf(tuple(narrowed)) if len(narrowed) > 1 else narrowed[0] if narrowed else Everything()


def any_of(*parts: Scope) -> Scope:
    """What at least one part admits, as a flat tree without constants or repetitions. No parts: nothing."""
    kept: dict[Scope, None] = {}
    for part in _flattened(parts, AnyOf):
        if isinstance(part, Everything):
            return Everything()
        if not isinstance(part, Nothing):
            kept[part] = None
    widened = _widened(kept)
    return AnyOf(tuple(widened)) if len(widened) > 1 else widened[0] if widened else Nothing()


def negation(part: Scope) -> Scope:
    """What the part does not admit."""
    match part:
        case Everything():
            return Nothing()
        case Nothing():
            return Everything()
        case Not(inner):
            return inner
        case Between(name, low, None) if low is not None:
            return Between(name, None, low - 1)
        case Between(name, None, high) if high is not None:
            return Between(name, high + 1, None)
        case AnyOf(parts):
            return all_of(*(negation(each) for each in parts))
        case _:
            return Not(part)


def one_of(name: Field, *values: str) -> Scope:
    return OneOf(name, frozenset(values)) if values else Nothing()


def intersects(name: Field, *values: str) -> Scope:
    return Intersects(name, frozenset(values)) if values else Nothing()


def between(name: Field, low: int | None, high: int | None) -> Scope:
    """The interval cut to the values that there are, so that a store never meets a number that it cannot hold."""
    lowest, highest = NUMBERS[name]
    low = None if low is None or low <= lowest else low
    high = None if high is None or high >= highest else high
    if (low is not None and low > highest) or (high is not None and high < lowest):
        return Nothing()
    if low is not None and high is not None and low > high:
        return Nothing()
    return Everything() if low is None and high is None else Between(name, low, high)


def _flattened(parts: Iterable[Scope], kind: type[AllOf | AnyOf]) -> Iterator[Scope]:
    for part in parts:
        if isinstance(part, kind):
            yield from _flattened(part.parts, kind)
        else:
            yield _plain(part)


def _plain(part: Scope) -> Scope:
    """A test that can only come out one way, as the constant that it is."""
    match part:
        case OneOf(_, values) | Intersects(_, values) if not values:
            return Nothing()
        case Between(name, low, high):
            return between(name, low, high)
        case _:
            return part


def _narrowed(parts: Iterable[Scope]) -> list[Scope] | None:
    """Conjuncts with the tests of one single-valued field intersected; None when two of them contradict each other."""
    merged: dict[Field, Scope] = {}
    others: list[Scope] = []
    for part in parts:
        if isinstance(part, OneOf | Between):
            merged[part.field] = _met(merged.get(part.field, part), part)
        else:
            others.append(part)
    return None if Nothing() in merged.values() else [*merged.values(), *others]


def _met(left: Scope, right: OneOf | Between) -> Scope:
    """Two tests of the same field as one; ``Nothing``, which absorbs all further ones, where they contradict each other."""
    match left, right:
        case OneOf(name, values), OneOf():
            return one_of(name, *(values & right.values))
        case Between(name, low, high), Between():
            return between(name, _tighter(max, low, right.low), _tighter(min, high, right.high))
        case _:
            return Nothing()


def _tighter(choose: Callable[[int, int], int], left: int | None, right: int | None) -> int | None:
    return right if left is None else left if right is None else choose(left, right)


def _widened(parts: Iterable[Scope]) -> list[Scope]:
    """Alternatives with the value sets of one field united."""
    merged: dict[tuple[type, Field], OneOf | Intersects] = {}
    others: list[Scope] = []
    for part in parts:
        if isinstance(part, OneOf | Intersects):
            known = merged.get((type(part), part.field), part)
            merged[type(part), part.field] = replace(part, values=part.values | known.values)
        else:
            others.append(part)
    return [*merged.values(), *others]
