"""What leaves as a bundle: everything one may read, nothing that one may not, and all of it in the log before."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.fakes.cell import HANDBOOK, MINUTES, MemoryCell, Person, open_memory_cell, populate

from domicile.access.identity import Origin
from domicile.answers.events import AnswerRequest, Sources
from domicile.audit.events import AuditEvent, Outcome
from domicile.crypto.signatures import SigningKey
from domicile.domain.actions import Action
from domicile.domain.errors import AuditUnavailable, BundleInvalid, CallerError, Forbidden
from domicile.domain.holds import HoldKind
from domicile.domain.retention import Kept
from domicile.domain.values import Classification, Role
from domicile.lifecycle.bundle_reading import Bundle
from domicile.lifecycle.manifest import BundleKind, Why
from domicile.lifecycle.retention import RuleSaid

KEY = SigningKey(b"root" * 8).public


@pytest.fixture
async def cell(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    async with open_memory_cell(tmp_path) as opened:
        await populate(opened)
        yield opened


async def collect(content: AsyncIterator[bytes]) -> Bundle:
    """The bundle as its reader has it, verified."""
    bundle = Bundle.open(io.BytesIO(b"".join([piece async for piece in content])))
    bundle.verify(KEY)
    bundle.check()
    return bundle


async def asked(cell: MemoryCell, login: str, question: str) -> UUID:
    events = [event async for event in cell.answers.answer(await cell.caller(login), AnswerRequest(question))]
    found = next(event.conversation_id for event in events if isinstance(event, Sources))
    assert found is not None
    return found


async def logged(cell: MemoryCell, login: str) -> list[AuditEvent]:
    """The tenant's log, oldest first."""
    tenant = cell.people[login].tenant
    return [entry.event for entry in await cell.audit_log.read(tenant.id, limit=1000, newest_first=False)]


def described(bundle: Bundle) -> dict[str, Any]:
    """The descriptions of documents by source."""
    read = [json.loads(bundle.read(path)) for path in bundle.paths if path.endswith("document.json")]
    return {each["source"]: each for each in read}


async def test_a_tenant_is_exported_whole_to_whoever_may_read_all_of_it(cell: MemoryCell) -> None:
    """Originals, texts, descriptions with names instead of ids, conversations, the tenant itself and the accesses."""
    conversation = await asked(cell, "mia", "How many days of leave?")
    bundle = await collect(await cell.exports.tenant(await cell.caller("ada")))
    documents = described(bundle)
    assert documents.keys() == HANDBOOK.keys() | MINUTES.keys()
    minutes = documents["board/minutes.md"]
    assert minutes["marks"]["groups"] == ["board"]
    assert minutes["marks"]["owner"] == "ada"
    assert minutes["collection"] == "board"
    for source, text in (HANDBOOK | MINUTES).items():
        assert bundle.read(f"documents/{documents[source]['id']}/original").decode() == text
    talk = json.loads(bundle.read(f"conversations/{conversation}.json"))
    assert talk["owner"] == "mia"
    assert talk["exchanges"][0]["body"]["question"] == "How many days of leave?"
    assert "30 days" in talk["exchanges"][0]["body"]["answer"]
    tenant = json.loads(bundle.read("tenant.json"))
    assert {each["login"] for each in tenant["people"]} == {"mia", "ada", "olaf"}
    assert {each["slug"] for each in tenant["collections"]} == {"handbook", "board"}
    assert bundle.manifest.kind is BundleKind.TENANT
    assert (bundle.manifest.tenant, bundle.manifest.region, bundle.manifest.withheld) == ("acme", "eu-de", ())


async def test_no_password_and_no_key_is_in_it(cell: MemoryCell) -> None:
    """Nor anything of another tenant."""
    content = b"".join([piece async for piece in await cell.exports.tenant(await cell.caller("ada"))])
    assert b"globex" not in content.lower()
    assert b"Lyon" not in content
    for person in cell.people.values():
        assert person.key.encode() not in content
    assert b"password" not in content


