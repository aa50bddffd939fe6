"""Durable audit events per second on SQLite with 64 concurrent writers, and the reads on every request's way.

``floor`` is the same machine in the same minute with a commit for each event, which is what group commit is for.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from tests.benchmarks.places import scratch
from tests.benchmarks.table import Row, at_least
from tests.fakes import people

from domicile.adapters.db.audit_store import SqlAuditLog
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.migrate import upgrade
from domicile.adapters.identity.clock import SystemClock
from domicile.audit.events import AuditEvent, Outcome
from domicile.config import resource_dir
from domicile.domain.actions import Action
from domicile.domain.documents import Document, DocumentVersion
from domicile.domain.principals import ApiKey, Grant

WRITERS = 64
SECONDS = 3.0
TARGET = 3_000
READS = 400
CLOCK = SystemClock()
ACME = people.tenant("acme")
HANDBOOK = people.collection("handbook", ACME)
FINANCE = people.group("finance", ACME)
MIA = people.principal("mia", ACME, groups=[FINANCE.id])


def event() -> AuditEvent:
    """An event as a search leaves it, with eight passages."""
    return AuditEvent(
        id=CLOCK.new_id(),
        time=CLOCK.now(),
        tenant_id=ACME.id,
        principal_id=MIA.id,
        credential_id=MIA.id,
        method="api-key",
        access_region="eu-de",
        action=Action.SEARCH_CREATE,
        resource=f"tenant:{ACME.id}",
        documents=(ACME.id,) * 4,
        chunks=(ACME.id,) * 8,
        outcome=Outcome.PERMITTED,
        policies=("members-read",),
        bundle_digest="ab" * 32,
        request_id="request",
    )


def run() -> list[Row]:
    with scratch() as folder:
        return asyncio.run(_measure(f"sqlite+aiosqlite:///{folder}/domicile.sqlite3"))


async def _measure(url: str) -> list[Row]:
    await upgrade(url, folder=resource_dir("migrations"))
    database = SqlDatabase(url)
    log = SqlAuditLog(database)
    document_ids = await _fill(database)

    async def one_commit_each() -> None:
        async with database.writing() as unit:
            await unit.audit.append(event())
            await unit.commit()

    floor = await _rate(one_commit_each)
    grouped = await _rate(lambda: log.append(event()))
    alone = await _median(lambda: log.append(event()))
    rows = [
        at_least("audit: durable events per second, 64 writers, SQLite", grouped, TARGET, "1/s"),
        Row("  the same with a commit each", floor, "1/s", ratio=grouped / floor, against="it with group commit"),
        Row("  audit event, one caller, p50", alone, "ms"),
        *await _reads(database, document_ids),
    ]
    await log.close()
    await database.close()
    return rows


async def _rate(write: Callable[[], Awaitable[None]]) -> float:
    """Events per second with every writer writing its next as soon as its last is durable."""
    end = time.perf_counter() + SECONDS
    written = 0

    async def writer() -> None:
        nonlocal written
        while time.perf_counter() < end:
            await write()
            written += 1

    started = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(WRITERS)))
    return written / (time.perf_counter() - started)


async def _median(call: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds."""
    took = []
    for _ in range(READS):
        started = time.perf_counter()
        await call()
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


async def _reads(database: SqlDatabase, document_ids: list[UUID]) -> list[Row]:
    """Each in a unit of work of its own, as a request does it."""

    async def documents() -> None:
        async with database.reading() as unit:
            await unit.documents.many(document_ids[:10], ACME.id)

    async def principal() -> None:
        async with database.reading() as unit:
            await unit.principals.get(MIA.id)

    async def api_key() -> None:
        async with database.reading() as unit:
            await unit.credentials.api_key(b"h" * 32)

    return [
        Row("  documents.many of 10, p50", await _median(documents), "ms"),
        Row("  principals.get, p50", await _median(principal), "ms"),
        Row("  credentials.api_key, p50", await _median(api_key), "ms"),
    ]


async def _fill(database: SqlDatabase) -> list[UUID]:
    documents = [_document(number) for number in range(2_000)]
    async with database.writing() as unit:
        await unit.tenants.add(ACME)
        await unit.collections.add(HANDBOOK)
        await unit.principals.add_group(FINANCE)
        await unit.principals.add(MIA, None)
        key = ApiKey(CLOCK.new_id(), ACME.id, MIA.id, "bench", "dk_bench", Grant(), CLOCK.now())
        await unit.credentials.add_api_key(key, b"h" * 32)
        for document in documents:
            await unit.documents.publish(document)
        await unit.commit()
    return [document.id for document in documents[:: len(documents) // 10]]


def _document(number: int) -> Document:
    attributes = people.document(f"d{number}", ACME, groups=[FINANCE.id])
    version = DocumentVersion(
        CLOCK.new_id(), attributes.document_id, CLOCK.new_id(), b"c" * 32, b"t" * 200, 10_000, 20, CLOCK.now()
    )
    return Document(attributes, attributes.document_id.bytes, version, CLOCK.now())
