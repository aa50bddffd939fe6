"""Asking for erasures, approving and following them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from tests.fakes.people import caller, principal
from tests.unit.ingestion.cell import ACME, MEMBER
from tests.unit.lifecycle.erasing import Erasing

from domicile.access.administration import Administration
from domicile.adapters.db.database import SqlDatabase
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.erasures import ErasureKind, ErasureState
from domicile.domain.errors import CallerError, Forbidden, LegalHold, NotFound, NotWaiting
from domicile.domain.holds import HoldKind
from domicile.domain.principals import AuthenticationMethod
from domicile.domain.values import Role
from domicile.lifecycle.erasures import Wanted

DOCUMENT, SUBJECT, TENANT = ErasureKind
PERSON = "p-4711"


@pytest.fixture
async def made(sqlite_database: SqlDatabase) -> Erasing:
    """Where nobody has to approve."""
    erasing = Erasing(sqlite_database)
    await erasing.cell.populate()
    return erasing


@pytest.fixture
async def strict(sqlite_database: SqlDatabase) -> Erasing:
    """Where somebody else has to approve."""
    erasing = Erasing(sqlite_database, approval=True)
    await erasing.cell.populate()
    return erasing


async def test_a_preview_counts_and_changes_nothing(made: Erasing) -> None:
    """Before anything is asked for."""
    cell = made.cell
    items = (await cell.ingest(("a.txt", "one"), ("b.txt", "two"), subjects=(PERSON,))).items
    await made.talk(cell.member, items[0].document_id)
    await made.talk(cell.member)
    before = await cell.contents()
    seen = await made.book.preview(cell.admin, Wanted(SUBJECT, PERSON, "request-7", MEMBER.login))
    assert (seen.documents, seen.conversations, seen.accounts) == (2, 2, 1)
    seen = await made.book.preview(cell.admin, Wanted(DOCUMENT, str(items[0].document_id), "request-7"))
    assert (seen.documents, seen.conversations, seen.accounts) == (1, 1, 0)
    operator = Administration.operator_caller(ACME, cell.clock.now())
    seen = await made.book.preview(operator, Wanted(TENANT, "", "request-7"))
    assert (seen.documents, seen.conversations, seen.accounts, seen.held_accounts) == (2, 2, 3, 0)
    await made.holds.place(cell.admin, HoldKind.SUBJECT, PERSON, "matter-1")
    seen = await made.book.preview(operator, Wanted(TENANT, "", "request-7"))
    assert (seen.held_documents, seen.held_accounts) == (2, 3)
    assert await cell.contents() == before
    async with made.database.reading() as unit:
        assert await unit.erasures.list(ACME.id) == []


async def test_a_subject_of_whom_nothing_is_known_is_no_error(made: Erasing) -> None:
    """Whether anything is about somebody does not show but in the counts."""
    done = await made.erase(SUBJECT, "somebody-else")
    assert (done.state, done.counts["before:blob-store"]) == (ErasureState.DONE, 0)


async def test_what_is_not_there_is_not_found(made: Erasing) -> None:
    """Another tenant's document and one that never was, alike and recorded."""
    (item,) = (await made.cell.ingest(("a.txt", "one"))).items
    for by, id_ in ((made.cell.rival, item.document_id), (made.cell.admin, UUID(int=7))):
        with pytest.raises(NotFound):
            await made.ask(DOCUMENT, id_, by=by)
        assert (made.cell.log.events[-1].action, made.cell.log.events[-1].outcome) == (Action.ERASURE_CREATE, Outcome.DENIED)
    asked = await made.ask(DOCUMENT, item.document_id)
    for method in (made.book.get, made.book.approve):
        with pytest.raises(NotFound):
            await method(made.cell.rival, asked.id)
    assert await made.book.list(made.cell.rival) == []


async def test_who_may(made: Erasing) -> None:
    """Administrators ask and see, auditors see, members and curators neither; the operator on the machine erases tenants."""
    cell = made.cell
    (item,) = (await cell.ingest(("a.txt", "one"))).items
    auditor = caller(principal("olaf", ACME, role=Role.AUDITOR), ACME)
    for who in (cell.member, cell.curator, auditor):
        with pytest.raises(Forbidden):
            await made.ask(DOCUMENT, item.document_id, by=who)
        with pytest.raises(Forbidden):
            await made.ask(SUBJECT, PERSON, by=who)
    asked = await made.ask(DOCUMENT, item.document_id)
    assert [each.id for each in await made.book.list(auditor)] == [asked.id]
    for who in (cell.member, cell.curator):
        with pytest.raises(Forbidden):
            await made.book.get(who, asked.id)
    operator = Administration.operator_caller(ACME, cell.clock.now())
    for who in (cell.admin, replace(operator, method=AuthenticationMethod.API_KEY)):
        with pytest.raises(Forbidden):
            await made.ask(TENANT, by=who)
    assert (await made.ask(TENANT, by=operator)).kind is TENANT