async def test_what_the_exporter_may_not_read_is_named_and_not_in_it(cell: MemoryCell) -> None:
    """By id and with the reason; the refusal is in the log, and no byte of it in the bundle."""
    (hidden,) = await cell.ingest("ada", "board", {"board/x.md": "Zephyrine for others."}, Classification.RESTRICTED, ["board"])
    operator = cell.administration.operator_caller(cell.people["ada"].tenant)
    await cell.administration.create_group(operator, "council")
    (secret,) = await cell.ingest("ada", "board", {"c/y.md": "# Y\n\nQuokkaberry."}, Classification.RESTRICTED, ["council"])
    content = b"".join([piece async for piece in await cell.exports.tenant(await cell.caller("ada"))])
    assert b"Zephyrine" in content
    assert b"Quokkaberry" not in content
    bundle = Bundle.open(io.BytesIO(content))
    assert [(each.id, each.what, each.reason) for each in bundle.manifest.withheld] == [(secret, "document", Why.POLICY)]
    assert f"documents/{hidden}/original" in bundle.paths
    assert not [path for path in bundle.paths if str(secret) in path]
    assert str(secret).encode() not in bundle.read("access.jsonl")
    read = [each for each in await logged(cell, "ada") if each.action is Action.DOCUMENT_READ]
    denied = [each for each in read if each.outcome is Outcome.DENIED]
    assert [each.documents for each in denied] == [(secret,)]


async def test_an_answer_shows_nobody_what_its_documents_would_not(cell: MemoryCell) -> None:
    """Who exports somebody's conversations and may not read the documents behind an answer gets the question only."""
    operator = cell.administration.operator_caller(cell.people["ada"].tenant)
    await cell.administration.create_group(operator, "council")
    await cell.ingest("ada", "board", {"c/y.md": "# Y\n\nThe quokkaberry is bought in May."}, groups=["council"])
    cleo = await cell.administration.create_user(operator, "cleo", "Cleo", Role.MEMBER, Classification.RESTRICTED, ("council",))
    _, key = await cell.administration.create_api_key(operator, cleo.id, "test")
    cell.people["cleo"] = Person(cleo, cell.people["ada"].tenant, key)
    conversation = await asked(cell, "cleo", "When is the quokkaberry bought?")
    bundle = await collect(await cell.exports.person(await cell.caller("ada"), "cleo"))
    (exchange,) = json.loads(bundle.read(f"conversations/{conversation}.json"))["exchanges"]
    assert exchange["withheld"]
    assert exchange["body"]["answer"] == ""
    assert exchange["body"]["question"] == "When is the quokkaberry bought?"
    assert [(each.id, each.what) for each in bundle.manifest.withheld] == [(conversation, "answers")]
    own = await collect(await cell.exports.own(await cell.caller("cleo")))
    (exchange,) = json.loads(own.read(f"conversations/{conversation}.json"))["exchanges"]
    assert "May" in exchange["body"]["answer"]


async def test_a_person_gets_what_is_theirs_and_who_had_it_and_not_by_name(cell: MemoryCell) -> None:
    """Account, conversations, own documents; others are named by id, since who they are is theirs."""
    conversation = await asked(cell, "mia", "How many days of leave?")
    (own,) = await cell.ingest("ada", "handbook", {"mia.md": "# Mia\n\nHer own paper."}, owner="mia")
    await cell.library.text(await cell.caller("ada"), own)
    bundle = await collect(await cell.exports.own(await cell.caller("mia")))
    assert described(bundle).keys() == {"mia.md"}
    assert json.loads(bundle.read("account.json"))["login"] == "mia"
    assert f"conversations/{conversation}.json" in bundle.paths
    assert "tenant.json" not in bundle.paths
    accesses = [json.loads(line) for line in bundle.read("access.jsonl").splitlines()]
    mia, ada = str(cell.people["mia"].principal.id), str(cell.people["ada"].principal.id)
    read = [each for each in accesses if each["action"] == "document:read" and each["principal"] == ada]
    assert [each["documents"] for each in read] == [[str(own)]]
    assert {each["name"] for each in read} == {None}
    assert {each["name"] for each in accesses if each["principal"] == mia} == {"mia"}
    assert [each["time"] for each in accesses] == sorted(each["time"] for each in accesses)


