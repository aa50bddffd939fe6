"""Who replaces keys, and what is recorded of it."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.clock import FixedClock
from tests.fakes.key_store import MemoryKeyStore
from tests.fakes.keys import HOME, MemoryKeyProvider
from tests.fakes.people import caller, principal, tenant
from tests.fakes.policy import shipped_bundle

from domicile.access.gate import Gate
from domicile.access.inforce import PoliciesInForce
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.adapters.keys.rotation import StoredKeyRotation
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError, Forbidden
from domicile.domain.principals import Caller
from domicile.domain.values import Region, Role
from domicile.lifecycle.rotation import Progress, Rotation
from domicile.policy.decision import DecisionPoint
from domicile.ports.keys import ROOT_PROVIDER

ACME = tenant("acme")
ADMIN = caller(principal("ada", ACME, role=Role.ADMINISTRATOR), ACME)
AUDITOR = caller(principal("olaf", ACME, role=Role.AUDITOR), ACME)
MEMBER = caller(principal("mia", ACME), ACME)
#: Keys that every tenant has besides those of its objects.
LASTING = 2
ABROAD = Region("eu-fr")


class Scene:
    def __init__(self) -> None:
        self.log, self.store = MemoryAuditLog(), MemoryKeyStore()
        providers = {ROOT_PROVIDER: MemoryKeyProvider(), "lyon": MemoryKeyProvider(ABROAD, b"lyon" * 8, "lyon")}
        in_force = PoliciesInForce(DecisionPoint(shipped_bundle(), [ABROAD]))
        gate = Gate(in_force, self.log, FixedClock(), HOME)
        self.ring = StoredKeyRing(store=self.store, providers=providers, region=HOME, clock=FixedClock())
        keys = StoredKeyRotation(store=self.store, ring=self.ring, region=HOME)
        self.rotation = Rotation(keys=keys, providers={each.name: each.region for each in providers.values()}, gate=gate)

    async def rotate(self, by: Caller, provider: str | None = None) -> list[Progress]:
        return [each async for each in self.rotation.rotate(by, provider)]


@pytest.fixture
async def scene() -> Scene:
    """A tenant with three data keys."""
    made = Scene()
    await made.ring.create(ACME.id, [UUID(int=number) for number in range(10, 13)])
    return made


async def test_an_administrator_rotates_and_it_is_on_record(scene: Scene) -> None:
    """Before it begins, with the version that is made, and when it is done, with how many keys were wrapped."""
    count = 3 + LASTING
    assert await scene.rotate(ADMIN) == [Progress(0, count), Progress(count, count)]
    begun, done = scene.log.events
    assert (begun.action, begun.outcome) == (Action.KEY_ROTATE, Outcome.PERMITTED)
    assert ("begin_version", 2) in begun.detail
    assert {("version", 2), ("rewrapped", count)} <= set(done.detail)


async def test_a_tenant_without_a_key_gets_its_first_and_the_next(scene: Scene) -> None:
    """What is on record is the version that is made."""
    scene.store.data.clear()
    scene.store.tenant.clear()
    await scene.ring.close()
    await scene.rotate(ADMIN)
    assert [each.version for each in (await scene.rotation.inventory(ADMIN)).versions] == [1, 2]
    begun, done, _ = scene.log.events
    assert ("begin_version", 2) in begun.detail
    assert {("version", 2), ("rewrapped", LASTING)} <= set(done.detail)


async def test_nobody_else_does(scene: Scene) -> None:
    """Auditors see which keys there are; members not even that. Nothing changes, and each attempt is on record."""
    before = dict(scene.store.tenant)
    for by in (AUDITOR, MEMBER):
        with pytest.raises(Forbidden):
            await scene.rotate(by)
        for refused in (scene.rotation.renew(by), scene.rotation.set_minimum(by, 1)):
            with pytest.raises(Forbidden):
                await refused
    with pytest.raises(Forbidden):
        await scene.rotation.inventory(MEMBER)
    assert (await scene.rotation.inventory(AUDITOR)).data_keys == 3
    assert scene.store.tenant == before
    assert [each.outcome for each in scene.log.events].count(Outcome.DENIED) == 7


async def test_one_that_was_interrupted_makes_no_further_version(scene: Scene) -> None:
    """It goes on; only when all is done does the next rotation begin another one."""
    running = scene.rotation.rotate(ADMIN)
    await anext(running)
    await running.aclose()  # type: ignore[attr-defined]
    assert (await scene.rotation.inventory(ADMIN)).outdated == 3 + LASTING
    await scene.rotate(ADMIN)
    assert [each.version for each in (await scene.rotation.inventory(ADMIN)).versions] == [1, 2]
    await scene.rotate(ADMIN)
    assert len((await scene.rotation.inventory(ADMIN)).versions) == 3


async def test_nothing_begins_that_cannot_be_recorded(scene: Scene) -> None:
    """No version is made while the audit log is away."""
    scene.log.broken = True
    with pytest.raises(Exception, match="audit"):
        await scene.rotate(ADMIN)
    assert len(scene.store.tenant) == 1


async def test_a_provider_in_a_region_that_the_tenant_does_not_allow(scene: Scene) -> None:
    """Is refused, although the cell may use it; where the tenant allows it, its key is held there."""
    with pytest.raises(Forbidden):
        await scene.rotate(ADMIN, "lyon")
    with pytest.raises(CallerError, match="nobodys"):
        await scene.rotate(ADMIN, "nobodys")
    assert {each.provider for each in scene.store.tenant.values()} == {ROOT_PROVIDER}
    allowing = replace(ADMIN, tenant=replace(ACME, allowed_regions=frozenset({ABROAD})))
    await scene.rotate(allowing, "lyon")
    assert (await scene.rotation.inventory(ADMIN)).versions[-1].provider == "lyon"


async def test_a_root_rotation_is_the_cells_own_event(scene: Scene) -> None:
    """Every tenant sees it; each tenant's renewal is its own."""
    await scene.rotation.rotate_root()
    assert (scene.log.events[-1].tenant_id, scene.log.events[-1].resource) == (None, "provider:root")
    assert await scene.rotation.renew_cell() == 0
    assert (scene.log.events[-1].tenant_id, scene.log.events[-1].resource) == (None, "keys:cell")
    assert [await scene.rotation.renew(ADMIN) for _ in range(2)] == [1, 0]
    renewals = [each.detail[0] for each in scene.log.events if each.tenant_id == ACME.id]
    assert renewals == [("begin", "renewal"), ("renewed", 1), ("begin", "renewal"), ("renewed", 0)]
    with pytest.raises(CallerError):
        await scene.rotation.rotate_root("nobodys")


async def test_the_minimum_version(scene: Scene) -> None:
    """Is recorded before older versions go."""
    await scene.rotate(ADMIN)
    assert await scene.rotation.set_minimum(ADMIN, 2) == 1
    assert ("minimum_version", 2) in scene.log.events[-1].detail
