"""From one cell into another, with other keys and in another region: the same documents, for the same people."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.cell import ABROAD, HOME, MemoryCell, Person, open_memory_cell, populate
from tests.unit.lifecycle.test_export import asked, collect, described, logged

from domicile.answers.events import AnswerRequest
from domicile.audit.events import Outcome
from domicile.crypto.signatures import SigningKey, VerifyKey
from domicile.domain.actions import Action
from domicile.domain.erasures import ErasureKind, ErasureState
from domicile.domain.errors import BundleInvalid, CallerError, Forbidden, TransferDenied
from domicile.domain.transfers import TransferFilter
from domicile.domain.values import Classification, Region, Role
from domicile.lifecycle.bundle_reading import Bundle
from domicile.lifecycle.erasures import Wanted
from domicile.lifecycle.importing import Imported
from domicile.retrieval.candidates import SearchQuery

HOME_KEY = SigningKey(b"root" * 8).public
OTHER = b"fork" * 8
US = Region("us-va")
_PEOPLE = {"mia": (Role.MEMBER, ()), "ada": (Role.ADMINISTRATOR, ("board",)), "olaf": (Role.AUDITOR, ())}


@asynccontextmanager
async def second_cell(folder: Path, region: Region = ABROAD, groups: bool = True) -> AsyncIterator[MemoryCell]:
    """One with acme's people, and no documents."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    async with open_memory_cell(folder, region=region, root_key=OTHER) as cell:
        tenant = await cell.administration.create_tenant("acme", "Acme", region)
        operator = cell.administration.operator_caller(tenant)
        if groups:
            await cell.administration.create_group(operator, "board")
        for login, (role, of) in _PEOPLE.items():
            principal = await cell.administration.create_user(
                operator, login, login, role, Classification.RESTRICTED, of if groups else ()
            )
            _, key = await cell.administration.create_api_key(operator, principal.id, "test")
            cell.people[login] = Person(principal, tenant, key)
        yield cell


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    (tmp_path / "source").mkdir()
    async with open_memory_cell(tmp_path / "source") as cell:
        await populate(cell)
        yield cell


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    async with second_cell(tmp_path / "target") as cell:
        yield cell


async def exported(cell: MemoryCell, login: str = "ada") -> bytes:
    return b"".join([piece async for piece in await cell.exports.tenant(await cell.caller(login))])


async def imported(
    cell: MemoryCell, content: bytes, key: VerifyKey | None = HOME_KEY, login: str = "ada", *, unverified: bool = False
) -> Imported:
    caller = await cell.caller(login)
    scratch = await cell.imports.begin(caller)
    try:
        scratch.write(content)
        taken = await cell.imports.take(caller, scratch, key, unverified=unverified)
    finally:
        scratch.close()
    await cell.queue.join()
    return taken


async def untouched(cell: MemoryCell) -> None:
    """Nothing of a bundle is here."""
    assert await cell.library.collections(await cell.caller("ada")) == []
    assert [each for each in await logged(cell, "ada") if each.action is Action.DOCUMENT_CREATE] == []


async def test_another_cell_answers_from_what_was_imported_and_hides_the_same(source: MemoryCell, target: MemoryCell) -> None:
    """Under its own keys: found by search, with the same marks, and what was forbidden stays forbidden."""
    taken = await imported(target, await exported(source))
    assert (taken.source, taken.documents, taken.withheld_at_source) == (HOME, 3, 0)
    assert set(taken.collections_made) == {"handbook", "board"}
    found = await target.search.search(await target.caller("mia"), SearchQuery("How many days of leave?"))
    assert any("30 days" in each.chunk.text for each in found.passages)
    hidden = await target.search.search(await target.caller("mia"), SearchQuery("What will the board buy? Larch"))
    assert not any("Larch" in each.chunk.text for each in hidden.passages)
    shown = await target.search.search(await target.caller("ada"), SearchQuery("What will the board buy? Larch"))
    assert any("Larch" in each.chunk.text for each in shown.passages)


async def test_export_import_export_gives_the_same_documents(source: MemoryCell, target: MemoryCell) -> None:
    """But for their ids, which are each cell's own, and when they became visible there."""
    await source.ingest(
        "ada", "handbook", {"p.md": "# P\n\nPersonal."}, labels=frozenset({"hr"}), personal_data=True, owner="mia"
    )
    first = await collect(await source.exports.tenant(await source.caller("ada")))
    await imported(target, await exported(source))
    content = await exported(target)
    again = Bundle.open(io.BytesIO(content))
    again.verify(SigningKey(OTHER).public)
    again.check()
    before, after = described(first), described(again)
    own = {"id", "region", "created_at", "published_at"}
    assert before.keys() == after.keys()
    for source_path, told in before.items():
        assert {k: v for k, v in told.items() if k not in own} == {k: v for k, v in after[source_path].items() if k not in own}
        assert told["id"] != after[source_path]["id"]
        for part in ("original", "text.txt"):
            of = f"documents/{told['id']}/{part}", f"documents/{after[source_path]['id']}/{part}"
            assert first.read(of[0]) == again.read(of[1])