async def test_an_administrator_exports_a_person_with_the_names_of_who_looked(cell: MemoryCell) -> None:
    """They look after the tenant's people, and see their names anyway."""
    conversation = await asked(cell, "mia", "How many days of leave?")
    bundle = await collect(await cell.exports.person(await cell.caller("ada"), "mia"))
    assert f"conversations/{conversation}.json" in bundle.paths
    accesses = [json.loads(line) for line in bundle.read("access.jsonl").splitlines()]
    assert {each["name"] for each in accesses} >= {"mia"}
    exported = [each for each in await logged(cell, "ada") if each.action is Action.CONVERSATION_EXPORT]
    assert {each.resource for each in exported} == {f"conversation:{conversation}"}


async def test_a_data_subjects_documents_and_conversations_are_exported_whoever_has_them(cell: MemoryCell) -> None:
    """By the identifier that documents are tagged with, however it is written; nothing about anybody else."""
    (about,) = await cell.ingest("ada", "handbook", {"p17.md": "# P\n\nThe quokkaberry case of P-17."}, subjects=("P-17",))
    await cell.ingest("ada", "handbook", {"p18.md": "# Q\n\nThe zephyrine case of P-18."}, subjects=("P-18",))
    conversation = await asked(cell, "mia", "What is the quokkaberry case?")
    bundle = await collect(await cell.exports.subject(await cell.caller("ada"), " p-17 "))
    assert described(bundle).keys() == {"p17.md"}
    assert f"conversations/{conversation}.json" in bundle.paths
    assert "account.json" not in bundle.paths
    accesses = [json.loads(line) for line in bundle.read("access.jsonl").splitlines()]
    assert {id_ for each in accesses for id_ in each["documents"]} == {str(about)}
    nobody = await collect(await cell.exports.subject(await cell.caller("ada"), "P-19"))
    assert nobody.paths == ("access.jsonl",)


async def test_rules_and_holds_are_in_a_tenants_bundle(cell: MemoryCell) -> None:
    """With the names of collections."""
    caller = await cell.caller("ada")
    await cell.retention.write(caller, [RuleSaid(Kept.DOCUMENTS, 30, "handbook")])
    await cell.holds.place(caller, HoldKind.TENANT, "", "smith-case")
    tenant = json.loads((await collect(await cell.exports.tenant(caller))).read("tenant.json"))
    assert tenant["retention"] == [{"kept": "documents", "days": 30, "collection": "handbook", "classification": None}]
    assert [(each["kind"], each["reference"], each["released_at"]) for each in tenant["holds"]] == [
        ("tenant", "smith-case", None)
    ]


@pytest.mark.parametrize("login", ["mia", "olaf"])
async def test_who_may_not_export_gets_nothing(cell: MemoryCell, login: str) -> None:
    """Neither the tenant nor somebody else; the refusal is in the log."""
    caller = await cell.caller(login)
    with pytest.raises(Forbidden):
        await cell.exports.tenant(caller)
    with pytest.raises(Forbidden):
        await cell.exports.person(caller, "ada")
    with pytest.raises(Forbidden):
        await cell.exports.subject(caller, "P-17")
    denied = [each for each in await logged(cell, login) if each.action is Action.EXPORT_CREATE]
    assert [each.outcome for each in denied] == [Outcome.DENIED] * 3


async def test_another_tenants_login_is_nobodys(cell: MemoryCell) -> None:
    """As one that never was."""
    with pytest.raises(CallerError) as foreign:
        await cell.exports.person(await cell.caller("ada"), "gil")
    with pytest.raises(CallerError) as never:
        await cell.exports.person(await cell.caller("ada"), "nix")
    assert str(foreign.value).replace("gil", "nix") == str(never.value)


