"""Finding within a scope, and releasing only what was decided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.people import uid
from tests.fakes.policy import layer
from tests.fakes.reading import ACME, BEN, CONTRACTS, FOREIGN, GIA, HANDBOOK, LEGAL, MIA, ReadingCell, as_caller

from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import (
    CallerError,
    EmbedderUnavailable,
    Forbidden,
    InvalidText,
    NotFound,
    QuestionEmpty,
    QuestionTooLong,
    VectorIndexUnavailable,
)
from domicile.domain.values import Classification, Role
from domicile.policy.scope import Everything, RetrievalScope
from domicile.retrieval.search import Found, SearchQuery

#: The head of a policy on reading documents.
_READING = 'principal, action == Action::"document:read", resource is Document'


async def find(cell: ReadingCell, text: str = "travel time", *, who=MIA, **options) -> Found:
    return await cell.retriever.find(as_caller(who), SearchQuery(text, **options), Action.SEARCH_CREATE)


async def test_passages_carry_all_that_a_citation_needs(cell: ReadingCell) -> None:
    """A released passage has its text, place, document and scores."""
    await cell.publish("travel", "Record travel time in the log.", "Meals are paid per diem.")
    passages = await cell.retriever.release(as_caller(), await find(cell))
    best = passages[0]
    assert best.chunk.text == "Record travel time in the log."
    assert (best.chunk.start, best.chunk.end, best.chunk.headings) == (0, 30, ("Part one",))
    assert (best.title.title, best.title.source) == ("The travel", "docs/travel.md")
    assert best.dense_score is not None
    assert best.sparse_score is not None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", QuestionEmpty),
        (" \n\t ", QuestionEmpty),
        ("x" * 401, QuestionTooLong),
        ("x" * 100_000, QuestionTooLong),
        ("nul\x00", InvalidText),
        ("lone \ud800 surrogate", InvalidText),
    ],
)
async def test_a_bad_question_is_refused_before_anything_is_looked_at(
    cell: ReadingCell, text: str, error: type[Exception]
) -> None:
    """Nothing is embedded, searched or recorded for it."""
    cell.embedder.broken = True
    with pytest.raises(error):
        await find(cell, text)
    assert cell.log.events == []


@pytest.mark.parametrize("limit", [-1, 0, 51])
async def test_a_limit_out_of_bounds_is_refused(cell: ReadingCell, limit: int) -> None:
    """More than fifty passages would be an export."""
    with pytest.raises(CallerError):
        await find(cell, limit=limit)


async def test_a_role_without_the_right_is_refused_and_recorded(cell: ReadingCell) -> None:
    """An auditor sees no content, not even by searching."""
    auditor = as_caller(replace(MIA, role=Role.AUDITOR))
    with pytest.raises(Forbidden):
        await cell.retriever.find(auditor, SearchQuery("travel"), Action.SEARCH_CREATE)
    assert [event.outcome for event in cell.log.events] == [Outcome.DENIED]


async def test_only_documents_within_clearance_groups_and_tenant_are_found(cell: ReadingCell) -> None:
    """The same words in documents that the caller may not read find nothing, and are not counted."""
    await cell.publish("open", "travel time")
    await cell.publish("secret", "travel time", classification=Classification.RESTRICTED)
    await cell.publish("legal", "travel time", groups=[LEGAL.id])
    await cell.publish("other", "travel time", collection=FOREIGN)
    found = await find(cell)
    assert [each.document.id for each in found.candidates] == [uid("document/acme/open")]
    assert (found.searched_documents, found.searched_collections) == (1, 2)
    assert cell.telemetry.counts == {}


async def test_collections_narrow_and_never_widen(cell: ReadingCell) -> None:
    """Asking for a collection by id leaves out the others, and gains nothing that clearance denies."""
    await cell.publish("a", "travel time", collection=HANDBOOK)
    await cell.publish("b", "travel time", collection=CONTRACTS)
    await cell.publish("c", "travel time", collection=CONTRACTS, classification=Classification.RESTRICTED)
    found = await find(cell, collections=frozenset({CONTRACTS.id}))
    assert [each.document.id for each in found.candidates] == [uid("document/acme/b")]
    assert (found.searched_documents, found.searched_collections) == (1, 1)


async def test_no_collections_at_all_find_nothing(cell: ReadingCell) -> None:
    """An empty wish is not a wish for everything."""
    await cell.publish("a", "travel time")
    found = await find(cell, collections=frozenset())
    assert (found.candidates, found.searched_documents) == ((), 0)


@pytest.mark.parametrize("unknown", [FOREIGN.id, uid("nowhere")])
async def test_a_collection_that_does_not_show_is_not_found_and_recorded(cell: ReadingCell, unknown) -> None:
    """Another tenant's collection and one that never was are the same answer."""
    with pytest.raises(NotFound):
        await find(cell, collections=frozenset({HANDBOOK.id, unknown}))
    (event,) = cell.log.events
    assert (event.outcome, event.reason) == (Outcome.DENIED, "unknown-collection")


async def test_a_key_for_one_collection_cannot_name_another(cell: ReadingCell) -> None:
    """A collection outside the credential's grant does not show to it."""
    narrow = as_caller(collections=[HANDBOOK.id])
    with pytest.raises(NotFound):
        await cell.retriever.find(narrow, SearchQuery("travel", frozenset({CONTRACTS.id})), Action.SEARCH_CREATE)


