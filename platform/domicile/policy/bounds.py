"""Between which values of a field a scope stays, as far as its tree shows."""

from __future__ import annotations

from domicile.policy.scope import AllOf, AnyOf, Field, Nothing, OneOf, Scope


def bound(scope: Scope, name: Field) -> frozenset[str] | None:
    """Values outside of which the scope admits nothing; ``None`` where it does not bind the field."""
    match scope:
        case OneOf(field, values) if field is name:
            return values
        case Nothing():
            return frozenset()
        case AllOf(parts):
            bounds = [each for part in parts if (each := bound(part, name)) is not None]
            return frozenset.intersection(*bounds) if bounds else None
        case AnyOf(parts):
            alternatives = [bound(part, name) for part in parts]
            known = [each for each in alternatives if each is not None]
            return frozenset[str]().union(*known) if len(known) == len(alternatives) else None
        case _:
            return None
