"""Explaining decisions: who may ask, what is recorded, and what the answer must not hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from tests.fakes.cell import MemoryCell, open_memory_cell, populate

from domicile.access.explain import Question
from domicile.audit.events import AuditEvent
from domicile.domain.actions import Action
from domicile.domain.errors import AuditUnavailable, CallerError, Forbidden, NotFound
from domicile.domain.values import Classification

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cell(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MemoryCell]:
    async with open_memory_cell(tmp_path_factory.mktemp("explain")) as cell:
        await populate(cell)
        yield cell


async def newest(cell: MemoryCell) -> AuditEvent:
    return (await cell.audit_log.read(None, limit=1))[0].event


async def minutes(cell: MemoryCell) -> UUID:
    """The board's document, which ``mia`` may not read."""
    ada = await cell.caller("ada")
    return (await cell.library.documents(ada, (await cell.library.collection(ada, "board")).id)).documents[0].id


async def test_the_answer_is_recorded_with_whom_and_what_it_is_about(cell: MemoryCell) -> None:
    """By ids and fixed names only."""
    document = await minutes(cell)
    answer = await cell.explanations.explain(
        await cell.caller("olaf"), Question("mia", "document:read", f"document:{document}")
    )
    event = await newest(cell)
    assert (answer.permitted, answer.principal_id) == (False, cell.people["mia"].principal.id)
    assert (event.action, event.outcome, event.bundle_digest) == (Action.POLICY_READ, "permitted", answer.bundle_digest)
    assert {
        "about_principal": str(answer.principal_id),
        "about_action": "document:read",
        "about_resource": f"document:{document}",
    }.items() <= dict(event.detail).items()


async def test_a_member_may_not_ask_not_even_about_themselves(cell: MemoryCell) -> None:
    """Refused before anything is looked up, and recorded."""
    mia = await cell.caller("mia")
    for asking in (
        cell.explanations.explain(mia, Question("mia", "answer:create", "tenant")),
        cell.explanations.outlook(mia, "mia"),
        cell.explanations.policies(mia),
    ):
        with pytest.raises(Forbidden):
            await asking
        assert ((await newest(cell)).action, (await newest(cell)).outcome) == (Action.POLICY_READ, "denied")


async def test_another_tenants_account_or_resource_is_like_one_that_never_was(cell: MemoryCell) -> None:
    """The same error for a login, an id, a document, a collection and the tenant itself; each attempt is recorded."""
    gus, document = await cell.caller("gus"), await minutes(cell)
    theirs = cell.people["mia"].principal
    told = []
    for who, what in (
        ("mia", "tenant"),
        (str(theirs.id), "tenant"),
        ("nobody", "tenant"),
        ("gil", f"document:{document}"),
        ("gil", f"document:{uuid4()}"),
        ("gil", "collection:board"),
        ("gil", "collection:never-was"),
        ("gil", f"tenant:{theirs.tenant_id}"),
        ("gil", f"conversation:{uuid4()}"),
        ("gil", f"job:{uuid4()}"),
    ):
        with pytest.raises(NotFound) as refused:
            await cell.explanations.explain(gus, Question(who, "document:read", what))
        told.append((str(refused.value), refused.value.advice))
        event = await newest(cell)
        assert (event.outcome, event.reason, event.resource) == ("denied", "not-found", f"tenant:{gus.tenant.id}")
        assert not {name for name, _ in event.detail} & {"about_principal", "about_resource"}
    assert len(set(told)) == 1
    with pytest.raises(NotFound):
        await cell.explanations.outlook(gus, "mia")


async def test_an_operator_on_the_machine_may_ask(cell: MemoryCell) -> None:
    """Who may read no content may still be told why somebody else may not."""
    operator = cell.administration.operator_caller(cell.people["mia"].tenant)
    answer = await cell.explanations.explain(operator, Question("olaf", "answer:create", "tenant"))
    assert [each.policy.id for each in answer.candidates] == ["member-questions"]


@pytest.mark.parametrize(
    "question",
    [
        Question("mia", "document:eat", "tenant"),
        Question("mia", "document:read", "elephant:1"),
        Question("mia", "document:read", "document:1"),
        Question("mia", "endpoint:use", "endpoint:model"),
        Question("mia", "endpoint:use", "endpoint:two words@eu-de"),
        Question("mia", "document:read", "tenant", method="operator"),
        Question("mia", "document:read", "tenant", access_region="the moon"),
        Question("mi a", "document:read", "tenant"),
    ],
)
async def test_what_cannot_be_asked_is_the_callers_fault(cell: MemoryCell, question: Question) -> None:
    """An action, a resource, a method or a region that cannot be; no account can act as the operator."""
    with pytest.raises(CallerError):
        await cell.explanations.explain(await cell.caller("ada"), question)


