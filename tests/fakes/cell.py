"""A whole cell for tests of the edge: real use cases, policies, database and encryption; models, index and files are fakes.

Two tenants with a member, an administrator and an auditor each, every one with a password and an API key, and a few documents.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import UUID

from httpx2 import ASGITransport, AsyncClient
from litestar import Litestar
from opentelemetry.sdk.trace import SpanProcessor
from tests.fakes.blobs import MemoryBlobStore
from tests.fakes.embedder import HashEmbedder, HashSparseEncoder, WholeTextCounter
from tests.fakes.identity import PlainHasher
from tests.fakes.jobs import MemoryJobQueue
from tests.fakes.key_store import MemoryKeyStore
from tests.fakes.keys import MemoryKeyProvider
from tests.fakes.parser import PlainParser
from tests.fakes.policy import shipped_decisions
from tests.fakes.receipts import memory_erasure_signer, memory_receipts
from tests.fakes.vector_index import InMemoryVectorIndex

from domicile.access.administration import Administration
from domicile.access.explain import Explanations
from domicile.access.gate import Gate
from domicile.access.identity import Identity, Origin
from domicile.access.inforce import PoliciesInForce, PolicyRefresh
from domicile.access.journal import Journal
from domicile.access.places import Places
from domicile.access.policies import TenantPolicyBook
from domicile.access.profiles import Profiles
from domicile.access.residency import Inventory, Placed
from domicile.access.signposts import Signposts
from domicile.access.transfers import TransferRegister
from domicile.adapters.db.audit_store import SqlAuditLog
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.migrate import upgrade
from domicile.adapters.identity.clock import SystemClock
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.adapters.scratch.sealed import SealedScratchRoom
from domicile.adapters.telemetry.tracing import OpenTelemetry
from domicile.answers.conversations import Conversations
from domicile.answers.history import History
from domicile.answers.portable import PortableConversations, Talk
from domicile.answers.service import Answers
from domicile.bootstrap.importing import import_limits, taking
from domicile.bootstrap.keys import rotation
from domicile.domain.errors import DomicileError
from domicile.domain.marks import Marking
from domicile.domain.principals import Caller, Principal, Tenant
from domicile.domain.values import Classification, Region, Role
from domicile.generation.extractive import ExtractiveGenerator
from domicile.ingestion.drafts import IntakeLimits, Upload
from domicile.ingestion.intake import Intake
from domicile.ingestion.pipeline import Models, Pipeline
from domicile.ingestion.progress import Progress
from domicile.ingestion.removal import erase_document
from domicile.ingestion.stores import Stores
from domicile.ingestion.withdrawal import Withdrawal
from domicile.lifecycle.erasure_run import ErasureRun
from domicile.lifecycle.erasure_stores import ErasableStores
from domicile.lifecycle.erasures import ErasureBook
from domicile.lifecycle.export import Exports, Maker
from domicile.lifecycle.holds import LegalHolds
from domicile.lifecycle.importing import BringIn, Imports
from domicile.lifecycle.opening import Opener
from domicile.lifecycle.reencryption import Reencryption
from domicile.lifecycle.retention import RetentionBook
from domicile.lifecycle.rotation import Rotation
from domicile.policy.decision import DecisionPoint
from domicile.ports.generator import Generator
from domicile.ports.keys import ROOT_PROVIDER
from domicile.retrieval.library import Library
from domicile.retrieval.retriever import Retriever
from domicile.retrieval.search import Search
from domicile.web.app import create_app

ROOT = Path(__file__).parents[2]
HOME = Region("eu-de")
ABROAD = Region("eu-fr")
#: Where other regions' cells answer.
URLS = defaultdict(str, {ABROAD: "https://fr.example"})
#: A component where policy would not allow one now: the inventory decides anew each time.
ELSEWHERE = Placed("model", "https://models.example:443", ABROAD, ("content",))
PASSWORD = "correct horse battery"


@dataclass
class TestSettings:
    __test__ = False

    host: str = "127.0.0.1"
    port: int = 8000
    secure_cookies: bool = False
    allowed_hosts: tuple[str, ...] = ()
    max_document_bytes: int = 64 * 1024
    max_documents_per_request: int = 8
    max_bundle_bytes: int = 8 * 1024 * 1024
    session_minutes: int = 60


@dataclass
class Person:
    """Somebody who can call: with the password that all share, and an API key."""

    principal: Principal
    tenant: Tenant
    key: str

    @property
    def login(self) -> str:
        return self.principal.login

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@dataclass
class MemoryCell:
    """Implements what ``web`` needs of a cell. ``components`` is what its health is; ``people`` are its people by login."""

    settings: Any
    region: Region
    telemetry: OpenTelemetry
    identity: Identity
    administration: Administration
    intake: Intake
    progress: Progress
    withdrawal: Withdrawal
    search: Search
    library: Library
    answers: Answers
    conversations: Conversations
    journal: Journal
    explanations: Explanations
    inventory: Inventory
    policies: TenantPolicyBook
    in_force: PoliciesInForce
    refresh: PolicyRefresh
    signposts: Signposts
    transfers: TransferRegister
    exports: Exports[Talk]
    imports: Imports
    rotation: Rotation
    reencryption: Reencryption
    holds: LegalHolds
    erasures: ErasureBook
    erasure_run: ErasureRun
    retention: RetentionBook
    audit_log: SqlAuditLog
    database: SqlDatabase
    queue: MemoryJobQueue
    parser: PlainParser
    index: InMemoryVectorIndex
    embedder: HashEmbedder
    components: dict[str, str] = field(default_factory=lambda: {"database": "ok", "index": "ok"})
    people: dict[str, Person] = field(default_factory=dict)
    places: Places = field(default_factory=Places)

    @cached_property
    def app(self) -> Litestar:
        return create_app(self)

    async def health(self) -> dict[str, str]:
        return self.components

    async def caller(self, login: str) -> Caller:
        return await self.identity.authenticate_key(self.people[login].key, Origin(request_id="test", trace_id=""))

    async def ingest(
        self,
        login: str,
        collection: str,
        documents: dict[str, str],
        classification: Classification = Classification.INTERNAL,
        groups: Sequence[str] = (),
        **marks: Any,
    ) -> list[UUID]:
        """Ingest the texts by their source paths into the collection, which is made if it is not there; gives their ids."""
        caller = await self.caller(login)
        try:
            where = await self.library.collection(caller, collection)
        except DomicileError:
            where = await self.library.create_collection(caller, collection)
        uploads = [Upload(source, text.encode()) for source, text in documents.items()]
        job = await self.intake.submit(
            caller, where.id, uploads, marking=Marking(classification=classification, groups=tuple(groups), **marks)
        )
        await self.queue.join()
        view = await self.progress.get(caller, job.id)
        assert view.failed == 0, view
        return [item.document_id for item in view.items]


@cache
def _migrated() -> Path:
    """A database of the present schema, made once: copying a file is faster than migrating each time."""
    import asyncio
    import threading

    folder = Path(mkdtemp(prefix="domicile-tests-"))
    path = folder / "template.db"
    # In a thread of its own, since the test that asks first has an event loop running.
    work = threading.Thread(target=lambda: asyncio.run(upgrade(f"sqlite+aiosqlite:///{path}", folder=ROOT / "migrations")))
    work.start()
    work.join()
    return path


@asynccontextmanager
async def open_memory_cell(
    folder: Path,
    *,
    generator: Generator | None = None,
    spans: Sequence[SpanProcessor] = (),
    decisions: DecisionPoint | None = None,
    erasure_approval: bool = False,
    region: Region = HOME,
    root_key: bytes = b"root" * 8,
    **settings: Any,
) -> AsyncIterator[MemoryCell]:
    """An empty cell in the folder; the generator is the extractive one, and policies are as shipped, unless others are given.

    ``spans`` are sent there. ``root_key`` is what its keys lie under, and what it signs with.
    """
    path = folder / "cell.db"
    shutil.copy(_migrated(), path)
    clock, hasher = SystemClock(), PlainHasher()
    database = SqlDatabase(f"sqlite+aiosqlite:///{path}")
    log = SqlAuditLog(database)
    in_force = PoliciesInForce(decisions or shipped_decisions())
    refresh = PolicyRefresh(in_force, database)
    await refresh.refresh()
    gate = Gate(in_force, log, clock, region)
    transfers = TransferRegister(database=database, gate=gate, clock=clock)
    telemetry = OpenTelemetry("test", region.name, spans)
    key_store = MemoryKeyStore()
    keys = StoredKeyRing(
        store=key_store, providers={ROOT_PROVIDER: MemoryKeyProvider(region, root_key)}, region=region, clock=clock
    )
    provider = MemoryKeyProvider(HOME)
    keys = StoredKeyRing(store=key_store, providers={ROOT_PROVIDER: provider}, region=HOME, clock=clock)
    embedder, sparse = HashEmbedder(), HashSparseEncoder()
    stores = Stores(database, keys, MemoryBlobStore(), InMemoryVectorIndex(embedder.dimensions))
    parser, queue = PlainParser(), MemoryJobQueue()
    pipeline = Pipeline(
        stores=stores,
        models=Models(embedder, sparse, WholeTextCounter()),
        parser=parser,
        clock=clock,
        gate=gate,
    )
    await queue.start(pipeline.run)
    configured = TestSettings(**settings)
    retriever = Retriever(
        database=database, index=stores.index, embedder=embedder, sparse=sparse, keys=keys, gate=gate, telemetry=telemetry
    )
    profiles = Profiles(keys=keys, clock=clock, region=region)
    history = History(database=database, keys=keys, clock=clock, region=region)
    signer = memory_receipts(clock, root_key, "test", region)
    answers = Answers(
        retriever=retriever,
        generator=generator or ExtractiveGenerator(embedder=embedder, region=region),
        gate=gate,
        transfers=transfers,
        history=history,
        database=database,
        clock=clock,
        receipts=signer,
    )
    intake = Intake(
        database=database,
        keys=keys,
        blobs=stores.blobs,
        queue=queue,
        gate=gate,
        clock=clock,
        limits=IntakeLimits(configured.max_document_bytes, configured.max_documents_per_request),
    )
    library = Library(database=database, blobs=stores.blobs, keys=keys, gate=gate, clock=clock)
    portable = PortableConversations(history)
    reencryption = Reencryption(database=database, keys=keys, blobs=stores.blobs, index=stores.index, gate=gate, clock=clock)
    cell = MemoryCell(
        settings=configured,
        region=region,
        telemetry=telemetry,
        identity=Identity(
            database=database, hasher=hasher, gate=gate, clock=clock, profiles=profiles, session_lifetime=timedelta(hours=1)
        ),
        administration=Administration(database=database, hasher=hasher, gate=gate, clock=clock, profiles=profiles),
        intake=intake,
        progress=Progress(database=database, keys=keys, gate=gate, poll_seconds=0.01),
        withdrawal=Withdrawal(database=database, keys=keys, index=stores.index, blobs=stores.blobs, gate=gate),
        search=Search(retriever=retriever, gate=gate),
        library=library,
        answers=answers,
        conversations=Conversations(database=database, history=history, gate=gate),
        journal=Journal(log=log, gate=gate),
        explanations=Explanations(database=database, gate=gate, profiles=profiles),
        inventory=Inventory(
            components=[Placed("database", "SQLite in the data folder", region, ("metadata",)), ELSEWHERE],
            gate=gate,
            cell=Administration.operator_caller(Tenant(clock.new_id(), "cell", "cell", region)),
        ),
        policies=TenantPolicyBook(database=database, gate=gate, in_force=in_force, refresh=refresh, clock=clock),
        in_force=in_force,
        refresh=refresh,
        signposts=Signposts(database=database, gate=gate, url_of=URLS.__getitem__),
        transfers=transfers,
        exports=Exports(
            database=database,
            opener=Opener(stores.blobs, keys),
            log=log,
            gate=gate,
            clock=clock,
            profiles=profiles,
            conversations=portable,
            maker=Maker("test", signer.signing_key),
        ),
        imports=Imports(
            database=database,
            gate=gate,
            transfers=transfers,
            profiles=profiles,
            bring=BringIn(taking(intake), library.create_collection),
            conversations=portable,
            room=SealedScratchRoom(folder, region),
            limits=import_limits(configured),
        ),
        rotation=rotation(key_store, keys, {ROOT_PROVIDER: provider}, gate),
        reencryption=reencryption,
        holds=LegalHolds(database=database, keys=keys, gate=gate, clock=clock),
        erasures=ErasureBook(
            database=database, keys=keys, gate=gate, clock=clock, approval=erasure_approval, poll_seconds=0.01
        ),
        erasure_run=ErasureRun(
            stores=ErasableStores(database, keys, key_store, stores.index, stores.blobs),
            gate=gate,
            clock=clock,
            erase_document=erase_document,
            signer=memory_erasure_signer(),
            settle_seconds=0.0,
        ),
        retention=RetentionBook(database=database, gate=gate, clock=clock, floor_days=183),
        audit_log=log,
        database=database,
        queue=queue,
        parser=parser,
        index=stores.index,
        embedder=embedder,
    )
    try:
        yield cell
    finally:
        await reencryption.close()
        await answers.close()
        await queue.stop()
        await log.close()
        await database.close()
        telemetry.close()


async def populate(cell: MemoryCell, allowing: frozenset[Region] = frozenset()) -> None:
    """Two tenants with their people and documents; ``acme`` has one that its member ``mia`` may not read."""
    for slug, people in _PEOPLE.items():
        tenant = await cell.administration.create_tenant(slug, slug.title(), HOME, allowing)
        operator = cell.administration.operator_caller(tenant)
        await cell.administration.create_group(operator, "board")
        for login, (role, clearance, groups) in people.items():
            principal = await cell.administration.create_user(operator, login, login.title(), role, clearance, groups, PASSWORD)
            _, key = await cell.administration.create_api_key(operator, principal.id, "test")
            cell.people[login] = Person(principal, tenant, key)
    await cell.ingest("ada", "handbook", HANDBOOK)
    await cell.ingest("ada", "board", MINUTES, Classification.RESTRICTED, ["board"])
    await cell.ingest("gus", "secrets", {"globex/plan.md": "# Globex plan\n\nGlobex builds the turbine in Lyon."})


_PEOPLE = {
    "acme": {
        "mia": (Role.MEMBER, Classification.CONFIDENTIAL, ()),
        "ada": (Role.ADMINISTRATOR, Classification.RESTRICTED, ("board",)),
        "olaf": (Role.AUDITOR, Classification.PUBLIC, ()),
    },
    "globex": {
        "gil": (Role.MEMBER, Classification.RESTRICTED, ()),
        "gus": (Role.ADMINISTRATOR, Classification.RESTRICTED, ()),
        "gab": (Role.AUDITOR, Classification.PUBLIC, ()),
    },
}
HANDBOOK = {
    "handbook/leave.md": "# Leave policy\n\n## Annual leave\n\nEvery employee has 30 days of paid annual leave a year.\n\n"
    "## Sick leave\n\nTell your manager before ten o'clock when you are ill.\n",
    "handbook/travel.md": "# Travel policy\n\n## Per diem\n\nThe per diem for a full day of travel is 28 euros.\n",
}
MINUTES = {"board/minutes.md": "# Board minutes\n\nThe board will buy the Larch company for 14 million euros.\n"}


def client(cell: MemoryCell, login: str | None = None, **headers: str) -> AsyncClient:
    """An HTTP client of the cell's application, in process, with the API key of that person."""
    bearer = cell.people[login].bearer if login else {}
    transport = ASGITransport(app=cell.app, raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url="http://testserver", headers={**bearer, **headers})


async def browser(cell: MemoryCell, login: str, **headers: str) -> AsyncClient:
    """A client that has signed in on the page and sends what browsers send: cookie, origin, and a liking for HTML."""
    http = client(cell, None, Origin="http://testserver", Accept="text/html", **headers)
    answered = await http.post("/login", data={"login": login, "password": PASSWORD})
    assert answered.status_code == 303, answered.text
    return http


async def csrf_token(http: AsyncClient, page: str = "/") -> str:
    """The token that the page carries."""
    found = re.search(r'name="csrf-token" content="([^"]+)"', (await http.get(page)).text)
    assert found
    return found[1]
