"""What is counted, and for how long it is remembered."""

from __future__ import annotations

from tests.fakes.reading import BEN, HANDBOOK, MIA, ReadingCell, as_caller

from domicile.domain.values import Classification
from domicile.retrieval.horizon import Horizon


async def test_counts_are_remembered_for_a_second_and_no_longer(cell: ReadingCell) -> None:
    """A count within the second comes from memory; after it the database is asked again."""
    now = [100.0]
    horizon = Horizon(cell.database, cell.gate, lambda: now[0])
    scope = await cell.gate.scope(as_caller())
    assert await horizon.documents(scope) == 0
    await cell.publish("travel", "travel time")
    assert await horizon.documents(scope) == 0
    now[0] += 1.0
    assert await horizon.documents(scope) == 1


async def test_one_callers_count_is_never_anothers(cell: ReadingCell) -> None:
    """Callers with different rights have different scopes, and nothing in common."""
    horizon = Horizon(cell.database, cell.gate, lambda: 0.0)
    await cell.publish("secret", "x", classification=Classification.RESTRICTED)
    assert await horizon.documents(await cell.gate.scope(as_caller(BEN))) == 1
    assert await horizon.documents(await cell.gate.scope(as_caller(MIA))) == 0


async def test_a_collection_made_a_moment_ago_can_be_named(cell: ReadingCell) -> None:
    """What is remembered of collections is looked up again before one is said not to exist."""
    horizon = Horizon(cell.database, cell.gate, lambda: 0.0)
    assert await horizon.collections(as_caller(), None) == 2
    made = await cell.library.create_collection(as_caller(people_admin()), "minutes")
    assert await horizon.collections(as_caller(), frozenset({made.id})) == 1


async def test_a_narrowed_credential_sees_its_own_collections_only(cell: ReadingCell) -> None:
    """The grant is part of who asks."""
    horizon = Horizon(cell.database, cell.gate, lambda: 0.0)
    assert await horizon.collections(as_caller(), None) == 2
    assert await horizon.collections(as_caller(collections=[HANDBOOK.id]), None) == 1


def people_admin():
    from tests.fakes import people

    from domicile.domain.values import Role

    return people.principal("ada", role=Role.ADMINISTRATOR)
