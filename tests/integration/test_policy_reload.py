"""Other platform policies in a running cell: checked as at a start, in force all at once, and no request is lost."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.fakes.cell import HOME, MemoryCell, client, open_memory_cell, populate
from tests.fakes.policy import POLICIES

from domicile.access.gate import Gate
from domicile.adapters.identity.clock import SystemClock
from domicile.audit.events import AuditEvent, Outcome
from domicile.bootstrap.policies import load_unverified, sign_bundle
from domicile.bootstrap.reload import PlatformReload
from domicile.bootstrap.signing import make_key
from domicile.config import Settings
from domicile.domain.actions import Action
from domicile.policy.decision import DecisionPoint

KEEP = '@id("keep") forbid (principal, action == Action::"document:delete", resource);'
STRICTER = '@id("guard-stricter") @reason("It is.") forbid (principal, action == Action::"collection:create", resource);'


@pytest.fixture
async def cell(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    async with open_memory_cell(tmp_path) as made:
        await populate(made)
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The policies that are shipped, to be changed."""
    return Path(shutil.copytree(POLICIES, tmp_path / "policies"))


@pytest.fixture
def reload(cell: MemoryCell, folder: Path) -> PlatformReload:
    return reloading(cell, folder)


def reloading(cell: MemoryCell, folder: Path, **more: object) -> PlatformReload:
    settings = Settings(data_dir=folder, region="eu-de", policy_dir=folder, **more)  # type: ignore[arg-type]
    clock = SystemClock()
    return PlatformReload(settings, cell.in_force, cell.refresh, Gate(cell.in_force, cell.audit_log, clock, HOME), clock)


async def newest(cell: MemoryCell) -> AuditEvent:
    return (await cell.audit_log.read(None, limit=1))[0].event


async def test_new_policies_are_in_force_for_every_tenant(cell: MemoryCell, folder: Path, reload: PlatformReload) -> None:
    """With each tenant's own over them; the audit log has both digests."""
    put = await client(cell, "ada").put("/v1/policies", json={"text": KEEP, "expected_version": 0})
    before = cell.in_force.platform.bundle.digest
    (folder / "more.cedar").write_text(STRICTER)
    assert await reload.reload()
    event = await newest(cell)
    after = load_unverified(folder).digest
    assert (event.action, event.outcome, event.resource) == (Action.POLICY_WRITE, Outcome.PERMITTED, "policies:platform")
    assert (event.bundle_digest, dict(event.detail), event.tenant_id) == (before, {"after": after}, None)
    for login in ("ada", "gus"):
        refused = await client(cell, login).post("/v1/collections", json={"slug": "more"})
        assert (refused.status_code, refused.json()["policies"]) == (403, ["guard-stricter"])
    read = (await client(cell, "ada").get("/v1/policies")).json()
    assert [each["id"] for each in read["tenant"]] == ["tenant/keep"]
    assert read["bundle_digest"] not in (after, put.json()["bundle_digest"])


@pytest.mark.parametrize(
    ("file", "text", "slug"),
    [
        ("more.cedar", "permit (", "policy-invalid"),
        ("more.cedar", '@id("odd") permit (principal, action, resource) when { resource.gone };', "policy-invalid"),
        ("more.cedar", '@id("guard-tenant") forbid (principal, action, resource);', "policy-invalid"),
        ("schema.cedarschema", "entity Tenant;", "policy-invalid"),
        ("regions.yaml", "regions: 5", "policy-invalid"),
    ],
)
async def test_what_is_wrong_leaves_everything_as_it_was(
    cell: MemoryCell, folder: Path, reload: PlatformReload, file: str, text: str, slug: str
) -> None:
    """The log and the audit log say so; requests go on by the policies of before."""
    before = cell.in_force.platform
    (folder / file).write_text(text)
    with capture_logs() as logs:
        assert not await reload.reload()
    assert cell.in_force.platform is before
    assert [(each["log_level"], each["error"]) for each in logs] == [("error", slug)]
    event = await newest(cell)
    assert (event.outcome, event.reason, event.resource) == (Outcome.FAILED, slug, "policies:platform")
    assert (await client(cell, "mia").post("/v1/search", json={"query": "leave"})).status_code == 200


