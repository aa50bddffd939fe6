"""Carrying retention out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update
from tests.fakes.clock import FixedClock
from tests.fakes.policy import shipped_regions, shipped_sources
from tests.unit.ingestion.cell import ACME, ADMIN, GLOBEX, HOME, IngestCell

from domicile.access.gate import Gate
from domicile.access.inforce import PoliciesInForce
from domicile.adapters.db import schema
from domicile.answers.history import ExchangeBody, History
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import RemovedDocument
from domicile.domain.errors import Forbidden, RunUnderWay
from domicile.domain.holds import HoldKind
from domicile.domain.principals import AuthenticationMethod
from domicile.domain.retention import Kept
from domicile.domain.values import Classification
from domicile.ingestion.removal import remove_document
from domicile.lifecycle.holds import LegalHolds
from domicile.lifecycle.retention import RetentionBook, RuleSaid
from domicile.lifecycle.retention_run import RetentionRun, keys_only
from domicile.policy.bundle import PolicyBundle
from domicile.policy.decision import DecisionPoint

#: Under which everything goes after a month.
MONTH = [RuleSaid(Kept.DOCUMENTS, 30), RuleSaid(Kept.CONVERSATIONS, 30)]


_CLOCK = FixedClock()


class Crash(BaseException):
    """The process ends here."""


async def aged(cell: IngestCell, book: RetentionBook, count: int) -> list[UUID]:
    """As many documents, a month old under a rule of a month; their ids."""
    items = (await cell.ingest(*((f"{n}.txt", str(n)) for n in range(count)))).items
    await book.write(cell.admin, MONTH)
    cell.clock.advance(timedelta(days=30))
    return [item.document_id for item in items]


def history(cell: IngestCell) -> History:
    return History(database=cell.database, keys=cell.keys, clock=cell.clock, region=HOME)


def removals(cell: IngestCell) -> list[tuple[str, Outcome]]:
    return [(each.resource, each.outcome) for each in cell.log.events if each.action is Action.RETENTION_RUN]


async def all_events(cell: IngestCell) -> list[str]:
    """Resources of the removals that were recorded with them."""
    return [each.resource for each in await cell.events() if each.action is Action.RETENTION_RUN]


async def test_what_was_kept_long_enough_goes(cell: IngestCell, book: RetentionBook, retention: RetentionRun) -> None:
    """From every store, with its keys; each with an event of its own, and one that counts them. What is newer stays."""
    ids = await aged(cell, book, 3)
    conversation = await history(cell).begin(cell.admin, "Question?")
    (new,) = (await cell.ingest(("new.txt", "new"))).items
    report = await retention.run(ACME)
    assert report.removed == {"documents": 3}
    assert [each.id for each in await cell.documents()] == [new.document_id]
    assert {point.version_id for point in cell.index.points.values()} == {new.version_id}
    assert {key.split("/")[2] for key in cell.blobs.blobs} == {str(new.version_id)}
    assert sorted(await all_events(cell)) == sorted(f"document:{each}" for each in ids)
    summary = cell.log.events[-1]
    assert (summary.resource, summary.detail[0]) == (f"tenant:{ACME.id}", ("removed:documents", 3))
    cell.clock.advance(timedelta(days=30))
    assert (await retention.run(ACME)).removed == {"documents": 1, "conversations": 1}
    async with cell.database.reading() as unit:
        assert await unit.conversations.of_principal(ACME.id, ADMIN.id) == []
    assert await cell.keys_left(conversation.data_key_id) == set()
    assert (ACME.id, conversation.data_key_id) not in cell.keys.keys


async def test_without_the_other_stores_the_keys_go(cell: IngestCell, book: RetentionBook) -> None:
    """As by the operator's command: what is left of a document cannot be read from that moment, and the sweep removes it."""
    (item,) = (await cell.ingest(("a.txt", "one"))).items
    await book.write(cell.admin, MONTH)
    cell.clock.advance(timedelta(days=30))
    assert (await with_steps(cell, discard=keys_only(cell.keys)).run(ACME)).removed == {"documents": 1}
    assert (ACME.id, item.data_key_id) not in cell.keys.keys
    assert cell.blobs.blobs
    await cell.sweep_everything()
    assert (cell.blobs.blobs, cell.index.points) == ({}, {})


