"""A whole cell: every use case, over the adapters that the settings choose."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from domicile.access.administration import Administration
from domicile.access.egress import EgressLedger
from domicile.access.explain import Explanations
from domicile.access.identity import Identity
from domicile.access.journal import Journal
from domicile.access.places import Places
from domicile.access.policies import TenantPolicyBook
from domicile.access.profiles import Profiles
from domicile.access.residency import Inventory
from domicile.access.signposts import Signposts
from domicile.access.standing import StandingFlows
from domicile.access.transfers import TransferRegister
from domicile.adapters.egress.guard import PROCESS_GUARD
from domicile.adapters.egress.outbound import Outbound
from domicile.adapters.identity.argon2 import Argon2Hasher
from domicile.adapters.jobs.dbos_queue import DbosJobQueue
from domicile.adapters.parsers.confined import ConfinedParser
from domicile.adapters.scratch.sealed import SealedScratchRoom
from domicile.adapters.telemetry.instrumented import (
    InstrumentedGenerator,
    InstrumentedParser,
)
from domicile.adapters.telemetry.logs import configure_logs
from domicile.adapters.telemetry.tracing import OpenTelemetry
from domicile.answers.conversations import Conversations
from domicile.answers.history import History
from domicile.answers.portable import PortableConversations, Talk
from domicile.answers.service import Answers
from domicile.bootstrap.background import in_background, keep_in_bounds, keep_swept
from domicile.bootstrap.base import Base, opened
from domicile.bootstrap.erasures import erasure_book, erasure_run, restored
from domicile.bootstrap.health import Health
from domicile.bootstrap.importing import import_limits, taking
from domicile.bootstrap.keys import rotation
from domicile.bootstrap.models import generator
from domicile.bootstrap.office import decision_point, hold, require_cell
from domicile.bootstrap.outbound import checked_outbound, places, region_url
from domicile.bootstrap.receipts import receipts
from domicile.bootstrap.reload import PlatformReload
from domicile.bootstrap.residency import cell_caller, placed
from domicile.bootstrap.retention import retention_book, retention_run
from domicile.bootstrap.stores import check_jobs, database_access
from domicile.config import Settings
from domicile.domain.values import Region
from domicile.ingestion.drafts import IntakeLimits
from domicile.ingestion.intake import Intake
from domicile.ingestion.pipeline import Pipeline
from domicile.ingestion.progress import Progress
from domicile.ingestion.removal import Leftovers
from domicile.ingestion.withdrawal import Withdrawal
from domicile.lifecycle.erasures import ErasureBook
from domicile.lifecycle.export import Exports, Maker
from domicile.lifecycle.holds import LegalHolds
from domicile.lifecycle.importing import BringIn, Imports
from domicile.lifecycle.opening import Opener
from domicile.lifecycle.reencryption import Reencryption
from domicile.lifecycle.retention import RetentionBook
from domicile.lifecycle.retention_run import RetentionRun
from domicile.lifecycle.rotation import Rotation
from domicile.ports.keys import ROOT_PROVIDER
from domicile.ports.repositories import Database
from domicile.retrieval.library import Library
from domicile.retrieval.retriever import Retriever
from domicile.retrieval.search import Search


@dataclass(frozen=True, slots=True)
class Cell:
    """What the service and the commands work with."""

    settings: Settings
    region: Region
    telemetry: OpenTelemetry
    database: Database
    identity: Identity
    administration: Administration
    journal: Journal
    explanations: Explanations
    inventory: Inventory
    policies: TenantPolicyBook
    reload: PlatformReload
    places: Places
    signposts: Signposts
    transfers: TransferRegister
    standing: StandingFlows
    intake: Intake
    progress: Progress
    withdrawal: Withdrawal
    search: Search
    library: Library
    answers: Answers
    conversations: Conversations
    exports: Exports[Talk]
    imports: Imports
    rotation: Rotation
    reencryption: Reencryption
    holds: LegalHolds
    erasures: ErasureBook
    retention: RetentionBook
    health: Health


@asynccontextmanager
async def open_cell(settings: Settings, *, command: str, url: str = "", run_jobs: bool) -> AsyncIterator[Cell]:
    """The cell, until the block ends. Everything that can be refused is refused before the first store is opened.

    ``command`` and ``url`` tell others who holds the cell. With ``run_jobs`` this process runs ingest jobs; otherwise it only
    takes them in.
    """
    configure_logs(settings.log_level)
    check_jobs(settings)
    decisions = decision_point(settings)
    outbound = checked_outbound(settings, decisions)
    outbound.permit_own(settings.host, settings.port)
    known_places = places(settings)
    require_cell(settings)
    async with AsyncExitStack() as stack:
        lock = hold(settings, command, url)
        if lock:
            stack.callback(lock.release)
        base = await opened(settings, decisions, outbound, stack)
        in_background(stack, base.refresh.keep_refreshed())
        pipeline, queue = await _job_runner(settings, base, stack, run_jobs=run_jobs)
        cell = await _assembled(settings, base, queue, known_places, stack)
        await restored(base.stores, base.key_store, base.gate, base.clock).reconcile()
        if run_jobs:
            await cell.intake.resume()
            erasures = erasure_run(settings, base.stores, base.key_store, base.gate, base.clock)
            in_background(stack, erasures.keep_running())
            in_background(stack, keep_swept(pipeline, erasures))
            in_background(stack, keep_in_bounds(_retention(base)))
        yield cell


async def _job_runner(
    settings: Settings, base: Base, stack: AsyncExitStack, *, run_jobs: bool
) -> tuple[Pipeline, DbosJobQueue]:
    """The queue, started, and the pipeline that it runs jobs with, if this process is to run any."""
    parser = ConfinedParser(
        memory_bytes=settings.parser_memory_bytes,
        cpu_seconds=settings.parser_cpu_seconds,
        wall_seconds=settings.parser_wall_seconds,
    )
    stack.push_async_callback(parser.close)
    pipeline = Pipeline(
        stores=base.stores,
        models=base.models,
        parser=InstrumentedParser(parser, base.telemetry),
        clock=base.clock,
        gate=base.gate,
    )
    queue = _queue(settings, base.outbound)
    stack.push_async_callback(queue.stop)
    await (queue.start(pipeline.run, pipeline.abandon) if run_jobs else queue.start())
    return pipeline, queue


async def _assembled(settings: Settings, base: Base, queue: DbosJobQueue, known_places: Places, stack: AsyncExitStack) -> Cell:
    """The use cases over the open adapters."""
    store, gate, clock, region = base.database, base.gate, base.clock, base.gate.cell_region
    keys, blobs, index = base.stores.keys, base.stores.blobs, base.stores.index
    hasher = Argon2Hasher()
    stack.push_async_callback(hasher.close)
    lifetime = timedelta(minutes=settings.session_minutes)
    profiles = Profiles(keys=keys, clock=clock, region=region)
    identity = Identity(database=store, hasher=hasher, gate=gate, clock=clock, profiles=profiles, session_lifetime=lifetime)
    stack.push_async_callback(identity.flush)
    in_background(stack, identity.keep_flushed())
    ledger = EgressLedger(PROCESS_GUARD, gate)
    stack.push_async_callback(ledger.flush)
    in_background(stack, ledger.keep_flushed())
    reload = PlatformReload(settings, base.in_force, base.refresh, gate, clock)
    in_background(stack, reload.keep_listening())
    retriever = Retriever(
        database=store,
        index=index,
        embedder=base.models.embedder,
        sparse=base.models.sparse,
        keys=keys,
        gate=gate,
        telemetry=base.telemetry,
        max_question_chars=settings.max_question_chars,
    )
    author = InstrumentedGenerator(generator(settings, base.models.embedder, region, base.outbound), base.telemetry)
    stack.push_async_callback(author.close)
    history = History(database=store, keys=keys, clock=clock, region=region)
    transfers = TransferRegister(database=store, gate=gate, clock=clock)
    signer = receipts(settings, base.models.embedder.model, clock)
    answers = Answers(
        retriever=retriever,
        generator=author,
        gate=gate,
        transfers=transfers,
        history=history,
        database=store,
        clock=clock,
        receipts=signer,
    )
    stack.push_async_callback(answers.close)
    reencryption = Reencryption(database=store, keys=keys, blobs=blobs, index=index, gate=gate, clock=clock)
    stack.push_async_callback(reencryption.close)
    limits = IntakeLimits(settings.max_document_bytes, settings.max_documents_per_request)
    intake = Intake(database=store, keys=keys, blobs=blobs, queue=queue, gate=gate, clock=clock, limits=limits)
    library = Library(database=store, blobs=blobs, keys=keys, gate=gate, clock=clock)
    portable = PortableConversations(history)
    return Cell(
        settings=settings,
        region=region,
        telemetry=base.telemetry,
        database=store,
        identity=identity,
        administration=Administration(database=store, hasher=hasher, gate=gate, clock=clock, profiles=profiles),
        journal=Journal(log=base.audit_log, gate=gate),
        explanations=Explanations(database=store, gate=gate, profiles=profiles),
        inventory=Inventory(components=placed(settings), gate=gate, cell=cell_caller(settings, clock)),
        policies=TenantPolicyBook(database=store, gate=gate, in_force=base.in_force, refresh=base.refresh, clock=clock),
        reload=reload,
        places=known_places,
        signposts=Signposts(database=store, gate=gate, url_of=region_url(base.in_force)),
        transfers=transfers,
        standing=base.standing,
        intake=intake,
        progress=Progress(database=store, keys=keys, gate=gate),
        withdrawal=Withdrawal(database=store, keys=keys, index=index, blobs=blobs, gate=gate),
        search=Search(retriever=retriever, gate=gate),
        library=library,
        answers=answers,
        conversations=Conversations(database=store, history=history, gate=gate),
        exports=Exports(
            database=store,
            opener=Opener(blobs, keys),
            log=base.audit_log,
            gate=gate,
            clock=clock,
            profiles=profiles,
            conversations=portable,
            maker=Maker(settings.cell, signer.signing_key),
        ),
        imports=Imports(
            database=store,
            gate=gate,
            transfers=transfers,
            profiles=profiles,
            bring=BringIn(taking(intake), library.create_collection),
            conversations=portable,
            room=SealedScratchRoom(settings.data_dir, region),
            limits=import_limits(settings),
        ),
        rotation=rotation(base.key_store, base.ring, base.providers, gate),
        reencryption=reencryption,
        holds=LegalHolds(database=store, keys=keys, gate=gate, clock=clock),
        erasures=erasure_book(settings, store, keys, gate, clock),
        retention=retention_book(settings, store, gate, clock),
        health=Health(
            {
                "database": store.ping,
                "key-store": base.key_store.ping,
                "vector-index": index.ping,
                "model": author.ping,
                "keys": base.providers[ROOT_PROVIDER].ping,
            }
        ),
    )


def _queue(settings: Settings, outbound: Outbound) -> DbosJobQueue:
    """Beside the cell's database: its own file on SQLite, its own schema on PostgreSQL."""
    if not settings.database_url:
        return DbosJobQueue(f"sqlite+aiosqlite:///{settings.data_dir / 'jobs.db'}")
    access = database_access(settings, outbound)
    # A worker that starts again takes up what it left; its host's name is what stays the same.
    return DbosJobQueue(access.url, password=access.password, tls=access.tls, executor_id=socket.gethostname())


def _retention(base: Base) -> RetentionRun:
    stores = base.stores
    leftovers = Leftovers(keys=stores.keys, index=stores.index, blobs=stores.blobs)
    return retention_run(stores.database, stores.keys, base.gate, base.clock, leftovers.discard)
