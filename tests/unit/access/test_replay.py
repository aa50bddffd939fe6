"""Deciding again what was recorded, under other policies."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import delete, update
from tests.fakes.cell import MemoryCell, client, open_memory_cell, populate
from tests.fakes.policy import shipped_bundle, shipped_regions, shipped_sources

from domicile.access.recorded import Unreplayable
from domicile.access.replay import Batch, Change, Period, Replay
from domicile.adapters.db.schema import api_keys, documents, principals
from domicile.answers.events import AnswerRequest
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import AuditUnavailable, Forbidden
from domicile.domain.principals import AuthenticationMethod, Caller
from domicile.domain.values import Classification
from domicile.policy.bundle import PolicyBundle
from domicile.policy.decision import DecisionPoint
from domicile.policy.request import TenantResource

#: A candidate that closes what is internal to everybody but the administrator.
CLOSED = """
@id("closed")
@reason("Internal documents are for administrators.")
forbid (principal, action in [Action::"document:read", Action::"document:list"], resource is Document)
when { resource.classification >= 1 && principal.role == "member" };
"""


@dataclass
class Total:
    """All batches of one replay."""

    changes: list[Change] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)

    @property
    def replayed(self) -> int:
        return sum(each.replayed for each in self.batches)

    @property
    def drifted(self) -> int:
        return sum(each.drifted for each in self.batches)

    @property
    def skipped(self) -> Counter[Unreplayable]:
        return sum((each.skipped for each in self.batches), Counter())


def candidate(*added: str) -> DecisionPoint:
    """The shipped policies with those added."""
    schema, texts = shipped_sources()
    return DecisionPoint(PolicyBundle.parse(schema, {**texts, "added.cedar": "\n".join(added)}, shipped_regions()))


async def replayed(
    cell: MemoryCell, point: DecisionPoint, *logins: str, callers: Sequence[Caller] = (), **whole: bool
) -> Total:
    """A replay of everything so far, by those people and callers."""
    asking = [*callers, *[await cell.caller(login) for login in logins]]
    period = Period(datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC))
    replay = Replay(database=cell.database, log=cell.audit_log, gate=cell.search._gate)
    total = Total()
    async for batch in replay.run(asking, point, period, **whole):
        total.batches.append(batch)
        total.changes += batch.changes
    return total


def operator(cell: MemoryCell, login: str = "mia") -> Caller:
    return cell.administration.operator_caller(cell.people[login].tenant)


@pytest_asyncio.fixture
async def cell(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MemoryCell]:
    """``mia`` has searched and asked, and was refused the board's document."""
    async with open_memory_cell(tmp_path_factory.mktemp("replay")) as cell:
        await populate(cell)
        ada = await cell.caller("ada")
        board = await cell.library.collection(ada, "board")
        minutes = (await cell.library.documents(ada, board.id)).documents[0].id
        async with client(cell, "mia") as http:
            assert (await http.post("/v1/search", json={"query": "annual leave"})).json()["passages"]
            assert (await http.get(f"/v1/documents/{minutes}")).status_code == 403
        mia = await cell.caller("mia")
        async for _ in cell.answers.answer(mia, AnswerRequest("How many days of annual leave are there?")):
            pass
        yield cell


async def executed(cell: MemoryCell, statement: object) -> None:
    async with cell.database.writing_transaction() as open_:
        await open_.run_and_commit(statement, [{}])  # type: ignore[arg-type]


async def searches(cell: MemoryCell) -> list[AuditEvent]:
    entries = await cell.audit_log.read(cell.people["mia"].tenant.id, limit=1000, newest_first=False)
    return [each.event for each in entries if each.event.action in (Action.SEARCH_CREATE, Action.ANSWER_CREATE)]


async def test_the_policies_in_force_change_nothing(cell: MemoryCell) -> None:
    """Everything that was decided comes out as it was recorded: requests, each document found, jobs, the operator's work."""
    total = await replayed(
        cell, DecisionPoint(shipped_bundle()), callers=[operator(cell), operator(cell, "gus")], whole_cell=True
    )
    assert (total.changes, total.drifted, set(total.skipped)) == ([], 0, {Unreplayable.NO_DECISION})
    assert total.replayed >= 30


