"""What the operator's commands need: the database, and who may do what in it. Opens no index and loads no model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from domicile.access.administration import Administration
from domicile.access.egress import EgressLedger
from domicile.access.explain import Explanations
from domicile.access.gate import Gate
from domicile.access.inforce import PoliciesInForce, PolicyRefresh
from domicile.access.journal import Journal
from domicile.access.policies import TenantPolicyBook
from domicile.access.profiles import Profiles
from domicile.access.replay import Replay
from domicile.access.residency import ResidencyView
from domicile.access.transfers import TransferRegister
from domicile.adapters.db.audit_store import SqlAuditLog
from domicile.adapters.db.key_move import copy_keys
from domicile.adapters.db.migrate import KEYS, revisions, upgrade
from domicile.adapters.egress.guard import PROCESS_GUARD
from domicile.adapters.egress.outbound import Outbound
from domicile.adapters.identity.argon2 import Argon2Hasher
from domicile.adapters.identity.clock import SystemClock
from domicile.adapters.keys.file_provider import FileKeyProvider
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.adapters.lock.folder import FolderLock, Holder
from domicile.bootstrap.erasures import erasure_book
from domicile.bootstrap.keys import ProviderState, opened_providers, own_key_file, provider_states, require_usable, rotation
from domicile.bootstrap.outbound import checked_outbound
from domicile.bootstrap.policies import load_bundle, load_unverified
from domicile.bootstrap.receipts import receipt_key_file
from domicile.bootstrap.residency import cell_region, component_regions, inventory
from domicile.bootstrap.retention import retention_book, retention_run
from domicile.bootstrap.signing import required_signers
from domicile.bootstrap.stores import check_jobs, database, database_access, is_embedded, key_store, key_store_access
from domicile.config import Settings, load_settings, resource_dir
from domicile.domain.errors import ConfigurationError
from domicile.domain.principals import Caller
from domicile.domain.values import Region
from domicile.lifecycle.erasures import ErasureBook
from domicile.lifecycle.holds import LegalHolds
from domicile.lifecycle.retention import RetentionBook
from domicile.lifecycle.retention_run import RetentionRun, keys_only
from domicile.lifecycle.rotation import Rotation
from domicile.policy.decision import DecisionPoint
from domicile.ports.key_store import KeyStore
from domicile.ports.keys import KeyProvider


@dataclass(frozen=True, slots=True)
class Office:
    """Administration, policies, the audit log and the transfer register of one cell."""

    administration: Administration
    journal: Journal
    policies: TenantPolicyBook
    transfers: TransferRegister
    explanations: Explanations
    replay: Replay
    holds: LegalHolds
    erasures: ErasureBook
    retention: RetentionBook
    retention_run: RetentionRun
    rotation: Rotation
    region: Region

    async def operator(self, tenant_slug: str) -> Caller:
        """The operator, acting on that tenant; raises ``NotFound``."""
        return self.administration.operator_caller(await self.administration.tenant(tenant_slug), SystemClock().now())


def decision_point(settings: Settings) -> DecisionPoint:
    """Policies of the cell, verified, parsed and checked; raises ``PolicyInvalid``."""
    return DecisionPoint(load_bundle(settings.policy_dir, required_signers(settings)), component_regions(settings))


def candidate_point(folder: Path, settings: Settings | None = None) -> DecisionPoint:
    """What would decide if the policies of that folder were in force here; raises ``PolicyInvalid``.

    They are not, so nobody has to have signed them yet.
    """
    settings = settings or load_settings()
    return DecisionPoint(load_unverified(folder), component_regions(settings))


@asynccontextmanager
async def open_office(settings: Settings | None = None) -> AsyncIterator[Office]:
    """For one command; works beside a running service."""
    settings = settings or load_settings()
    clock = SystemClock()
    decisions = decision_point(settings)
    outbound = checked_outbound(settings, decisions)
    require_cell(settings)
    store = database(settings, outbound)
    log = SqlAuditLog(store)
    hasher = Argon2Hasher()
    try:
        await store.ping()
        in_force = PoliciesInForce(decisions)
        refresh = PolicyRefresh(in_force, store)
        await refresh.refresh()
        gate = Gate(in_force, log, clock, cell_region(settings))
        async with _keys(settings, outbound) as keys:
            yield Office(
                administration=Administration(database=store, hasher=hasher, gate=gate, clock=clock, profiles=keys.profiles),
                journal=Journal(log=log, gate=gate),
                policies=TenantPolicyBook(database=store, gate=gate, in_force=in_force, refresh=refresh, clock=clock),
                transfers=TransferRegister(database=store, gate=gate, clock=clock),
                explanations=Explanations(database=store, gate=gate, profiles=keys.profiles),
                replay=Replay(database=store, log=log, gate=gate),
                holds=LegalHolds(database=store, keys=keys.ring, gate=gate, clock=clock),
                erasures=erasure_book(settings, store, keys.ring, gate, clock),
                retention=retention_book(settings, store, gate, clock),
                retention_run=retention_run(store, keys.ring, gate, clock, keys_only(keys.ring)),
                rotation=rotation(keys.store, keys.ring, keys.providers, gate),
                region=cell_region(settings),
            )
        await EgressLedger(PROCESS_GUARD, gate).flush()
    finally:
        await log.close()
        await hasher.close()
        await store.close()


async def initialise_cell(settings: Settings) -> None:
    """Make the folder, the root key and the database of a new cell. Does nothing to one that is complete.

    A root key is only made in a key file, and where there is no data yet: one that is missing beside data is lost, and a new
    one would hide that. Everywhere else it has to be there.
    """
    check_jobs(settings)
    outbound = checked_outbound(settings, decision_point(settings))
    _make_private(settings.data_dir)
    _make_private(settings.root_key_path.parent)
    key_file = own_key_file(settings)
    if key_file and not key_file.exists():
        if await _has_tenants(settings):
            raise _key_missing(key_file)
        key_file.create()
    async with opened_providers(settings, outbound) as providers:
        await require_usable(providers)
    receipt_key_file(settings).load_or_create()
    await upgrade_database(settings)


def residency_inventory(settings: Settings | None = None) -> ResidencyView:
    """Where each of the cell's components is, from the settings and policies alone: nothing is connected to.

    Raises ``ResidencyViolation``, naming every component that may not be used.
    """
    settings = settings or load_settings()
    decisions = decision_point(settings)
    shown = tuple(inventory(settings, decisions, SystemClock()))
    return ResidencyView(cell_region(settings).name, decisions.bundle.digest, shown, decisions.bundle.signed_by)


def require_cell(settings: Settings) -> None:
    """Raise ``ConfigurationError`` unless there is a cell that can be opened."""
    if not settings.data_dir.is_dir():
        raise ConfigurationError(f"There is no cell in {settings.data_dir}.", hint="Make one with 'domicile init'.")
    key_file = own_key_file(settings)
    if key_file and not key_file.exists():
        raise _key_missing(key_file)


async def key_provider_states(settings: Settings | None = None) -> list[ProviderState]:
    """Every key provider, asked now whether it could wrap a key."""
    settings = settings or load_settings()
    return await provider_states(settings, checked_outbound(settings, decision_point(settings)))


async def upgrade_database(settings: Settings | None = None) -> tuple[str | None, str]:
    """The schema before and after. Raises ``StoreHeld`` while a service has the cell."""
    settings = settings or load_settings()
    outbound = checked_outbound(settings, decision_point(settings))
    lock = hold(settings, "domicile db upgrade")
    try:
        await _upgrade_key_store(settings, outbound)
        access = database_access(settings, outbound)
        folder = resource_dir("migrations")
        async with _keys(settings, outbound) as keys:
            return await upgrade(
                access.url, folder=folder, password=access.password, tls=access.context, profiles=keys.profiles
            )
    finally:
        if lock:
            lock.release()


@dataclass(frozen=True, slots=True)
class _Keys:
    """What a command opens keys with."""

    store: KeyStore
    ring: StoredKeyRing
    providers: Mapping[str, KeyProvider]
    profiles: Profiles


@asynccontextmanager
async def _keys(settings: Settings, outbound: Outbound) -> AsyncIterator[_Keys]:
    """For one command. Connects to nothing before it is needed."""
    region, clock = cell_region(settings), SystemClock()
    async with opened_providers(settings, outbound) as providers:
        store = key_store(settings, outbound)
        ring = StoredKeyRing(store=store, providers=providers, region=region, clock=clock)
        try:
            yield _Keys(store, ring, providers, Profiles(keys=ring, clock=clock, region=region))
        finally:
            await ring.close()
            await store.close()


async def _upgrade_key_store(settings: Settings, outbound: Outbound) -> None:
    """Before the database, whose migration drops the keys that are still there."""
    access, folder = key_store_access(settings, outbound), resource_dir("migrations")
    await upgrade(access.url, folder=folder, password=access.password, schema=KEYS, tls=access.context)
    store, data = key_store(settings, outbound), database(settings, outbound)
    try:
        await copy_keys(data, store)
    finally:
        await data.close()
        await store.close()


async def database_revisions(settings: Settings | None = None) -> tuple[str | None, str]:
    """The schema that the database has, and the one that this version needs."""
    settings = settings or load_settings()
    outbound = checked_outbound(settings, decision_point(settings))
    access = database_access(settings, outbound)
    return await revisions(access.url, password=access.password, tls=access.context)


def hold(settings: Settings, command: str, url: str = "") -> FolderLock | None:
    """The cell's lock, where only one process may have it; raises ``StoreHeld``, naming the process that does."""
    if not is_embedded(settings):
        return None
    return FolderLock.acquire(settings.data_dir, Holder.this_process(command, url))


async def _has_tenants(settings: Settings) -> bool:
    outbound = checked_outbound(settings, decision_point(settings))
    access = database_access(settings, outbound)
    if (await revisions(access.url, password=access.password, tls=access.context))[0] is None:
        return False
    store = database(settings, outbound)
    try:
        async with store.reading() as unit:
            return bool(await unit.tenants.all())
    finally:
        await store.close()


def _make_private(folder: Path) -> None:
    """A folder for this user only. One that exists keeps its mode: it may be a mount that somebody else set up."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _key_missing(key_file: FileKeyProvider) -> ConfigurationError:
    return ConfigurationError(
        f"The root key {key_file.path} is missing.",
        hint="Restore it from its backup; without it the cell's content cannot be read. 'domicile init' makes a new cell's.",
    )
