"""A backup of the data that was made before an erasure, restored after it beside the present key store: it cannot be read.

The embedded cell with its real stores: SQLite, the engine in the process, a folder of blobs, key file and key store.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from domicile.access.administration import Administration
from domicile.access.identity import Origin
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.key_store import SqlKeyStore
from domicile.adapters.db.schema import audit_entries
from domicile.adapters.identity.clock import SystemClock
from domicile.adapters.keys.file_provider import FileKeyProvider
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.answers.events import AnswerRequest, Sources
from domicile.audit.encoding import decode, encode
from domicile.bootstrap import Cell, initialise_cell, open_cell
from domicile.config import Settings, load_settings
from domicile.crypto.context import Part
from domicile.crypto.erasure_receipt import verify
from domicile.domain.documents import JobState
from domicile.domain.erasures import Erasure, ErasureKind, ErasureState
from domicile.domain.errors import DecryptionFailed, NotAuthenticated, NotFound
from domicile.domain.marks import Marking
from domicile.domain.principals import Caller
from domicile.domain.values import Classification, Region, Role
from domicile.ingestion.drafts import Upload
from domicile.ingestion.sealing import unseal_part, unseal_title
from domicile.lifecycle.erasures import Wanted
from domicile.policy.scope import Everything, RetrievalScope
from domicile.ports.keys import ROOT_PROVIDER
from domicile.retrieval.search import SearchQuery

pytestmark = pytest.mark.slow
HOME = Region("eu-de")
ALL = RetrievalScope(Everything(), (), "")
PERSON = "p-4711"
FILES = {
    "secret.md": "# Secret\n\nThe zephyrine mine lies below the quokka farm.\n",
    "letter.md": "# Letter\n\nBen asked for umbrafjord leave in the summer.\n",
    "public.md": "# Public\n\nThe canteen opens at eleven every weekday.\n",
}
QUESTION = "What lies below the quokka farm, and who asked for umbrafjord leave?"


@dataclass
class Person:
    caller: Caller
    secret: str


def settings_of(folder: Path) -> Settings:
    return load_settings({}, data_dir=folder / "cell", region="eu-de", log_level="error")


async def person_of(cell: Cell, tenant: str, login: str, role: Role) -> Person:
    operator = cell.administration.operator_caller(await cell.administration.tenant(tenant))
    made = await cell.administration.create_user(operator, login, login.title(), role, Classification.RESTRICTED)
    _, secret = await cell.administration.create_api_key(operator, made.id, "test")
    return Person(await cell.identity.authenticate_key(secret, Origin(request_id="test", trace_id="")), secret)


async def ingested(cell: Cell, who: Caller, name: str, subjects: tuple[str, ...] = ()) -> UUID:
    collections = {each.slug: each.id for each in await cell.library.collections(who)}
    where = collections.get("handbook") or (await cell.library.create_collection(who, "handbook")).id
    upload = Upload(source=name, content=FILES[name].encode())
    job = await cell.intake.submit(who, where, [upload], marking=Marking(subjects=subjects or None))
    async for view in cell.progress.watch(who, job.id):
        last = view
    assert (last.state, last.failed) == (JobState.DONE, 0)
    return last.items[0].document_id


async def asked(cell: Cell, who: Caller) -> UUID:
    events = [each async for each in cell.answers.answer(who, AnswerRequest(QUESTION))]
    conversation = next(each.conversation_id for each in events if isinstance(each, Sources))
    assert conversation is not None
    return conversation


async def erased(cell: Cell, who: Caller, kind: ErasureKind, target: str = "", account: str | None = None) -> Erasure:
    erasure = await cell.erasures.request(who, Wanted(kind, target, "request-7", account))
    reader = await cell.erasures.operator(erasure.id)
    async for each in cell.erasures.watch(reader, erasure.id):
        erasure = each
    assert (erasure.state, erasure.waiting) == (ErasureState.DONE, None)
    statements = verify(erasure.receipts or b"", cell.answers.receipts.published.verify_key)
    assert [each.found_after for each in statements] == [0] * 4
    return erasure


async def sealed_text(settings: Settings, tenant_id: UUID, document_id: UUID) -> None:
    """Try what somebody with the restored files and the keys of now could: open the title and the blobs with the ring."""
    database = SqlDatabase(f"sqlite+aiosqlite:///{settings.data_dir / 'domicile.db'}")
    store = SqlKeyStore(SqlDatabase(f"sqlite+aiosqlite:///{settings.key_store_path}"))
    provider = FileKeyProvider(settings.root_key_path, HOME)
    ring = StoredKeyRing(store=store, providers={ROOT_PROVIDER: provider}, region=HOME, clock=SystemClock())
    try:
        async with database.reading() as unit:
            document = await unit.documents.get(tenant_id, document_id)
        key = await ring.open(tenant_id, document.version.data_key_id)
        version = document.version.id
        unseal_title(key, document.attributes, version, document.version.title_envelope)
        blob = settings.data_dir / "blobs" / str(tenant_id) / str(document_id) / str(version) / "original"
        unseal_part(key, document.attributes, version, Part.ORIGINAL, blob.read_bytes())
    finally:
        await ring.close()
        await store.close()
        await database.close()


def restore(backup: Path, settings: Settings) -> None:
    shutil.rmtree(settings.data_dir)
    shutil.copytree(backup, settings.data_dir)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Cell]:
    async with open_cell(settings, command="test", run_jobs=True) as cell:
        yield cell


async def test_a_restored_backup_cannot_read_what_was_erased(tmp_path: Path) -> None:
    """A document, a data subject with their account, and a tenant: by no way, and the cell stays usable for the rest."""
    settings, backup = settings_of(tmp_path), tmp_path / "backup"
    await initialise_cell(settings)
    async with opened(settings) as cell:
        for slug in ("acme", "globex"):
            await cell.administration.create_tenant(slug, slug, HOME)
        ada = await person_of(cell, "acme", "ada", Role.ADMINISTRATOR)
        ben = await person_of(cell, "acme", "ben", Role.MEMBER)
        gus = await person_of(cell, "globex", "gus", Role.ADMINISTRATOR)
        secret, public = await ingested(cell, ada.caller, "secret.md"), await ingested(cell, ada.caller, "public.md")
        letter = await ingested(cell, ada.caller, "letter.md", (PERSON,))
        foreign = await ingested(cell, gus.caller, "secret.md")
        quoting, own = await asked(cell, ada.caller), await asked(cell, ben.caller)
        foreign_talk = await asked(cell, gus.caller)
    shutil.copytree(settings.data_dir, backup)  # as it is with no process at it; the keys are beside it, and not in it
    assert await opens(settings, ada.caller, secret)
    assert await opens(settings, gus.caller, foreign)

    async with opened(settings) as cell:
        ada_now = await signed_in(cell, ada)
        await erased(cell, ada_now, ErasureKind.DOCUMENT, str(secret))
        await erased(cell, ada_now, ErasureKind.SUBJECT, PERSON, "ben")
        operator = Administration.operator_caller(await cell.administration.tenant("globex"), SystemClock().now())
        await erased(cell, operator, ErasureKind.TENANT)
        await log_is_whole(cell)

    restore(backup, settings)
    for tenant, document in ((ada, secret), (ada, letter), (gus, foreign)):
        assert not await opens(settings, tenant.caller, document)
    assert await opens(settings, ada.caller, public)

    async with opened(settings) as cell:
        ada_now = await signed_in(cell, ada)
        for nobody in (ben, gus):
            with pytest.raises(NotAuthenticated):
                await signed_in(cell, nobody)
        known = await cell.administration.users(ada_now)
        assert [each.login for each in known if each.login != str(each.id)] == ["ada"]
        for document in (secret, letter):
            with pytest.raises(NotFound):
                await cell.library.document(ada_now, document)
        shown = await cell.library.documents(ada_now, (await cell.library.collections(ada_now))[0].id)
        assert [each.id for each in shown.documents] == [public]
        assert await cell.conversations.list(ada_now) == []
        for conversation in (quoting, own, foreign_talk):
            with pytest.raises(NotFound):
                await cell.conversations.get(ada_now, conversation)
        passages = (await cell.search.search(ada_now, SearchQuery(QUESTION))).passages
        assert {each.title.source for each in passages} <= {"public.md"}
        async with cell.database.reading() as unit:
            assert [each.id for each in await unit.documents.list(ALL)] == [public]
            assert [each.slug for each in await unit.tenants.all()] == ["acme"]
        blobs = [path for path in (settings.data_dir / "blobs").rglob("*") if path.is_file()]
        assert {path.parts[-3] for path in blobs} == {str(public)}
        again = await ingested(cell, ada_now, "secret.md")
        assert again == secret  # brought again on purpose, it is a document like any other
        await log_is_whole(cell)
    assert not await opens(settings, gus.caller, foreign)


async def signed_in(cell: Cell, who: Person) -> Caller:
    return await cell.identity.authenticate_key(who.secret, Origin(request_id="test", trace_id=""))


async def opens(settings: Settings, who: Caller, document: UUID) -> bool:
    try:
        await sealed_text(settings, who.tenant.id, document)
    except (DecryptionFailed, NotFound):
        return False
    return True


async def log_is_whole(cell: Cell) -> None:
    """Every entry is still there in order, as the canonical bytes that were written."""
    assert isinstance(cell.database, SqlDatabase)
    async with cell.database.reading_transaction() as open_:
        rows = await open_.all(select(audit_entries.c.position, audit_entries.c.body).order_by(audit_entries.c.position))
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    assert all(encode(decode(row.body)) == row.body for row in rows)