async def test_what_the_cell_itself_did_by_its_schedule_is_decided_again(cell: MemoryCell) -> None:
    """It is nobody's account, and as a job no command of the operator's; a candidate that stops it says so."""
    gate, acting = cell.search._gate, replace(operator(cell), method=AuthenticationMethod.JOB)
    tenant = TenantResource(acting.tenant.id)
    decision = await gate.require(acting, Action.RETENTION_RUN, tenant)
    await gate.record(acting, Action.RETENTION_RUN, tenant, Outcome.PERMITTED, decision)
    stopped = """
        @id("keep") @reason("We keep it.")
        forbid (principal, action == Action::"retention:run", resource) when { context.method == "job" };
    """
    total = await replayed(cell, candidate(stopped), callers=[operator(cell)])
    assert [each.action for each in total.changes] == ["retention:run"]
    assert Unreplayable.ACCOUNT_GONE not in total.skipped


async def test_every_decision_that_would_change_is_listed(cell: MemoryCell) -> None:
    """Each document of each search and answer of the member, with who decided then and who would."""
    total = await replayed(cell, candidate(CLOSED), "olaf", callers=[])
    expected = {(each.id, f"document:{document}") for each in await searches(cell) for document in each.documents}
    assert {(each.event_id, each.resource) for each in total.changes} == expected
    assert len(total.changes) == len(expected) > 2
    for each in total.changes:
        assert (each.action, each.principal_id) == ("document:read", cell.people["mia"].principal.id)
        assert (each.recorded, each.in_force, each.candidate, each.facts_changed) == (True, True, False, False)
        assert "member-documents" in each.recorded_policies
        assert each.candidate_policies == ("closed",)


async def test_a_refusal_that_would_be_a_permission_is_listed_too(cell: MemoryCell) -> None:
    """A change in either direction is one."""
    opened = '@id("opened") permit (principal, action == Action::"document:list", resource is Document);'
    total = await replayed(cell, candidate(opened), "olaf")
    (change,) = total.changes
    assert (change.recorded, change.candidate, change.candidate_policies) == (False, True, ("opened",))


async def test_an_answers_model_is_decided_again(cell: MemoryCell) -> None:
    """In the region in which it answered."""
    closed = '@id("none") forbid (principal, action == Action::"endpoint:use", resource);'
    total = await replayed(cell, candidate(closed), "olaf")
    assert [(each.action, each.resource) for each in total.changes] == [("endpoint:use", "endpoint:model")]


async def test_a_role_that_was_taken_away_since_still_counts_as_it_was(cell: MemoryCell) -> None:
    """Role, clearance and whether the account was disabled are in the event; today's account does not matter."""
    id_ = cell.people["mia"].principal.id
    await executed(cell, update(principals).where(principals.c.id == id_).values(role="auditor", clearance=0, disabled=True))
    total = await replayed(cell, candidate(CLOSED), "olaf")
    assert len(total.changes) > 2
    assert not any(each.facts_changed for each in total.changes)


async def test_a_row_says_so_where_other_facts_have_changed(cell: MemoryCell) -> None:
    """A document that was reclassified: the policies in force would not decide as recorded, either."""
    (leave,) = {document for each in (await searches(cell))[:1] for document in each.documents[:1]}
    await executed(cell, update(documents).where(documents.c.id == leave).values(classification=int(Classification.RESTRICTED)))
    point = candidate('@id("opened") permit (principal, action == Action::"document:read", resource is Document);')
    total = await replayed(cell, point, "olaf")
    rows = [each for each in total.changes if each.resource == f"document:{leave}"]
    assert rows
    assert {(each.recorded, each.in_force, each.candidate, each.facts_changed) for each in rows} == {(True, False, True, True)}
    assert total.drifted >= len(rows)


async def test_what_is_gone_is_counted_and_not_guessed_at(cell: MemoryCell) -> None:
    """A document that was withdrawn since; failed authentications are no decision."""
    (first,) = {document for each in (await searches(cell))[:1] for document in each.documents[:1]}
    await cell.withdrawal.delete(await cell.caller("ada"), first)
    async with client(cell, None, Authorization="Bearer dom_aaaaaaaa_" + "a" * 43) as http:
        assert (await http.get("/v1/me")).status_code == 401
    total = await replayed(cell, candidate(CLOSED), callers=[operator(cell), operator(cell, "gus")], whole_cell=True)
    assert total.skipped[Unreplayable.RESOURCE_GONE] >= 2
    assert total.skipped[Unreplayable.NO_DECISION] >= 1
    assert f"document:{first}" not in {each.resource for each in total.changes}


