"""Replacing the keys that wrap others, while the cell serves: decided, recorded, and told batch by batch.

Obligations, labelled where they are met:

1. Every rotation is decided for the tenant whose keys it is about, and recorded before anything changes.
2. One that was interrupted is gone on with, and no further version is made before all is wrapped by the last.
3. An older version is destroyed only when nothing is wrapped by it: the store refuses otherwise.
4. A tenant's keys go to another provider only where policy lets that tenant's keys flow to the provider's region.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from domicile.access.gate import Gate
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError
from domicile.domain.principals import Caller
from domicile.domain.values import Region
from domicile.policy.request import Decision, EndpointResource, TenantResource
from domicile.ports.key_store import CELL
from domicile.ports.keys import ROOT_PROVIDER, KeyInventory, KeyRotation


@dataclass(frozen=True, slots=True)
class Progress:
    """How many keys are wrapped anew, and how many there are to do."""

    done: int
    total: int


class Rotation:
    """``providers`` are the configured ones, each with its region. Every method raises ``Forbidden`` as the gate does."""

    def __init__(self, *, keys: KeyRotation, providers: Mapping[str, Region], gate: Gate) -> None:
        self._keys = keys
        self._providers = providers
        self._gate = gate

    async def inventory(self, caller: Caller) -> KeyInventory:
        """What keys the caller's tenant has, and no key."""
        decision = await self._decided(caller, Action.KEY_READ)
        inventory = await self._keys.inventory(caller.tenant.id)
        await self._record(caller, Action.KEY_READ, decision, ("data_keys", inventory.data_keys))
        return inventory

    async def rotate(self, caller: Caller, provider: str | None = None) -> AsyncIterator[Progress]:
        """Give the tenant's key a new version, by another provider if one is named, and wrap every data key by it.

        Goes on with one that was interrupted; then no further version is made. Stop whenever you like.
        """
        decision = await self._decided(caller, Action.KEY_ROTATE)
        tenant_id = caller.tenant.id
        if provider is not None:
            await self._check_provider(caller, provider)  # (4)
        before = await self._keys.inventory(tenant_id)
        latest = before.versions[-1] if before.versions else None
        moves = provider is not None and (latest is None or latest.provider != provider)
        if not before.outdated or moves:  # (2)
            number = latest.version + 1 if latest else 2  # A first one is made before it, for what derives from that for good.
            await self._record(
                caller, Action.KEY_ROTATE, decision, ("begin_version", number), ("provider", provider or "")
            )  # (1)
            latest = await self._keys.begin(tenant_id, provider)
        total, done = (await self._keys.inventory(tenant_id)).outdated, 0
        yield Progress(0, total)
        async for count in self._keys.rewrap(tenant_id):
            done += count
            yield Progress(done, max(total, done))
        version = latest.version if latest else 1
        await self._record(caller, Action.KEY_ROTATE, decision, ("version", version), ("rewrapped", done))

    async def renew(self, caller: Caller) -> int:
        """Have the tenant's key wrapped by the newest root key of its provider; gives how many versions were not."""
        decision = await self._decided(caller, Action.KEY_ROTATE)
        await self._record(caller, Action.KEY_ROTATE, decision, ("begin", "renewal"))  # (1)
        renewed = await self._keys.renew(caller.tenant.id)
        await self._record(caller, Action.KEY_ROTATE, decision, ("renewed", renewed))
        return renewed

    async def set_minimum(self, caller: Caller, version: int) -> int:
        """Destroy the tenant's older versions: what they wrapped, an old copy of the key store included, opens no more.

        Raises ``CallerError`` for a version that there is not, ``KeysInUse`` while an older one wraps something (3).
        """
        decision = await self._decided(caller, Action.KEY_ROTATE)
        await self._record(caller, Action.KEY_ROTATE, decision, ("minimum_version", version))  # (1)
        return await self._keys.drop_before(caller.tenant.id, version)

    async def rotate_root(self, provider: str = ROOT_PROVIDER) -> None:
        """A new version of that provider's root key. Tenants' keys are wrapped by it as each is renewed; raises as it does.

        The cell's own concern, and the operator's: it is recorded for every tenant to see.
        """
        self._known(provider)
        await self._append_cell_event(f"provider:{provider}")  # (1)
        await self._keys.rotate_root(provider)

    async def renew_cell(self) -> int:
        """As ``renew``, for the cell's own keys; recorded for every tenant to see, as they are every tenant's."""
        await self._append_cell_event("keys:cell")  # (1)
        return await self._keys.renew(CELL)

    async def _append_cell_event(self, resource: str) -> None:
        event = self._gate.cell_event(Action.KEY_ROTATE, resource, Outcome.PERMITTED, bundle_digest=self._gate.platform_digest)
        await self._gate.append(event)

    async def _check_provider(self, caller: Caller, name: str) -> None:
        self._known(name)
        resource = EndpointResource("keys", name, self._providers[name])
        await self._gate.require(caller, Action.ENDPOINT_USE, resource)

    def _known(self, name: str) -> None:
        if name not in self._providers:
            raise CallerError(
                f"There is no key provider '{name[:64]}' in this cell.",
                hint="'domicile key providers' lists those that there are.",
            )

    async def _decided(self, caller: Caller, action: Action) -> Decision:
        return await self._gate.require(caller, action, TenantResource(caller.tenant.id))

    async def _record(self, caller: Caller, action: Action, decision: Decision, *detail: tuple[str, str | int]) -> None:
        resource = TenantResource(caller.tenant.id)
        await self._gate.record(caller, action, resource, Outcome.PERMITTED, decision, detail=detail)