_MARKS = st.fixed_dictionaries(
    {
        "classification": st.sampled_from(Classification),
        "groups": st.sampled_from([(), ("board",)]),
        "labels": st.frozensets(st.sampled_from(["hr", "draft", "eu"])),
        "personal_data": st.booleans(),
        "owner": st.sampled_from(["ada", "mia"]),
    }
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(_MARKS, st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1)), max_size=4))
async def test_whatever_the_marks_and_words_are_they_come_through(
    tmp_path_factory: pytest.TempPathFactory, documents: list[tuple[dict, str]]
) -> None:
    """Any classification, groups, labels, owner and text."""
    folder = tmp_path_factory.mktemp("cells")
    async with second_cell(folder / "a", HOME) as source, second_cell(folder / "b", HOME) as target:
        for number, (marks, text) in enumerate(documents):
            await source.ingest("ada", "mixed", {f"{number}.md": f"# Title\n\n{text} word"}, **marks)
        content = await exported(source)
        await imported(target, content, SigningKey(OTHER).public)
        first, again = Bundle.open(io.BytesIO(content)), Bundle.open(io.BytesIO(await exported(target)))
        before, after = described(first), described(again)
        assert len(before) == len(documents)
        assert {path: (told["marks"], told["title"]) for path, told in before.items()} == {
            path: (told["marks"], told["title"]) for path, told in after.items()
        }
        for path, told in before.items():
            of = f"documents/{told['id']}/original", f"documents/{after[path]['id']}/original"
            assert first.read(of[0]) == again.read(of[1])


async def test_the_same_bundle_again_adds_nothing_twice(source: MemoryCell, target: MemoryCell) -> None:
    """Documents are recognised by source and content, conversations by what they were."""
    await asked(source, "mia", "How many days of leave?")
    content = await exported(source)
    first, second = await imported(target, content), await imported(target, content)
    assert (first.conversations_added, first.conversations_known) == (1, 0)
    assert (second.conversations_added, second.conversations_known) == (0, 1)
    assert {item.state.value for job in second.jobs for item in job.items} == {"unchanged"}
    assert len(described(Bundle.open(io.BytesIO(await exported(target))))) == 3


async def test_a_bundle_of_this_very_tenant_adds_nothing(source: MemoryCell) -> None:
    """What it holds is all here, under the ids that it has there."""
    await asked(source, "mia", "How many days of leave?")
    taken = await imported(source, await exported(source))
    assert (taken.conversations_added, taken.conversations_known) == (0, 1)
    assert {item.state.value for job in taken.jobs for item in job.items} == {"unchanged"}
    assert len(await source.conversations.list(await source.caller("mia"))) == 1


async def test_conversations_are_their_owners_and_cite_the_documents_that_are_here(
    source: MemoryCell, target: MemoryCell
) -> None:
    """Who has no account here has no conversation here either; it is told which."""
    conversation = await asked(source, "mia", "How many days of leave?")
    operator = source.administration.operator_caller(source.people["ada"].tenant)
    nora = await source.administration.create_user(operator, "nora", "Nora", Role.MEMBER, Classification.INTERNAL)
    _, key = await source.administration.create_api_key(operator, nora.id, "test")
    source.people["nora"] = Person(nora, source.people["ada"].tenant, key)
    ownerless = await asked(source, "nora", "How much is the per diem?")
    taken = await imported(target, await exported(source))
    assert taken.conversations_without_owner == (ownerless,)
    (listed,) = await target.conversations.list(await target.caller("mia"))
    assert listed.id != conversation
    assert await target.conversations.list(await target.caller("ada")) == []
    restored = await target.conversations.get(await target.caller("mia"), listed.id)
    (cited,) = {each.document_id for each in restored.exchanges[0].body.citations}
    view = await target.library.document(await target.caller("mia"), cited)
    assert view.title.source == "handbook/leave.md"
    assert {each.version_id for each in restored.exchanges[0].body.citations} == {view.version_id}
    continued = AnswerRequest("And when ill?", conversation_id=listed.id)
    assert [event async for event in target.answers.answer(await target.caller("mia"), continued)]


