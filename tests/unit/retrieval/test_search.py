"""The search use case: recorded before released."""

from __future__ import annotations

import pytest
from tests.fakes.people import uid
from tests.fakes.reading import ACME, HANDBOOK, ReadingCell, as_caller

from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import AuditUnavailable, DecryptionFailed
from domicile.retrieval.search import SearchQuery


async def test_a_search_is_recorded_with_what_it_released(cell: ReadingCell) -> None:
    """The event names documents, chunks and the policies that decided, and no word of the question."""
    document = await cell.publish("travel", "travel time")
    result = await cell.search.search(as_caller(), SearchQuery("travel time"))
    (event,) = cell.log.events
    assert event.id == result.audit_id
    assert (event.action, event.outcome, event.resource) == (Action.SEARCH_CREATE, Outcome.PERMITTED, f"tenant:{ACME.id}")
    assert (event.documents, event.chunks) == ((document.id,), tuple(each.chunk_id for each in result.passages))
    assert {"member-questions", "member-documents"} <= set(event.policies)
    assert "travel" not in repr(event)


async def test_nothing_is_decrypted_if_the_audit_log_cannot_be_written(cell: ReadingCell) -> None:
    """No key is opened for an access that is not recorded."""
    await cell.publish("travel", "travel time")
    cell.log.broken = True
    with pytest.raises(AuditUnavailable):
        await cell.search.search(as_caller(), SearchQuery("travel time"))
    assert cell.keys.reads == 0


async def test_a_search_that_finds_nothing_is_recorded_too(cell: ReadingCell) -> None:
    """That somebody looked is an access."""
    result = await cell.search.search(as_caller(), SearchQuery("travel time", frozenset({HANDBOOK.id})))
    assert result.passages == ()
    assert [event.outcome for event in cell.log.events] == [Outcome.PERMITTED]
    assert cell.keys.reads == 0


async def test_a_destroyed_key_fails_the_search_and_is_recorded(cell: ReadingCell) -> None:
    """What cannot be opened is an error, not an empty passage."""
    document = await cell.publish("travel", "travel time")
    await cell.keys.destroy(ACME.id, [document.version.data_key_id])
    with pytest.raises(DecryptionFailed):
        await cell.search.search(as_caller(), SearchQuery("travel time"))
    assert [event.outcome for event in cell.log.events] == [Outcome.PERMITTED, Outcome.FAILED]
    assert cell.log.events[-1].reason == "decryption-failed"


async def test_a_chunk_that_was_moved_to_another_place_does_not_open(cell: ReadingCell) -> None:
    """An index that swaps two envelopes is found out by their encryption context."""
    await cell.publish("travel", "travel time", "meals per diem")
    first, second = (uid(f"{uid('version/acme/travel/1')}/{ordinal}") for ordinal in (0, 1))
    points = cell.index.points
    moved = points[second].envelope
    object.__setattr__(points[first], "envelope", moved)
    with pytest.raises(DecryptionFailed):
        await cell.search.search(as_caller(), SearchQuery("travel time"))