async def test_a_tenant_without_rules_keeps_everything(cell: IngestCell, book: RetentionBook, retention: RetentionRun) -> None:
    """And another tenant's rules are about nothing of it."""
    await cell.ingest(("a.txt", "a"))
    await book.write(cell.rival, [RuleSaid(Kept.DOCUMENTS, 1)])
    cell.clock.advance(timedelta(days=10_000))
    before = await cell.contents()
    async with aclosing(retention.run_all()) as reports:
        found = [each async for each in reports]
    assert [each.removed.total() for each in found] == [0, 0]
    assert await cell.contents() == before
    assert {each.tenant_id for each in cell.log.events if each.action is Action.RETENTION_RUN} == {GLOBEX.id}


async def test_a_held_document_stays_and_is_counted(
    cell: IngestCell, book: RetentionBook, holds: LegalHolds, retention: RetentionRun
) -> None:
    """Until the hold is released. A rule cannot be used to defeat one."""
    ids = await aged(cell, book, 2)
    hold = await holds.place(cell.admin, HoldKind.DOCUMENT, str(ids[0]), "matter-1")
    report = await retention.run(ACME)
    assert (report.removed, report.held) == ({"documents": 1}, {"documents": 1})
    assert [each.id for each in await cell.documents()] == [ids[0]]
    await holds.release(cell.admin, hold.id)
    assert (await retention.run(ACME)).removed == {"documents": 1}


async def test_a_hold_that_comes_between_the_list_and_the_removal_wins(
    cell: IngestCell, book: RetentionBook, holds: LegalHolds, retention: RetentionRun
) -> None:
    """The documents were found to be due before it was placed."""
    ids = sorted(await aged(cell, book, 3))
    placed = False

    async def and_hold(removed: RemovedDocument) -> None:
        nonlocal placed
        if not placed:
            placed = True
            await holds.place(cell.admin, HoldKind.COLLECTION, "handbook", "matter-1")

    report = await with_steps(cell, discard=and_hold).run(ACME)
    assert (report.removed, report.held) == ({"documents": 1}, {"documents": 2})
    assert [each.id for each in await cell.documents()] == ids[1:]


async def test_a_new_version_and_other_rules_win_too(cell: IngestCell, book: RetentionBook) -> None:
    """What was found to be due is looked at again in the transaction that would remove it."""
    ids = sorted(await aged(cell, book, 3))
    sources = {item.document_id: item for item in (await cell.ingest(*((f"{n}.txt", str(n)) for n in range(3)))).items}
    assert set(sources) == set(ids)
    names = {sources[each].document_id: f"{sources[each].ordinal}.txt" for each in ids}
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: cell.ingest((names[ids[1]], "another text")),
        lambda: book.write(cell.admin, [RuleSaid(Kept.DOCUMENTS, 31)]),
    ]

    async def and_change(removed: RemovedDocument) -> None:
        while changes:
            await changes.pop(0)()

    report = await with_steps(cell, discard=and_change).run(ACME)
    assert report.removed == {"documents": 1}
    assert [each.id for each in await cell.documents()] == ids[1:]


def with_steps(
    cell: IngestCell,
    *,
    discard: Callable[[RemovedDocument], Awaitable[None]] | None = None,
    remove: Callable[..., Awaitable[RemovedDocument]] = remove_document,
    gate: Gate | None = None,
) -> RetentionRun:
    """A run of which some step is another."""

    async def nothing(_: RemovedDocument) -> None: ...

    return RetentionRun(
        database=cell.database,
        keys=cell.keys,
        gate=gate or cell.gate,
        clock=cell.clock,
        remove=remove,  # type: ignore[arg-type]
        discard=discard or nothing,
    )