async def test_with_a_document_goes_what_was_imported_of_it(source: MemoryCell, target: MemoryCell) -> None:
    """An erasure here finds the conversations that came along, though they were answered elsewhere."""
    await asked(source, "mia", "How many days of leave?")
    await imported(target, await exported(source))
    ada, mia = await target.caller("ada"), await target.caller("mia")
    (talk,) = await target.conversations.list(mia)
    restored = await target.conversations.get(mia, talk.id)
    (document,) = {each.document_id for each in restored.exchanges[0].body.citations}
    erasure = await target.erasures.request(ada, Wanted(ErasureKind.DOCUMENT, str(document), "request-7"))
    await target.erasure_run.run_due()
    assert (await target.erasures.get(ada, erasure.id)).state is ErasureState.DONE
    assert await target.conversations.list(mia) == []


async def test_without_a_legal_basis_nothing_comes_in(source: MemoryCell, tmp_path: Path) -> None:
    """From the European Union to the United States none is on file: refused, recorded, and nothing taken."""
    async with second_cell(tmp_path / "us", US) as target:
        with pytest.raises(TransferDenied):
            await imported(target, await exported(source))
        denied = [each for each in await logged(target, "ada") if each.action is Action.IMPORT_CREATE]
        assert [(each.outcome, each.reason) for each in denied] == [(Outcome.DENIED, "transfer-denied")]
        await untouched(target)


async def test_what_comes_from_another_region_is_in_the_register(source: MemoryCell, target: MemoryCell) -> None:
    """With its legal basis, before the documents; within one region there is nothing to register."""
    await imported(target, await exported(source))
    (entry,) = await target.transfers.read(await target.caller("ada"), TransferFilter())
    assert (entry.kind, entry.source, entry.target, entry.amount) == ("content", "eu-de", "eu-fr", 3)
    actions = [each.action for each in await logged(target, "ada")]
    assert actions.index(Action.IMPORT_CREATE) < actions.index(Action.DOCUMENT_CREATE)


async def test_within_a_region_no_basis_is_needed(source: MemoryCell, tmp_path: Path) -> None:
    """It is no transfer."""
    async with second_cell(tmp_path / "home", HOME) as target:
        assert (await imported(target, await exported(source))).documents == 3
        assert list(await target.transfers.read(await target.caller("ada"), TransferFilter())) == []


@pytest.mark.parametrize("login", ["mia", "olaf"])
async def test_who_may_not_import_is_refused_before_anything_is_received(target: MemoryCell, login: str) -> None:
    """Members and auditors bring no bundles."""
    with pytest.raises(Forbidden):
        await target.imports.begin(await target.caller(login))


async def test_a_group_or_owner_that_is_not_here_is_named_before_anything_is_taken(source: MemoryCell, tmp_path: Path) -> None:
    """All of them in one sentence, so that the operator can add them first."""
    async with second_cell(tmp_path / "bare", groups=False) as target:
        with pytest.raises(CallerError, match="group 'board'"):
            await imported(target, await exported(source))
        await untouched(target)


async def test_a_bundle_without_a_key_has_to_be_said_to_go_without_and_brings_no_conversations(
    source: MemoryCell, target: MemoryCell
) -> None:
    """Else anybody could put words into people's mouths. Documents come in: whoever imports could bring them anyway."""
    await asked(source, "mia", "How many days of leave?")
    content = await exported(source)
    with pytest.raises(CallerError, match="public key"):
        await imported(target, content, None)
    with pytest.raises(CallerError, match="public key"):
        await imported(target, content, HOME_KEY, unverified=True)
    await untouched(target)
    taken = await imported(target, content, None, unverified=True)
    assert (taken.documents, taken.conversations_added) == (3, 0)


async def _own(cell: MemoryCell) -> bytes:
    return b"".join([piece async for piece in await cell.exports.own(await cell.caller("ada"))])


async def _globex(cell: MemoryCell) -> bytes:
    return await exported(cell, "gus")


@pytest.mark.parametrize(
    ("make", "sentence"), [(_own, "of one person"), (_globex, "of a tenant of another name")], ids=["own", "globex"]
)
async def test_a_bundle_of_something_else_is_refused(
    source: MemoryCell, target: MemoryCell, make: Callable[[MemoryCell], object], sentence: str
) -> None:
    """A person's, and another tenant's."""
    with pytest.raises(BundleInvalid, match=sentence):
        await imported(target, await make(source))  # type: ignore[misc, arg-type]
    await untouched(target)


async def test_a_document_that_is_larger_than_this_cell_takes_keeps_all_out(source: MemoryCell, tmp_path: Path) -> None:
    """It is found before anything is taken."""
    async with second_cell(tmp_path / "small") as target:
        object.__setattr__(target.imports.limits, "document_bytes", 40)
        with pytest.raises(CallerError, match="more than 40 bytes"):
            await imported(target, await exported(source))
        await untouched(target)
