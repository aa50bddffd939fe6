"""The key providers of a cell, built from its settings: its own, and those that tenants bring."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from domicile.access.gate import Gate
from domicile.adapters.egress.outbound import Outbound
from domicile.adapters.keys.file_provider import FileKeyProvider
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.adapters.keys.rotation import StoredKeyRotation
from domicile.bootstrap.health import OK
from domicile.bootstrap.provider_file import Entry, FileEntry, KmsEntry, Pkcs11Entry, VaultEntry, provider_entries
from domicile.bootstrap.residency import shown_provider, way
from domicile.config import Settings, read_secret
from domicile.domain.errors import ConfigurationError, DomicileError, KeyProviderUnavailable
from domicile.domain.values import Region
from domicile.lifecycle.rotation import Rotation
from domicile.ports.key_store import KeyStore
from domicile.ports.keys import ROOT_PROVIDER, KeyProvider


@dataclass(frozen=True, slots=True)
class ProviderState:
    """A provider as the operator sees it. ``state`` is ``ok`` or the slug of what is wrong, which ``detail`` says."""

    name: str
    kind: str
    region: str
    address: str
    state: str
    detail: str


def key_providers(settings: Settings, outbound: Outbound) -> dict[str, KeyProvider]:
    """Every provider by its name, the cell's own among them as ``ROOT_PROVIDER``. Connects to none of them.

    Raises ``ConfigurationError``. Whoever has them made closes each.
    """
    return {each.name: _provider(each, outbound) for each in provider_entries(settings)}


def own_key_file(settings: Settings) -> FileKeyProvider | None:
    """The cell's own provider where that is a key file, which is made with the cell; None for any other kind."""
    own = provider_entries(settings)[0]
    return FileKeyProvider(Path(own.path), Region(own.region)) if isinstance(own, FileEntry) else None


@asynccontextmanager
async def opened_providers(settings: Settings, outbound: Outbound) -> AsyncIterator[dict[str, KeyProvider]]:
    """As ``key_providers``, each closed in the end."""
    providers = key_providers(settings, outbound)
    try:
        yield providers
    finally:
        for provider in providers.values():
            await provider.close()


async def require_usable(providers: Mapping[str, KeyProvider]) -> None:
    """Raise what the operator has to put right before the cell can start.

    That one which a tenant brought is not reached is not that: it may come back, and the other tenants do without it. All of
    them are asked at once, so that the start waits for the slowest one only.
    """

    async def check(provider: KeyProvider) -> None:
        with suppress(KeyProviderUnavailable):
            await provider.ping()

    await providers[ROOT_PROVIDER].ping()
    await asyncio.gather(*(check(provider) for name, provider in providers.items() if name != ROOT_PROVIDER))


async def provider_states(settings: Settings, outbound: Outbound) -> list[ProviderState]:
    """All of them, each asked now whether it could wrap a key."""
    async with opened_providers(settings, outbound) as providers:
        asked = await asyncio.gather(*(_state(each) for each in providers.values()))
    entries = provider_entries(settings)
    return [
        ProviderState(each.name, each.kind, each.region, shown_provider(each), state, detail)
        for each, (state, detail) in zip(entries, asked, strict=True)
    ]


def rotation(store: KeyStore, ring: StoredKeyRing, providers: Mapping[str, KeyProvider], gate: Gate) -> Rotation:
    """Replacing the keys that those providers and that ring hold."""
    keys = StoredKeyRotation(store=store, ring=ring, region=gate.cell_region)
    return Rotation(keys=keys, providers={name: each.region for name, each in providers.items()}, gate=gate)


async def _state(provider: KeyProvider) -> tuple[str, str]:
    try:
        await provider.ping()
    except DomicileError as error:
        return error.slug, str(error)
    return OK, ""


def _provider(entry: Entry, outbound: Outbound) -> KeyProvider:
    """Libraries are imported where they are used: most cells have a key file, and none has all of them."""
    match entry:
        case FileEntry():
            return FileKeyProvider(Path(entry.path), Region(entry.region), entry.name)
        case Pkcs11Entry():
            return _pkcs11(entry)
        case KmsEntry():
            return _kms(entry, outbound)
        case VaultEntry():
            return _vault(entry, outbound)


def _pkcs11(entry: Pkcs11Entry) -> KeyProvider:
    from domicile.adapters.keys.pkcs11_provider import Pkcs11KeyProvider

    _required_secret(entry.pin_file)
    region, module = Region(entry.region), Path(entry.module)
    return Pkcs11KeyProvider(entry.name, region, module, entry.token_label, lambda: read_secret(Path(entry.pin_file)))


def _kms(entry: KmsEntry, outbound: Outbound) -> KeyProvider:
    from domicile.adapters.keys.aws_kms import AwsKmsProvider, KmsAccount

    account = KmsAccount(
        endpoint=outbound.way_to(way(entry)),
        signing_region=entry.signing_region,
        access_key_id=entry.access_key_id,
        secret_access_key=_required_secret(entry.secret_key_file),
        ca_file=_required_file(entry.ca_file),
    )
    return AwsKmsProvider(entry.name, Region(entry.region), account, entry.key_id, entry.older_key_ids)


def _vault(entry: VaultEntry, outbound: Outbound) -> KeyProvider:
    from domicile.adapters.keys.vault import TransitKey, VaultTransitProvider

    _required_secret(entry.token_file)
    key = TransitKey(
        address=outbound.way_to(way(entry)), mount=entry.mount, key=entry.key_name, ca_file=_required_file(entry.ca_file)
    )
    return VaultTransitProvider(entry.name, Region(entry.region), key, lambda: read_secret(Path(entry.token_file)))


def _required_secret(file: str) -> str:
    """Raises ``ConfigurationError`` if there is nothing in it."""
    secret = read_secret(Path(file))
    if not secret:
        raise ConfigurationError(f"The secret file {file} is empty.", hint="Put the secret into it.")
    return secret


def _required_file(file: str) -> str:
    if file and not Path(file).is_file():
        raise ConfigurationError(f"The file of certificates {file} is not there.", hint="Check its path.")
    return file
