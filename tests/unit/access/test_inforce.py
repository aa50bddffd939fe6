"""What is in force: one snapshot for all, each tenant's own policies over the platform's."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs
from tests.fakes.accounts import MemoryAccounts
from tests.fakes.people import HOME, caller, document, principal, tenant
from tests.fakes.policy import layer, shipped_bundle, shipped_decisions, shipped_in_force, shipped_sources, written_policies

from domicile.access.inforce import PoliciesInForce, PolicyRefresh
from domicile.domain.actions import Action
from domicile.domain.errors import DatabaseUnavailable, PolicyInvalid
from domicile.domain.policies import WrittenPolicies
from domicile.domain.principals import Tenant
from domicile.domain.values import Role
from domicile.policy.bundle import PolicyBundle
from domicile.policy.request import Request, TenantResource

ACME, GLOBEX = tenant("acme"), tenant("globex")
CLOSED = '@id("closed") forbid (principal, action == Action::"document:read", resource);'
STRICTER = '@id("stricter") forbid (principal, action == Action::"document:delete", resource);'


def readable(in_force: PoliciesInForce, of: Tenant = ACME) -> bool:
    request = Request(caller(principal(of=of), of), Action.DOCUMENT_READ, document(of=of), HOME)
    return in_force.of(of.id).decide(request).allowed


class Scene:
    def __init__(self) -> None:
        self.database = MemoryAccounts()
        self.in_force = shipped_in_force()
        self.refresh = PolicyRefresh(self.in_force, self.database)  # type: ignore[arg-type]

    async def write(self, text: str, version: int = 1, of: Tenant = ACME) -> WrittenPolicies:
        written = written_policies(text, version, of.id)
        async with self.database.writing() as unit:
            await unit.policies.add(written)
            await unit.commit()
        return written


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_without_policies_of_its_own_a_tenant_has_the_platforms() -> None:
    """The very same decision point, so that what it remembers serves all."""
    in_force = shipped_in_force()
    assert in_force.of(ACME.id) is in_force.of(GLOBEX.id) is in_force.platform


def test_one_tenants_policies_change_nothing_for_another() -> None:
    """Neither its decisions nor its digest."""
    in_force = shipped_in_force()
    in_force.put(in_force.platform, {ACME.id: layer(in_force.platform, CLOSED)})
    assert not readable(in_force)
    assert readable(in_force, GLOBEX)
    assert in_force.of(GLOBEX.id) is in_force.platform
    assert in_force.of(ACME.id).bundle.digest != in_force.platform.bundle.digest


async def test_what_was_written_elsewhere_is_put_in_force(scene: Scene) -> None:
    """A first version, a later one, and one that takes all of them back."""
    await scene.refresh.refresh()
    assert readable(scene.in_force)
    await scene.write(CLOSED)
    assert readable(scene.in_force)
    await scene.refresh.refresh()
    assert not readable(scene.in_force)
    await scene.write("", 2)
    await scene.refresh.refresh()
    assert readable(scene.in_force)
    assert scene.in_force.of(ACME.id) is scene.in_force.platform
    assert scene.in_force.layers[ACME.id].written.version == 2


async def test_what_has_not_changed_is_not_parsed_again(scene: Scene) -> None:
    """Another tenant's new version leaves this one's decision point, and all that it remembers, alone."""
    await scene.write(CLOSED)
    await scene.refresh.refresh()
    before = scene.in_force.of(ACME.id)
    await scene.write(STRICTER, 1, GLOBEX)
    await scene.refresh.refresh()
    assert scene.in_force.of(ACME.id) is before
    assert "tenant/stricter" in scene.in_force.of(GLOBEX.id).bundle.ids


async def test_a_database_that_does_not_answer_leaves_what_is_in_force(scene: Scene) -> None:
    """Whoever asks is told; the background goes on asking, and takes what is new as soon as it can."""
    await scene.write(CLOSED)
    scene.database.broken = True
    with pytest.raises(DatabaseUnavailable):
        await scene.refresh.refresh()
    assert readable(scene.in_force)
    background = asyncio.create_task(scene.refresh.keep_refreshed())
    await asyncio.sleep(0.6)
    scene.database.broken = False
    async with asyncio.timeout(30):
        while readable(scene.in_force):  # noqa: ASYNC110, there is no event: another process would have none either
            await asyncio.sleep(0.05)
    background.cancel()


async def test_policies_that_do_not_fit_close_the_tenant_and_say_which(scene: Scene) -> None:
    """Everything is denied but reading and writing policies; other tenants notice nothing."""
    await scene.write('@id("old") forbid (principal, action == Action::"document:read", resource) when { resource.gone };')
    with capture_logs() as logs:
        await scene.refresh.refresh()
    assert not readable(scene.in_force)
    assert readable(scene.in_force, GLOBEX)
    ada = caller(principal(role=Role.ADMINISTRATOR))
    for action in (Action.POLICY_READ, Action.POLICY_WRITE):
        assert scene.in_force.of(ACME.id).decide(Request(ada, action, TenantResource(ACME.id), HOME)).allowed
    (line,) = logs
    assert (line["log_level"], line["tenant_id"], line["policy"]) == ("error", str(ACME.id), "old")
    assert not scene.in_force.layers[ACME.id].fits
    await scene.write("", 2)
    await scene.refresh.refresh()
    assert readable(scene.in_force)


async def test_another_platform_bundle_is_put_under_every_tenants_policies(scene: Scene) -> None:
    """In one step: tenants with policies of their own and those without."""
    await scene.write(CLOSED)
    await scene.refresh.refresh()
    schema, policies = shipped_sources()
    added = '@id("guard-globex") forbid (principal, action == Action::"document:delete", resource);'
    await scene.refresh.replace_platform(PolicyBundle.parse(schema, {**policies, "more.cedar": added}))
    for each in (ACME, GLOBEX):
        assert "guard-globex" in scene.in_force.of(each.id).bundle.ids
    assert not readable(scene.in_force)
    assert readable(scene.in_force, GLOBEX)


async def test_a_proposed_text_is_in_force_for_nobody(scene: Scene) -> None:
    """It is parsed and nothing else; what is wrong with it is raised."""
    proposed = await scene.refresh.proposed(ACME.id, CLOSED)
    assert "tenant/closed" in proposed.ids
    assert scene.in_force.of(ACME.id) is scene.in_force.platform
    with pytest.raises(PolicyInvalid):
        await scene.refresh.proposed(ACME.id, "permit")


async def test_decisions_go_on_while_policies_are_parsed(scene: Scene) -> None:
    """The event loop is not held up: something else takes its turns meanwhile."""
    for number in range(6):
        await scene.write(CLOSED, 1, tenant(f"tenant-{number}"))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    background = asyncio.create_task(others())
    await scene.refresh.refresh()
    background.cancel()
    assert turns > 10
    assert len(scene.in_force.layers) == 6


def test_the_same_bundle_keeps_its_decision_point() -> None:
    """What it remembers is worth keeping."""
    decisions = shipped_decisions()
    assert decisions.by(shipped_bundle()) is decisions
