"""The policies that are in force in this process: the platform's, and with them each tenant's own.

Obligations, labelled where they are met:

1. A decision, its reasons and its digest come from one ``DecisionPoint``, which never changes; a change is another one.
2. A change takes effect for all of a tenant's requests at once, and whoever decides waits for nothing: ``of`` is a look-up.
3. A tenant whose policies do not fit the platform's is denied everything but reading and writing policies. Leaving its
   policies out instead could leave out a forbid.
4. A platform's bundle is in force for every tenant at the same moment, each with its own policies over it.
5. Whatever another process wrote is in force here within two seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from domicile.domain.errors import DomicileError, PolicyInvalid
from domicile.domain.policies import WrittenPolicies
from domicile.policy.bundle import PolicyBundle
from domicile.policy.decision import DecisionPoint
from domicile.policy.tenant import FILE
from domicile.ports.repositories import Database

#: Between two looks at the database for newer versions. Well below the two seconds of (5), to leave time for parsing.
_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Layer:
    """A tenant's own policies over the platform's. ``fits`` is False where they could not be put there (3)."""

    written: WrittenPolicies
    decisions: DecisionPoint
    fits: bool = True


@dataclass(frozen=True, slots=True)
class _InForce:
    platform: DecisionPoint
    tenants: Mapping[UUID, Layer] = field(default_factory=dict)


class PoliciesInForce:
    """What the gate decides with. Tenants have the platform's policies alone until ``put`` says otherwise."""

    def __init__(self, platform: DecisionPoint) -> None:
        self._now = _InForce(platform)

    @property
    def platform(self) -> DecisionPoint:
        """By the platform's policies alone: for the cell itself, and what is the same for all tenants."""
        return self._now.platform

    @property
    def layers(self) -> Mapping[UUID, Layer]:
        """The tenants that have policies of their own."""
        return self._now.tenants

    def of(self, tenant_id: UUID) -> DecisionPoint:
        """What decides for callers in that tenant now. Ask once for what belongs together (1)."""
        now = self._now
        layer = now.tenants.get(tenant_id)
        return layer.decisions if layer else now.platform

    def put(self, platform: DecisionPoint, tenants: Mapping[UUID, Layer]) -> None:
        """Put all of that in force in one step (2) (4)."""
        self._now = _InForce(platform, dict(tenants))


class PolicyRefresh:
    """Keeps what is in force as it is in the database. Call ``refresh`` before anything is decided."""

    def __init__(self, in_force: PoliciesInForce, database: Database) -> None:
        self._in_force = in_force
        self._database = database
        self._turn = asyncio.Lock()
        self._trying = asyncio.Lock()

    async def refresh(self) -> None:
        """Put in force what was written since; one cheap query where nothing was. Raises what the database raises."""
        async with self._turn:
            known = self._in_force.layers
            async with self._database.reading() as unit:
                latest = await unit.policies.latest()
                changed = [id_ for id_, version in latest.items() if id_ not in known or known[id_].written.version != version]
                written = [await unit.policies.get(id_) for id_ in changed]
            if written or known.keys() - latest.keys():
                platform = self._in_force.platform
                kept = {id_: layer for id_, layer in known.items() if id_ in latest}
                self._in_force.put(platform, kept | await asyncio.to_thread(_layers, platform, written))

    async def keep_refreshed(self) -> None:
        """Until cancelled (5). A database that does not answer is asked again; nothing is released without it anyway."""
        while True:
            await asyncio.sleep(_SECONDS)
            with suppress(DomicileError):
                await self.refresh()

    async def replace_platform(self, bundle: PolicyBundle) -> None:
        """Put another bundle in force under every tenant's policies (4)."""
        async with self._turn:
            platform = self._in_force.platform.by(bundle)
            written = [layer.written for layer in self._in_force.layers.values()]
            self._in_force.put(platform, await asyncio.to_thread(_layers, platform, written))

    async def proposed(self, tenant_id: UUID, text: str) -> PolicyBundle:
        """What would decide for the tenant with that text. Raises ``PolicyInvalid``.

        One text at a time: parsing takes a second at worst, and whoever sends many must not take every thread there is.
        """
        async with self._trying:
            return await asyncio.to_thread(self._in_force.platform.bundle.with_tenant, tenant_id, {FILE: text})


def _layers(platform: DecisionPoint, written: Iterable[WrittenPolicies]) -> dict[UUID, Layer]:
    return {each.tenant_id: _layer(platform, each) for each in written}


def _layer(platform: DecisionPoint, written: WrittenPolicies) -> Layer:
    texts = {FILE: written.text}
    try:
        bundle = platform.bundle.with_tenant(written.tenant_id, texts)
    except (PolicyInvalid, ValueError, RecursionError) as error:  # (3), also for what Cedar could not read or Python not follow
        policy = error.members.get("policy", "") if isinstance(error, PolicyInvalid) else ""
        structlog.get_logger("domicile.access").error(
            "a tenant's policies do not fit, and it is denied everything but changing them",
            tenant_id=str(written.tenant_id),
            version=written.version,
            policy=policy,
        )
        return Layer(written, platform.by(platform.bundle.without(texts)), fits=False)
    return Layer(written, platform.by(bundle))