@pytest.mark.parametrize(
    ("action", "resource", "permitted"),
    [
        ("collection:list", "collection:handbook", True),
        ("endpoint:use", "endpoint:model@eu-de", True),
        ("endpoint:use", "endpoint:model@us-va", False),
        ("collection:list", "tenant", True),
    ],
)
async def test_other_resources_are_named_as_in_the_log(cell: MemoryCell, action: str, resource: str, permitted: bool) -> None:
    """A collection also by its short name, an endpoint with the region that it would be in."""
    answer = await cell.explanations.explain(await cell.caller("ada"), Question("mia", action, resource))
    assert answer.permitted is permitted


async def test_where_and_how_somebody_calls_is_part_of_the_question(cell: MemoryCell) -> None:
    """The policies see it."""
    question = Question("mia", "document:read", "tenant", "api-key", "us-va")
    seen = (await cell.explanations.explain(await cell.caller("ada"), question)).facts["context"]
    assert (seen["method"], seen["access_region"], seen["access_jurisdiction"]) == ("api-key", "us-va", "us")


async def test_the_outlook_is_what_the_account_itself_is_shown(cell: MemoryCell) -> None:
    """The same documents as its own list, collection by collection, and their number."""
    mia, olaf = await cell.caller("mia"), await cell.caller("olaf")
    own = [
        document.id
        for each in await cell.library.collections(mia)
        for document in (await cell.library.documents(mia, each.id)).documents
    ]
    seen = await cell.explanations.outlook(olaf, "mia")
    event = await newest(cell)
    assert sorted(each.document_id for each in seen.documents) == sorted(own)
    assert {each.collection.slug: each.documents for each in seen.collections} == {"board": 0, "handbook": 2}
    assert (seen.total, seen.after, set(event.documents)) == (2, None, set(own))
    assert {each.classification for each in seen.documents} == {Classification.INTERNAL}


async def test_an_outlook_is_read_page_by_page(cell: MemoryCell) -> None:
    """Every document once, within a limit that is named."""
    ada = await cell.caller("ada")
    first = await cell.explanations.outlook(ada, "ada", limit=2)
    rest = await cell.explanations.outlook(ada, "ada", after=first.after, limit=2)
    assert (first.total, len(first.documents), len(rest.documents), rest.after) == (3, 2, 1, None)
    assert not {each.document_id for each in first.documents} & {each.document_id for each in rest.documents}
    with pytest.raises(CallerError):
        await cell.explanations.outlook(ada, "ada", limit=201)


async def test_an_auditor_sees_nothing_and_is_shown_so(cell: MemoryCell) -> None:
    """No permit names the role."""
    seen = await cell.explanations.outlook(await cell.caller("ada"), "olaf")
    assert (seen.total, seen.documents, {each.listed for each in seen.collections}) == (0, (), {False})


async def test_the_policies_in_force_are_those_that_decide(cell: MemoryCell) -> None:
    """Every one with its text, under the digest that decisions carry; the people are the tenant's own."""
    found = await cell.explanations.policies(await cell.caller("olaf"))
    assert {"member-documents", "guard-tenant"} <= {each.id for each in found.policies}
    assert found.bundle_digest == (await newest(cell)).bundle_digest
    assert [each.login for each in found.people] == ["ada", "mia", "olaf"]


async def test_a_tenants_own_policy_is_explained_like_the_platforms(tmp_path: Path) -> None:
    """By the id that it has in force, with its text, and to nobody of another tenant."""
    async with open_memory_cell(tmp_path) as other:
        await populate(other)
        own = '@id("no-search") @reason("Not yet.") forbid (principal, action == Action::"search:create", resource is Tenant);'
        await other.policies.write(await other.caller("ada"), own, 0)
        asked = Question("mia", "search:create", "tenant")
        answer = await other.explanations.explain(await other.caller("olaf"), asked)
        assert [(each.id, each.reason, each.text) for each in answer.policies] == [("tenant/no-search", "Not yet.", own)]
        assert [each.unmet for each in answer.candidates] == [()]
        theirs = await other.explanations.policies(await other.caller("gab"))
        assert "tenant/no-search" not in {each.id for each in theirs.policies}


async def test_nothing_is_told_when_it_cannot_be_recorded(tmp_path: Path) -> None:
    """No explanation, no list and no outlook without its event."""
    async with open_memory_cell(tmp_path) as broken:
        await populate(broken)
        ada = await broken.caller("ada")
        await broken.audit_log.close()
        for asking in (
            broken.explanations.explain(ada, Question("mia", "answer:create", "tenant")),
            broken.explanations.outlook(ada, "mia"),
            broken.explanations.policies(ada),
        ):
            with pytest.raises(AuditUnavailable):
                await asking
