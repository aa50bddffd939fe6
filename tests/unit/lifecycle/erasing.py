"""A cell whose keys are in a key store of their own, and what erases in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.fakes.key_store import MemoryKeyStore
from tests.fakes.keys import MemoryKeyProvider
from tests.fakes.people import HOME
from tests.fakes.policy import shipped_regions, shipped_sources
from tests.fakes.receipts import memory_erasure_signer, memory_receipts
from tests.unit.ingestion.cell import ACME, IngestCell

from domicile.access.inforce import PoliciesInForce
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.answers.history import About, ExchangeBody, History
from domicile.crypto.erasure_receipt import verify
from domicile.domain.conversations import Conversation
from domicile.domain.erasures import Erasure, ErasureKind
from domicile.domain.principals import Caller, Principal
from domicile.ingestion.removal import erase_document
from domicile.lifecycle.erasure_run import ErasureRun
from domicile.lifecycle.erasure_stores import ErasableStores
from domicile.lifecycle.erasures import ErasureBook, Wanted
from domicile.lifecycle.holds import LegalHolds
from domicile.lifecycle.restored import Restored
from domicile.policy.bundle import PolicyBundle
from domicile.policy.decision import DecisionPoint
from domicile.ports.keys import ROOT_PROVIDER


@dataclass
class Erasing:
    """``cell`` is populated; ``keys`` is where its wrapped keys are."""

    database: SqlDatabase
    approval: bool = False
    keys: MemoryKeyStore = field(default_factory=MemoryKeyStore)

    def __post_init__(self) -> None:
        self.cell = cell = IngestCell(self.database)
        ring: Any = StoredKeyRing(
            store=self.keys, providers={ROOT_PROVIDER: MemoryKeyProvider(HOME)}, region=HOME, clock=cell.clock
        )
        cell.keys = ring
        cell.__post_init__()
        self.ring: StoredKeyRing = ring
        self.stores = ErasableStores(cell.database, ring, self.keys, cell.index, cell.blobs)
        self.book = ErasureBook(
            database=cell.database, keys=ring, gate=cell.gate, clock=cell.clock, approval=self.approval, poll_seconds=0.01
        )
        self.holds = LegalHolds(database=cell.database, keys=ring, gate=cell.gate, clock=cell.clock)
        self.history = History(database=cell.database, keys=ring, clock=cell.clock, region=HOME)
        self.restored = Restored(stores=self.stores, gate=cell.gate, clock=cell.clock)
        self.run = self.runner()

    def runner(self) -> ErasureRun:
        """As after a start of the process."""
        return ErasureRun(
            stores=self.stores,
            gate=self.cell.gate,
            clock=self.cell.clock,
            erase_document=erase_document,
            signer=memory_erasure_signer(),
            settle_seconds=0.0,
            fetched_seconds=0.0,
        )

    async def ask(
        self, kind: ErasureKind, target: object = "", by: Caller | None = None, account: str | None = None
    ) -> Erasure:
        return await self.book.request(by or self.cell.admin, Wanted(kind, str(target), "request-7", account))

    async def erase(self, kind: ErasureKind, target: object = "", **rest: Any) -> Erasure:
        """Ask and carry out; the erasure as it is afterwards."""
        asked = await self.ask(kind, target, **rest)
        await self.run.run_due()
        return await self.now(asked)

    async def now(self, erasure: Erasure) -> Erasure:
        async with self.database.reading() as unit:
            return await unit.erasures.get(erasure.id)

    async def talk(self, by: Caller, *documents: UUID, subjects: frozenset[bytes] = frozenset()) -> Conversation:
        """A conversation with one exchange, made from those documents."""
        about = About(frozenset(documents), subjects, self.cell.clock.now())
        conversation = await self.history.begin(by, "Question?", about)
        await self.history.add(conversation, self.cell.clock.new_id(), BODY, about)
        return conversation

    async def conversations(self, of: Principal, tenant_id: UUID = ACME.id) -> set[UUID]:
        async with self.database.reading() as unit:
            return {each.id for each in await unit.conversations.of_principal(tenant_id, of.id)}

    async def key_of(self, account: Principal) -> UUID:
        """The id of the account's own data key, which is in the key store by then."""
        async with self.database.reading() as unit:
            profile = (await unit.principals.get(account.id)).profile
        assert profile is not None
        if not await self.ring.open_existing(account.tenant_id, frozenset({profile.data_key_id})):
            await self.ring.create(account.tenant_id, [profile.data_key_id])
        return profile.data_key_id

    def blobs_of(self, document_id: UUID) -> list[str]:
        return [key for key in self.cell.blobs.blobs if str(document_id) in key]


def forbidding(erasing: Erasing, resource: str) -> None:
    """From now on policy forbids the cell to erase that."""
    schema_text, sources = shipped_sources()
    forbid = f'@id("keep") @reason("We keep it.") forbid (principal, action == Action::"erasure:run", {resource});'
    bundle = PolicyBundle.parse(schema_text, {**sources, "own.cedar": forbid}, regions=shipped_regions())
    erasing.cell.gate._in_force = PoliciesInForce(DecisionPoint(bundle))


BODY = ExchangeBody("Question?", "Answer.", True, True, "scripted", "eu-de")


def counts(erasure: Erasure) -> dict[str, tuple[int, int, int]]:
    """By store what its receipt says: before, removed, found after. Each is verified."""
    published = memory_receipts(FIXED).published
    statements = verify(erasure.receipts or b"", published.verify_key, cell="test", region="eu-de")
    assert json.loads(erasure.receipts or b"")
    return {each.store.value: (each.before, each.removed, each.found_after) for each in statements}


class _Never:
    """A clock that nobody reads."""

    def now(self) -> Any:
        raise AssertionError

    def new_id(self) -> Any:
        raise AssertionError


FIXED: Any = _Never()
