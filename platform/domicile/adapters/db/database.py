"""One database, SQLite or PostgreSQL, and its units of work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ssl import SSLContext
from types import TracebackType
from typing import Self

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domicile.adapters.db import postgres, sqlite
from domicile.adapters.db.address import database_address
from domicile.adapters.db.audit_rows import SqlAuditAppender
from domicile.adapters.db.collections import SqlCollections
from domicile.adapters.db.conversations import SqlConversations, SqlIdempotency
from domicile.adapters.db.credentials import SqlCredentials
from domicile.adapters.db.documents import SqlDocuments
from domicile.adapters.db.erasing import SqlErasing
from domicile.adapters.db.erasures import SqlErasures
from domicile.adapters.db.holds import SqlHolds
from domicile.adapters.db.jobs import SqlJobs
from domicile.adapters.db.keys import SqlDoomedKeys
from domicile.adapters.db.people import SqlPrincipals, SqlTenants
from domicile.adapters.db.policies import SqlTenantPolicies
from domicile.adapters.db.retention import SqlRetention
from domicile.adapters.db.revision import check_revision, current_revision
from domicile.adapters.db.subjects import SqlSubjects
from domicile.adapters.db.transaction import Transaction, transaction
from domicile.adapters.db.transfers import SqlTransfers
from domicile.ports.lifecycle import (
    DoomedKeyRepository,
    ErasingRepository,
    ErasureRepository,
    HoldRepository,
    RetentionRepository,
)
from domicile.ports.repositories import (
    AuditAppender,
    CollectionRepository,
    ConversationRepository,
    CredentialRepository,
    DocumentRepository,
    IdempotencyRepository,
    JobRepository,
    PrincipalRepository,
    SubjectRepository,
    TenantPolicyRepository,
    TenantRepository,
    TransferRepository,
)

#: Seconds that SQLite waits for a writer in another process before it says that the database is locked.
BUSY_SECONDS = 10.0


# The number is "WORK" in ASCII, apart from other locks in the same database.
_ALONE = text("SELECT pg_try_advisory_xact_lock(1464816203, hashtext(:work))")


class SqlUnitOfWork:
    """Implements ``UnitOfWork``."""

    tenants: TenantRepository
    principals: PrincipalRepository
    credentials: CredentialRepository
    collections: CollectionRepository
    documents: DocumentRepository
    subjects: SubjectRepository
    jobs: JobRepository
    doomed_keys: DoomedKeyRepository
    conversations: ConversationRepository
    idempotency: IdempotencyRepository
    policies: TenantPolicyRepository
    transfers: TransferRepository
    holds: HoldRepository
    retention: RetentionRepository
    erasures: ErasureRepository
    erasing: ErasingRepository
    audit: AuditAppender

    def __init__(self, opening: AbstractAsyncContextManager[Transaction], *, writes: bool = False) -> None:
        self._opening = opening
        self._writes = writes

    async def __aenter__(self) -> Self:
        self._transaction = open_ = await self._opening.__aenter__()
        self.tenants = SqlTenants(open_)
        self.principals = SqlPrincipals(open_)
        self.credentials = SqlCredentials(open_)
        self.collections = SqlCollections(open_)
        self.documents = SqlDocuments(open_)
        self.subjects = SqlSubjects(open_)
        self.jobs = SqlJobs(open_)
        self.doomed_keys = SqlDoomedKeys(open_)
        self.conversations = SqlConversations(open_)
        self.idempotency = SqlIdempotency(open_)
        self.policies = SqlTenantPolicies(open_)
        self.transfers = SqlTransfers(open_)
        self.holds = SqlHolds(open_, writes=self._writes)
        self.retention = SqlRetention(open_)
        self.erasures = SqlErasures(open_)
        self.erasing = SqlErasing(open_)
        self._entries = self.audit = SqlAuditAppender(open_)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opening.__aexit__(kind, error, trace)

    async def commit(self) -> None:
        """The audit entries go last, so that others who append wait for this commit only, not for the whole unit."""
        await self._entries.write_and_commit()


class SqlDatabase:
    """Implements ``Database``. Belongs to one event loop. Connects when it is first used."""

    def __init__(
        self, url: str, *, password: str = "", tls: SSLContext | None = None, busy_seconds: float = BUSY_SECONDS
    ) -> None:
        """The URL is ``sqlite+aiosqlite:///PATH`` or ``postgresql+asyncpg://USER@HOST/NAME``.

        The password goes beside it, so that no URL in a log can hold it. With ``tls`` every connection to PostgreSQL is
        verified by it, or fails. Raises ``ConfigurationError`` for another URL.
        """
        address = database_address(url, password)
        self._turn: asyncio.Lock | None = None
        self._works: set[str] = set()
        self._closed = False
        if address.get_backend_name() == "sqlite":
            path = address.database or ""
            self._reading = sqlite.reading_engine(path, busy_seconds)
            self._writing = sqlite.writing_engine(path, busy_seconds)
            self._turn = asyncio.Lock()
        else:
            self._writing = postgres.writing_engine(address, tls)
            self._reading = postgres.reading_engine(self._writing)

    def reading(self) -> SqlUnitOfWork:
        return SqlUnitOfWork(self.reading_transaction())

    def writing(self) -> SqlUnitOfWork:
        return SqlUnitOfWork(self.writing_transaction(), writes=True)

    def reading_transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A bare transaction, for this adapter's own statements."""
        return transaction(self._reading, closing=self._is_closed)

    def writing_transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A bare transaction that may write, in the same queue as the units of work."""
        return transaction(self._writing, self._turn, closing=self._is_closed)

    @asynccontextmanager
    async def alone(self, work: str) -> AsyncIterator[bool]:
        """On PostgreSQL across processes, by a lock that lasts as long as its connection; on SQLite within this one."""
        if work in self._works:
            yield False
            return
        self._works.add(work)
        try:
            if self._turn is not None:
                yield True
                return
            async with self.writing_transaction() as open_:
                row = await open_.first(_ALONE, {"work": work})
                yield bool(row and row[0])
        finally:
            self._works.discard(work)

    async def ping(self) -> None:
        """Also raises ``SchemaNewer``, for a database that a later version has upgraded."""
        async with self.reading_transaction() as open_:
            check_revision(await current_revision(open_))

    async def close(self) -> None:
        """What is in a transaction now may end it, and closes its connection then."""
        self._closed = True
        for engine in self._engines():
            await engine.dispose()

    def _is_closed(self) -> bool:
        return self._closed

    def _engines(self) -> tuple[AsyncEngine, ...]:
        # PostgreSQL's two engines share one pool, which is disposed of once.
        return (self._writing,) if self._turn is None else (self._reading, self._writing)