@pytest.mark.parametrize("at", [0, 1, 2, 3])
@pytest.mark.parametrize("committed", [True, False])
async def test_a_run_that_is_killed_goes_on_where_it_ended(
    cell: IngestCell, book: RetentionBook, retention: RetentionRun, at: int, committed: bool
) -> None:
    """Between two documents or within one: none is half gone, none has two events, and the next run does the rest."""
    ids = await aged(cell, book, 4)
    calls = 0

    async def killed(*arguments: object) -> RemovedDocument:
        nonlocal calls
        removed = None if committed else await remove_document(*arguments)  # type: ignore[arg-type]
        if calls == at:
            raise Crash
        calls += 1
        return removed  # type: ignore[return-value]

    run = with_steps(cell, discard=killed) if committed else with_steps(cell, remove=killed)  # type: ignore[arg-type]
    with pytest.raises(Crash):
        await run.run(ACME)
    gone = at + 1 if committed else at
    assert len(await cell.documents()) == len(ids) - gone == len(ids) - len(await all_events(cell))
    assert (await retention.run(ACME)).removed.total() == len(ids) - gone
    assert await cell.documents() == []
    assert sorted(await all_events(cell)) == sorted(f"document:{each}" for each in ids)
    await cell.sweep_everything()
    assert (cell.blobs.blobs, cell.index.points) == ({}, {})


async def test_a_store_that_fails_does_not_stop_the_run(cell: IngestCell, book: RetentionBook, retention: RetentionRun) -> None:
    """What it keeps is unreadable, and the sweep removes it."""
    await aged(cell, book, 2)
    cell.index.broken = True
    assert (await retention.run(ACME)).removed == {"documents": 2}
    cell.index.broken = False
    await cell.sweep_everything()
    assert (cell.blobs.blobs, cell.index.points) == ({}, {})


@pytest.mark.parametrize(
    ("resource", "removed"), [("resource is Tenant", 0), ("resource is Document", 0), ("resource is Owned", 2)]
)
async def test_a_policy_that_forbids_it_stops_it(cell: IngestCell, book: RetentionBook, resource: str, removed: int) -> None:
    """On the tenant, or on each document; denied and recorded."""
    await aged(cell, book, 2)
    schema_text, sources = shipped_sources()
    sources["own.cedar"] = f"""
        @id("keep") @reason("We keep it.") forbid (principal, action == Action::"retention:run", {resource});
    """
    bundle = PolicyBundle.parse(schema_text, sources, shipped_regions())
    gate = Gate(PoliciesInForce(DecisionPoint(bundle)), cell.log, cell.clock, HOME)
    run = with_steps(cell, gate=gate)
    if resource == "resource is Tenant":
        with pytest.raises(Forbidden):
            await run.run(ACME)
        async with aclosing(run.run_all()) as reports:
            assert [each.tenant async for each in reports] == ["globex"]
    else:
        report = await run.run(ACME)
        assert (report.removed.total(), report.denied.total()) == (removed, 2 - removed)
    assert len(await cell.documents()) == 2 - removed
    assert any(outcome is Outcome.DENIED for _, outcome in removals(cell)) == (removed == 0)


async def test_the_schedule_acts_as_a_job(cell: IngestCell, book: RetentionBook, retention: RetentionRun) -> None:
    """And the operator's command as the operator's: the log tells the two apart."""
    await aged(cell, book, 1)
    async with aclosing(retention.run_all()) as reports:
        assert sorted([each.removed.total() async for each in reports]) == [0, 1]
    assert cell.log.events[-1].method == AuthenticationMethod.JOB
    await retention.run(ACME)
    assert cell.log.events[-1].method == AuthenticationMethod.OPERATOR


