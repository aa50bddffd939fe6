"""A whole cell: every use case, over the adapters that the settings choose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from domicile.access.administration import Administration
from domicile.access.gate import Gate
from domicile.access.identity import Identity
from domicile.access.journal import Journal
from domicile.adapters.db.audit_store import SqlAuditLog
from domicile.adapters.identity.argon2 import Argon2Hasher
from domicile.adapters.identity.clock import SystemClock
from domicile.adapters.telemetry.instrumented import InstrumentedAuditLog, InstrumentedEmbedder, InstrumentedIndex
from domicile.adapters.telemetry.logs import configure_logs
from domicile.adapters.telemetry.tracing import OpenTelemetry, otlp_exporters
from domicile.answers.conversations import Conversations
from domicile.answers.service import Answers
from domicile.bootstrap.health import Health
from domicile.bootstrap.models import Models, open_models
from domicile.bootstrap.office import decision_point, hold, require_cell
from domicile.bootstrap.residency import cell_region, check_residency
from domicile.bootstrap.stores import blob_store, check_jobs, database, key_provider, vector_index
from domicile.config import Settings
from domicile.domain.values import Region
from domicile.ingestion.drafts import IntakeLimits
from domicile.ingestion.intake import Intake
from domicile.ingestion.progress import Progress
from domicile.ingestion.stores import Stores
from domicile.ingestion.withdrawal import Withdrawal
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
    gate: Gate
    identity: Identity
    administration: Administration
    journal: Journal
    intake: Intake
    progress: Progress
    withdrawal: Withdrawal
    search: Search
    library: Library
    answers: Answers
    conversations: Conversations
    health: Health