async def test_a_version_that_is_not_current_is_not_found(cell: ReadingCell) -> None:
    """Points of a version that is not yet published, or no longer, count for nothing."""
    await cell.publish("travel", "travel time old")
    current = await cell.publish("travel", "travel time new", version=2)
    await cell.publish("draft", "travel time unpublished", visible=False)
    passages = await cell.retriever.release(as_caller(), await find(cell))
    assert [(each.chunk.text, each.version_id) for each in passages] == [("travel time new", current.version.id)]


async def test_the_search_goes_deeper_when_stale_hits_crowd_out_the_current(cell: ReadingCell) -> None:
    """A hundred leftovers that all rank first do not hide the one document that is current."""
    await cell.publish("leftover", *["travel time travel time"] * 100, visible=False)
    await cell.publish("current", "on travel: one time per trip is recorded")
    found = await find(cell)
    assert [each.document.id for each in found.candidates] == [uid("document/acme/current")]


async def test_a_hit_that_policy_denies_stays_sealed_and_raises_an_alarm(
    cell: ReadingCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the scope lets through what the full decision denies, the decision stands, and the mismatch is audited and counted."""
    await cell.publish("open", "travel time")
    secret = await cell.publish("secret", "travel time", "time of travel", classification=Classification.RESTRICTED)

    async def leaky(*_: object, **__: object) -> RetrievalScope:
        return RetrievalScope(Everything(), (), cell.gate.bundle_digest(ACME.id))

    monkeypatch.setattr(cell.gate, "scope", leaky)
    found = await find(cell)
    assert [each.document.id for each in found.candidates] == [uid("document/acme/open")]
    (alarm,) = cell.events(Outcome.DENIED)
    assert (alarm.reason, alarm.documents, len(alarm.chunks)) == ("scope-mismatch", (secret.id,), 2)
    assert cell.telemetry.counts == {"domicile.scope_mismatch": 1}


async def test_a_hit_that_newer_policies_deny_stays_sealed_and_is_no_alarm(
    cell: ReadingCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Policies changed after the scope was made: the decision stands, nothing is wrong, and the event names the new ones."""
    await cell.publish("open", "travel time")
    await cell.publish("secret", "travel time", classification=Classification.CONFIDENTIAL)
    before, scope = cell.gate.bundle_digest(ACME.id), cell.gate.scope

    async def overtaken(*arguments: Any) -> RetrievalScope:
        made = await scope(*arguments)
        text = f'@id("closed") forbid ({_READING}) when {{ resource.classification > 1 }};'
        cell.in_force.put(cell.in_force.platform, {ACME.id: layer(cell.in_force.platform, text)})
        return made

    monkeypatch.setattr(cell.gate, "scope", overtaken)
    found = await find(cell, who=BEN)
    assert [each.document.id for each in found.candidates] == [uid("document/acme/open")]
    assert (cell.events(Outcome.DENIED), cell.telemetry.counts) == ([], {})
    assert found.decision.bundle_digest == cell.gate.bundle_digest(ACME.id) != before


async def test_the_decision_is_on_what_the_database_says_not_the_index(cell: ReadingCell) -> None:
    """A document that was reclassified is not found by those below, although the index still says otherwise."""
    plan = await cell.publish("plan", "travel time")
    restricted = replace(plan, attributes=replace(plan.attributes, classification=Classification.RESTRICTED))
    async with cell.database.writing() as unit:
        await unit.documents.publish(restricted)
        await unit.commit()
    assert (await find(cell)).candidates == ()
    assert cell.telemetry.counts == {"domicile.scope_mismatch": 1}
    assert len((await find(cell, who=BEN)).candidates) == 1


async def test_another_tenants_document_in_the_index_cannot_be_decided_or_opened(
    cell: ReadingCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even an index that ignores its filter gives away nothing of another tenant."""
    await cell.publish("other", "travel time", collection=FOREIGN)

    async def leaky(*_: object, **__: object) -> RetrievalScope:
        return RetrievalScope(Everything(), (), "")

    monkeypatch.setattr(cell.gate, "scope", leaky)
    assert (await find(cell)).candidates == ()
    assert len((await find(cell, who=GIA)).candidates) == 1


async def test_the_best_come_first_and_no_more_than_asked_for(cell: ReadingCell) -> None:
    """The limit bounds passages, and ranks are kept."""
    for number in range(6):
        await cell.publish(f"doc{number}", "travel time " + "filler " * number)
    found = await find(cell, limit=3)
    assert [each.document.id for each in found.candidates] == [uid(f"document/acme/doc{n}") for n in range(3)]
    assert [each.score for each in found.candidates] == sorted((each.score for each in found.candidates), reverse=True)
    assert found.searched_documents == 6


@pytest.mark.parametrize(("part", "error"), [("embedder", EmbedderUnavailable), ("index", VectorIndexUnavailable)])
async def test_a_store_that_fails_fails_the_search(cell: ReadingCell, part: str, error: type[Exception]) -> None:
    """No leg is left out quietly."""
    await cell.publish("travel", "travel time")
    getattr(cell, part).broken = True
    with pytest.raises(error):
        await find(cell)