async def test_two_runs_at_once_are_one(cell: IngestCell, book: RetentionBook) -> None:
    """The second is refused while the first is at it, and possible afterwards."""
    await aged(cell, book, 1)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_: RemovedDocument) -> None:
        begun.set()
        await go_on.wait()

    run = with_steps(cell, discard=wait)
    first = asyncio.create_task(run.run(ACME))
    await begun.wait()
    with pytest.raises(RunUnderWay):
        await run.run(ACME)
    async with aclosing(run.run_all()) as reports:
        assert [each async for each in reports] == []
    go_on.set()
    await first
    await run.run(ACME)


async def test_an_answer_that_is_added_keeps_its_conversation(
    cell: IngestCell, book: RetentionBook, retention: RetentionRun
) -> None:
    """Counted from the last exchange, not from the first."""
    talk = await history(cell).begin(cell.admin, "Question?")
    await book.write(cell.admin, MONTH)
    cell.clock.advance(timedelta(days=29))
    await history(cell).add(talk, cell.clock.new_id(), ExchangeBody("q", "a", True, True, "scripted", "eu-de"))
    cell.clock.advance(timedelta(days=29))
    assert (await retention.run(ACME)).removed.total() == 0
    cell.clock.advance(timedelta(days=1))
    assert (await retention.run(ACME)).removed == {"conversations": 1}


SAID = st.lists(
    st.builds(
        RuleSaid,
        st.just(Kept.DOCUMENTS),
        st.sampled_from([1, 30, 365]),
        st.sampled_from([None, "handbook"]),
        st.sampled_from([None, Classification.PUBLIC, Classification.RESTRICTED]),
    ),
    max_size=5,
    unique_by=lambda each: (each.collection, each.classification),
)
DOCUMENTS = st.lists(
    st.tuples(st.sampled_from([0, 1, 29, 30, 400]), st.sampled_from([*Classification]), st.booleans()), min_size=1, max_size=5
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SAID, DOCUMENTS)
def test_the_dry_run_is_what_the_run_does(
    sqlite_url: str, said: list[RuleSaid], drawn: list[tuple[int, Classification, bool]]
) -> None:
    """For any rules, documents and holds: exactly the previewed ones go, with the previewed counts."""
    asyncio.run(_compare(sqlite_url, said, drawn))


async def _compare(url: str, said: list[RuleSaid], drawn: list[tuple[int, Classification, bool]]) -> None:
    from domicile.adapters.db.database import SqlDatabase

    database = SqlDatabase(url)
    try:
        await _emptied(database)
        cell = IngestCell(database, clock=_CLOCK)  # Of which no two examples get the same id.
        await cell.populate()
        book = RetentionBook(database=database, gate=cell.gate, clock=cell.clock, floor_days=183)
        holds = LegalHolds(database=database, keys=cell.keys, gate=cell.gate, clock=cell.clock)
        for number, (days, level, held) in enumerate(drawn):
            (item,) = (await cell.ingest((f"{number}.txt", str(number)), classification=level)).items
            if held:
                await holds.place(cell.admin, HoldKind.DOCUMENT, str(item.document_id), "matter-1")
            async with database.writing_transaction() as open_:
                at = cell.clock.now() - timedelta(days=days)
                this = schema.documents.c.id == item.document_id
                await open_.run(update(schema.documents).where(this).values(version_created_at=at))
                await open_.commit()
        before = {each.id for each in await cell.documents()}
        await book.write(cell.admin, said)
        seen = await book.preview(cell.admin, limit=1000)
        report = await with_steps(cell).run(ACME)
        assert before - {each.id for each in await cell.documents()} == {each.id for each in seen.due}
        assert {name: (each.due, each.held) for name, each in seen.counts.items()} == {
            name: (report.removed[name], report.held[name]) for name in seen.counts
        }
    finally:
        await database.close()


async def _emptied(database: object) -> None:
    async with database.writing_transaction() as open_:  # type: ignore[attr-defined]
        for table in reversed(schema.metadata.sorted_tables):
            if table.name not in ("audit_entries", "transfers"):
                await open_.run(delete(table))
        await open_.commit()