async def test_a_narrowed_key_counts_with_what_it_was_narrowed_to(cell: MemoryCell) -> None:
    """A change that it was never let near does not show; without the key nobody knows, and that is counted."""
    mia, acting = cell.people["mia"], operator(cell)
    verbs = frozenset({"collection:list"})
    key, secret = await cell.administration.create_api_key(acting, mia.principal.id, "narrow", verbs)
    async with client(cell, None, Authorization=f"Bearer {secret}") as http:
        assert (await http.post("/v1/search", json={"query": "leave"})).status_code == 403
    opened = candidate('@id("opened") permit (principal, action == Action::"search:create", resource);')
    assert [each for each in (await replayed(cell, opened, "olaf")).changes if each.action == "search:create"] == []
    await executed(cell, delete(api_keys).where(api_keys.c.id == key.id))
    assert (await replayed(cell, opened, "olaf")).skipped[Unreplayable.CREDENTIAL_GONE] == 1


async def test_an_account_that_is_gone_is_counted(cell: MemoryCell) -> None:
    """Its groups are nowhere any more."""
    event = (await searches(cell))[0]
    await cell.audit_log.append(replace(event, id=UUID(int=8), principal_id=UUID(int=7)))
    total = await replayed(cell, candidate(CLOSED), "olaf")
    assert total.skipped[Unreplayable.ACCOUNT_GONE] == 1 + len(event.documents)


async def test_whoever_may_not_read_the_log_replays_nothing(cell: MemoryCell) -> None:
    """A member, and an administrator, who reads policies and no log; refused before anything is read, and recorded."""
    for login in ("mia", "ada"):
        with pytest.raises(Forbidden):
            await replayed(cell, candidate(CLOSED), login)
        newest = (await cell.audit_log.read(None, limit=1))[0].event
        assert (newest.action, newest.outcome) == (Action.AUDIT_READ, "denied")


async def test_a_tenants_auditor_is_told_of_no_other_tenant(cell: MemoryCell) -> None:
    """Its own entries only."""
    total = await replayed(cell, candidate(CLOSED), "gab")
    assert total.changes == []
    assert {each.tenant_id for each in (await replayed(cell, candidate(CLOSED), "olaf")).changes} == {
        cell.people["mia"].tenant.id
    }


async def test_a_replay_is_recorded_before_it_reads(cell: MemoryCell) -> None:
    """Under both rights, with the period and the candidate's digest; and without a log there is none."""
    point = candidate(CLOSED)
    await replayed(cell, point, "olaf")
    entries = await cell.audit_log.read(cell.people["mia"].tenant.id, limit=2)
    assert [each.event.action for each in entries] == [Action.POLICY_READ, Action.AUDIT_READ]
    assert {dict(each.event.detail)["candidate_digest"] for each in entries} == {point.bundle.digest}
    await cell.audit_log.close()
    with pytest.raises(AuditUnavailable):
        await replayed(cell, point, callers=[operator(cell)])


async def test_pages_are_read_one_after_another(cell: MemoryCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same changes, however small the pages; the fraction rises to 1."""
    whole = await replayed(cell, candidate(CLOSED), "olaf")
    monkeypatch.setattr("domicile.access.replay.PAGE", 3)
    paged = await replayed(cell, candidate(CLOSED), "olaf")
    assert [each.event_id for each in paged.changes] == [each.event_id for each in whole.changes]
    fractions = [each.fraction for each in paged.batches]
    assert len(fractions) > 5
    assert (fractions, fractions[-1]) == (sorted(fractions), 1.0)


async def test_a_tenants_own_policies_lie_over_the_candidate_too(cell: MemoryCell) -> None:
    """What they forbid stays forbidden, and is no change."""
    own = '@id("no-search") forbid (principal, action == Action::"search:create", resource is Tenant);'
    await cell.policies.write(await cell.caller("ada"), own, 0)
    async with client(cell, "mia") as http:
        assert (await http.post("/v1/search", json={"query": "leave"})).status_code == 403
    total = await replayed(cell, DecisionPoint(shipped_bundle()), "olaf")
    assert total.changes == []