async def test_a_hold_is_said_to_those_who_may_know(made: Erasing) -> None:
    """With the matter; the attempt is recorded as permitted and failed."""
    cell = made.cell
    (item,) = (await cell.ingest(("a.txt", "one"))).items
    await made.holds.place(cell.admin, HoldKind.DOCUMENT, str(item.document_id), "matter-1")
    with pytest.raises(LegalHold) as refused:
        await made.ask(DOCUMENT, item.document_id)
    assert refused.value.members["reference"] == "matter-1"
    last = cell.log.events[-1]
    assert (last.action, last.outcome, last.reason) == (Action.ERASURE_CREATE, Outcome.FAILED, "legal-hold")


@pytest.mark.parametrize(
    ("kind", "target", "reason", "account"),
    [
        (DOCUMENT, "no-id", "r", None),
        (SUBJECT, "", "r", None),
        (SUBJECT, "p", "Not a slug", None),
        (TENANT, "", "r", "mia"),
    ],
)
async def test_what_cannot_be_is_refused(
    made: Erasing, kind: ErasureKind, target: str, reason: str, account: str | None
) -> None:
    """Before anything is stored."""
    who = Administration.operator_caller(ACME, made.cell.clock.now())
    with pytest.raises((CallerError, NotFound)):
        await made.book.request(who, Wanted(kind, target, reason, account))
    async with made.database.reading() as unit:
        assert await unit.erasures.due() == []


async def test_nothing_begins_before_somebody_else_approves(strict: Erasing) -> None:
    """Not whoever asked; once only."""
    cell = strict.cell
    (item,) = (await cell.ingest(("a.txt", "one"))).items
    asked = await strict.ask(DOCUMENT, item.document_id)
    assert asked.state is ErasureState.REQUESTED
    assert await strict.run.run_due() == 0
    with pytest.raises(Forbidden):
        await strict.book.approve(cell.admin, asked.id)
    with pytest.raises(Forbidden):
        await strict.book.approve(cell.member, asked.id)
    assert len(await cell.documents()) == 1
    operator = Administration.operator_caller(ACME, cell.clock.now())
    approved = await strict.book.approve(operator, asked.id)
    assert (approved.state, approved.approved_by) == (ErasureState.APPROVED, operator.principal.id)
    with pytest.raises(NotWaiting):
        await strict.book.approve(operator, asked.id)
    await strict.run.run_due()
    done = await strict.now(asked)
    assert (done.state, done.approved_by) == (ErasureState.DONE, operator.principal.id)
    assert await cell.documents() == []


async def test_no_policy_lets_somebody_approve_their_own(strict: Erasing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that permits everything: this is not policy's to decide."""
    (item,) = (await strict.cell.ingest(("a.txt", "one"))).items
    asked = await strict.ask(DOCUMENT, item.document_id)
    require = strict.cell.gate.require

    async def permits(who: object, action: Action, resource: object) -> object:
        if action is not Action.ERASURE_APPROVE:
            return await require(who, action, resource)  # type: ignore[arg-type]
        (decision,) = strict.cell.gate.decide_each(strict.cell.admin, Action.ERASURE_READ, [resource])  # type: ignore[list-item]
        return decision

    monkeypatch.setattr(strict.cell.gate, "require", permits)
    with pytest.raises(Forbidden):
        await strict.book.approve(strict.cell.admin, asked.id)
    assert (strict.cell.log.events[-1].outcome, strict.cell.log.events[-1].reason) == (Outcome.DENIED, "own-erasure")
    assert (await strict.now(asked)).state is ErasureState.REQUESTED


async def test_it_can_be_watched_to_its_end(made: Erasing) -> None:
    """Each change is told, and reading it is recorded once."""
    (item,) = (await made.cell.ingest(("a.txt", "one"))).items
    asked = await made.ask(DOCUMENT, item.document_id)
    running = asyncio.create_task(made.run.run_due())
    seen = [each.state async for each in made.book.watch(made.cell.admin, asked.id)]
    await running
    assert seen[-1] is ErasureState.DONE
    assert sum(each.action is Action.ERASURE_READ for each in made.cell.log.events) == 1


async def test_pages_come_the_newest_first(made: Erasing) -> None:
    """From before the cursor."""
    asked = [await made.ask(SUBJECT, f"p-{number}") for number in range(3)]
    first = await made.book.list(made.cell.admin, limit=2)
    rest = await made.book.list(made.cell.admin, after=first[-1].id, limit=2)
    assert [each.id for each in (*first, *rest)] == [each.id for each in reversed(asked)]
