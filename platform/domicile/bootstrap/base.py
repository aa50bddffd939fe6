"""The adapters that a cell is built on, as its settings choose them: opened, and closed again in the opposite order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from domicile.access.gate import Gate
from domicile.access.inforce import PoliciesInForce, PolicyRefresh
from domicile.access.standing import StandingFlows
from domicile.adapters.db.audit_store import SqlAuditLog
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.egress.outbound import Outbound
from domicile.adapters.identity.clock import SystemClock
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.adapters.telemetry.instrumented import (
    InstrumentedAuditLog,
    InstrumentedEmbedder,
    InstrumentedIndex,
)
from domicile.adapters.telemetry.tracing import OpenTelemetry, otlp_exporters
from domicile.bootstrap.background import in_background
from domicile.bootstrap.conversion import convert
from domicile.bootstrap.keys import key_providers, require_usable
from domicile.bootstrap.models import sparse_encoder, verified
from domicile.bootstrap.residency import cell_region, standing_flows
from domicile.bootstrap.stores import blob_store, database, key_store, point_store, sealed_index
from domicile.bootstrap.tls import tls_towards
from domicile.config import Settings
from domicile.ingestion.pipeline import Models
from domicile.ingestion.stores import Stores
from domicile.policy.decision import DecisionPoint
from domicile.ports.key_store import KeyStore
from domicile.ports.keys import KeyProvider


@dataclass(frozen=True, slots=True)
class Base:
    """The adapters that everything is built on, open."""

    clock: SystemClock
    outbound: Outbound
    telemetry: OpenTelemetry
    database: SqlDatabase
    providers: Mapping[str, KeyProvider]
    key_store: KeyStore
    ring: StoredKeyRing
    audit_log: SqlAuditLog
    gate: Gate
    in_force: PoliciesInForce
    refresh: PolicyRefresh
    standing: StandingFlows
    stores: Stores
    models: Models


async def opened(settings: Settings, decisions: DecisionPoint, outbound: Outbound, stack: AsyncExitStack) -> Base:
    """Open stores and models; ``stack`` closes them again in the opposite order."""
    clock, region = SystemClock(), cell_region(settings)
    telemetry = _telemetry(settings, outbound)
    stack.callback(telemetry.close)
    providers = key_providers(settings, outbound)
    for provider in providers.values():
        stack.push_async_callback(provider.close)
    await require_usable(providers)
    store = database(settings, outbound)
    stack.push_async_callback(store.close)
    await store.ping()
    in_force = PoliciesInForce(decisions)
    refresh = PolicyRefresh(in_force, store)
    await refresh.refresh()
    audit_log = SqlAuditLog(store)
    stack.push_async_callback(audit_log.close)
    gate = Gate(in_force, InstrumentedAuditLog(audit_log, telemetry), clock, region)
    # The database has to be open for that, and it is the first thing that is written there; nothing else is open yet.
    standing = StandingFlows(standing_flows(settings), database=store, gate=gate, clock=clock)
    await standing.enter()
    key_rows = key_store(settings, outbound)
    stack.push_async_callback(key_rows.close)
    await key_rows.ping()
    keys = StoredKeyRing(store=key_rows, providers=providers, region=region, clock=clock)
    stack.push_async_callback(keys.close)
    in_background(stack, keys.keep_following())
    weights, embedder = await asyncio.to_thread(verified, settings)
    stack.push_async_callback(embedder.close)
    # Both take seconds, and neither needs the other.
    (points, clear), _ = await asyncio.gather(asyncio.to_thread(point_store, settings, embedder, outbound), embedder.load())
    stack.push_async_callback(points.close)
    index = sealed_index(settings, points, store, keys, embedder.dimensions)
    await convert(clear, index)
    return Base(
        clock=clock,
        outbound=outbound,
        telemetry=telemetry,
        database=store,
        providers=providers,
        key_store=key_rows,
        ring=keys,
        audit_log=audit_log,
        in_force=in_force,
        refresh=refresh,
        gate=gate,
        standing=standing,
        stores=Stores(store, keys, blob_store(settings, outbound), InstrumentedIndex(index, telemetry)),
        models=Models(InstrumentedEmbedder(embedder, telemetry), sparse_encoder(settings), weights),
    )


def _telemetry(settings: Settings, outbound: Outbound) -> OpenTelemetry:
    if not settings.otlp_endpoint:
        return OpenTelemetry(settings.cell, settings.region)
    endpoint = outbound.way_to("telemetry")
    return OpenTelemetry(settings.cell, settings.region, *otlp_exporters(endpoint, tls_towards(settings, endpoint)))