async def test_nothing_leaves_that_is_not_in_the_log_before(cell: MemoryCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a log that stops to work, the export ends before the documents whose reading it could not record."""
    caller = await cell.caller("ada")
    content = await cell.exports.tenant(caller)
    seen = [await anext(content)]

    async def refuse(*_: object) -> None:
        raise AuditUnavailable()

    monkeypatch.setattr(cell.audit_log, "append", refuse)

    async def rest() -> None:
        seen.extend([piece async for piece in content])

    with pytest.raises(AuditUnavailable):
        await rest()
    assert b"per diem" not in b"".join(seen)
    assert b"Larch" not in b"".join(seen)


async def test_what_was_broken_off_is_a_failure_in_the_log_and_no_bundle(cell: MemoryCell) -> None:
    """Whoever looks sees how far it came."""
    content = await cell.exports.tenant(await cell.caller("ada"))
    seen = b"".join([await anext(content) for _ in range(4)])
    await content.aclose()  # type: ignore[attr-defined]
    with pytest.raises(BundleInvalid):
        Bundle.open(io.BytesIO(seen))
    last = (await logged(cell, "ada"))[-1]
    assert (last.action, last.outcome) == (Action.EXPORT_CREATE, Outcome.FAILED)


async def test_what_comes_in_while_an_export_goes_on_has_its_names(cell: MemoryCell) -> None:
    """A collection that was not there when it began."""
    content = await cell.exports.tenant(await cell.caller("ada"))
    seen = [await anext(content)]
    await cell.ingest("ada", "letters", {"new.md": "# New\n\nNew."})
    seen += [piece async for piece in content]
    bundle = Bundle.open(io.BytesIO(b"".join(seen)))
    assert described(bundle)["new.md"]["collection"] == "letters"


async def test_a_version_that_is_replaced_while_an_export_goes_on_is_there_as_the_new_one(cell: MemoryCell) -> None:
    """With the marks that were decided; one that has others now is named as withheld, since nobody decided on those."""
    content = await cell.exports.tenant(await cell.caller("ada"))
    seen = [await anext(content) for _ in range(4)]  # the tenant, and all of one document
    changed = {source: text.replace("e", "E") for source, text in HANDBOOK.items()}
    await cell.ingest("ada", "handbook", changed)
    await cell.ingest("ada", "board", {"board/minutes.md": "# Other\n\nOther words."}, Classification.CONFIDENTIAL, ["board"])
    seen += [piece async for piece in content]
    bundle = Bundle.open(io.BytesIO(b"".join(seen)))
    documents = described(bundle)
    first = Bundle.open(io.BytesIO(b"".join(seen))).paths[1].split("/")[1]
    for source in HANDBOOK:
        of = documents[source]["id"]
        text = bundle.read(f"documents/{of}/original").decode()
        assert text == (HANDBOOK[source] if of == first else changed[source])
    minutes = documents.get("board/minutes.md", {}).get("id")
    assert [each.reason for each in bundle.manifest.withheld] == ([] if minutes == first else [Why.UNREADABLE])


async def test_a_key_that_may_only_export_takes_no_documents_along(cell: MemoryCell) -> None:
    """They are named as withheld: each is read by the same right as anywhere."""
    ada = cell.people["ada"]
    operator = cell.administration.operator_caller(ada.tenant)
    _, key = await cell.administration.create_api_key(operator, ada.principal.id, "only", verbs=frozenset({"export:create"}))
    caller = await cell.identity.authenticate_key(key, Origin(request_id="test", trace_id=""))
    bundle = await collect(await cell.exports.tenant(caller))
    assert described(bundle) == {}
    assert len(bundle.manifest.withheld) == 3


async def test_a_document_that_does_not_open_is_named_and_does_not_hold_up_the_rest(cell: MemoryCell) -> None:
    """Its key was destroyed, say, while the export went on."""
    (gone,) = await cell.ingest("ada", "handbook", {"gone.md": "# Gone\n\nGone."})
    async with cell.database.reading() as unit:
        document = await unit.documents.get(cell.people["ada"].tenant.id, gone)
    keys = cell.intake._keys
    await keys.destroy(cell.people["ada"].tenant.id, [document.version.data_key_id])
    bundle = await collect(await cell.exports.tenant(await cell.caller("ada")))
    assert [(each.id, each.reason) for each in bundle.manifest.withheld] == [(gone, Why.UNREADABLE)]
    assert len(described(bundle)) == 3