async def test_policies_that_would_not_let_the_cell_start_are_not_taken(cell: MemoryCell, folder: Path) -> None:
    """A component that they do not allow where it is, for one; also a folder that is gone."""
    (folder / "residency.cedar").write_text('@id("nowhere") forbid (principal, action == Action::"endpoint:use", resource);')
    reload = reloading(cell, folder, llm_url="https://model:8000", llm_region="eu-de")
    assert not await reload.reload()
    assert (await newest(cell)).reason == "residency-violation"
    shutil.rmtree(folder)
    assert not await reload.reload()
    assert (await newest(cell)).reason == "configuration"


async def test_unsigned_policies_are_not_taken_where_a_signature_is_required(cell: MemoryCell, folder: Path) -> None:
    """Neither when the files change nor when the signature is older than they are."""
    key = folder.with_name("policy.key")
    signer = make_key(key).text
    reload = reloading(cell, folder, policy_signers=(signer,))
    assert not await reload.reload()
    sign_bundle(folder, key)
    assert await reload.reload()
    (folder / "more.cedar").write_text(STRICTER)
    assert not await reload.reload()
    assert (await newest(cell)).outcome is Outcome.FAILED
    assert "guard-stricter" not in cell.in_force.platform.bundle.ids
    assert cell.in_force.of(cell.people["ada"].tenant.id).bundle.signed_by


async def test_a_stream_of_requests_goes_on_through_many_reloads(
    cell: MemoryCell, folder: Path, reload: PlatformReload
) -> None:
    """None fails, and each record names one of the two bundles, each tenant's with its own policies."""
    await client(cell, "ada").put("/v1/policies", json={"text": KEEP, "expected_version": 0})
    start = (await cell.audit_log.read(None, limit=1))[0].position
    digests: set[str] = {each.bundle.digest for each in (cell.in_force.platform, _of(cell, "mia"))}
    statuses: list[int] = []
    stop = asyncio.Event()

    async def asking(login: str, path: str, body: dict[str, str]) -> None:
        http = client(cell, login)
        while not stop.is_set():
            statuses.append((await http.post(path, json=body)).status_code)

    stream = [
        asyncio.create_task(asking(login, path, body))
        for login in ("mia", "gil")
        for path, body in (("/v1/search", {"query": "annual leave"}), ("/v1/answers", {"question": "Who builds turbines?"}))
    ]
    for number in range(12):
        (folder / "more.cedar").write_text(STRICTER if number % 2 else "")
        assert await reload.reload()
        digests |= {each.bundle.digest for each in (cell.in_force.platform, _of(cell, "mia"))}
        await asyncio.sleep(0.02)
    stop.set()
    await asyncio.gather(*stream)
    assert len(statuses) > 20
    assert set(statuses) == {200}
    entries = [each.event for each in await cell.audit_log.read(None, limit=5000) if each.position > start]
    decided = {each.bundle_digest for each in entries if each.tenant_id}
    assert len(decided) > 2
    assert decided <= digests
    assert len(digests) <= 6
    assert not [each for each in entries if each.outcome is not Outcome.PERMITTED]


async def test_it_is_asked_for_by_a_signal_and_once_for_many(cell: MemoryCell, folder: Path, reload: PlatformReload) -> None:
    """The handler only asks, so that nothing is read or parsed in it."""
    listening = asyncio.create_task(reload.keep_listening())
    (folder / "more.cedar").write_text(STRICTER)
    for _ in range(5):
        reload.ask()
    async with asyncio.timeout(30):
        while "guard-stricter" not in cell.in_force.platform.bundle.ids:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    listening.cancel()
    events = [each.event for each in await cell.audit_log.read(None, limit=20) if each.event.resource == "policies:platform"]
    assert len(events) == 1


def _of(cell: MemoryCell, login: str) -> DecisionPoint:
    return cell.in_force.of(cell.people[login].tenant.id)
