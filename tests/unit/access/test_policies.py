"""Reading and writing a tenant's own policies."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.accounts import MemoryAccounts
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.clock import FixedClock
from tests.fakes.people import HOME, caller, principal, tenant
from tests.fakes.policy import shipped_bundle, shipped_in_force

from domicile.access.administration import Administration
from domicile.access.gate import Gate
from domicile.access.inforce import PolicyRefresh
from domicile.access.policies import TenantPolicyBook
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import (
    AuditUnavailable,
    CallerError,
    Forbidden,
    InvalidText,
    NotFound,
    PolicyChanged,
    TenantPolicyInvalid,
)
from domicile.domain.principals import Caller
from domicile.domain.values import Role

ACME, GLOBEX = tenant("acme"), tenant("globex")
ADA = caller(principal("ada", role=Role.ADMINISTRATOR))
GUS = caller(principal("gus", GLOBEX, role=Role.ADMINISTRATOR), GLOBEX)
OLAF = caller(principal("olaf", role=Role.AUDITOR))
TEXT = """// Nothing is deleted.
@id("keep")
@reason("We keep it all.")
forbid (principal, action == Action::"document:delete", resource);
"""


class Scene:
    def __init__(self) -> None:
        self.database, self.log = MemoryAccounts(), MemoryAuditLog()
        self.in_force = shipped_in_force()
        refresh = PolicyRefresh(self.in_force, self.database)  # type: ignore[arg-type]
        clock = FixedClock()
        self.book = TenantPolicyBook(
            database=self.database,  # type: ignore[arg-type]
            gate=Gate(self.in_force, self.log, clock, HOME),
            in_force=self.in_force,
            refresh=refresh,
            clock=clock,
        )

    @property
    def events(self) -> list[AuditEvent]:
        """Those of reads, refusals and failures, and those that were committed with a version."""
        return [*self.log.events, *self.database.rows.events]


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_the_platforms_policies_are_shown_with_their_texts(scene: Scene) -> None:
    """In the order in which they are written; a tenant without any of its own is at version 0."""
    view = await scene.book.read(OLAF)
    assert {each.id for each in view.platform} == shipped_bundle().ids
    shown = next(each for each in view.platform if each.id == "guard-tenant")
    assert (shown.effect, shown.file, shown.reason) == ("forbid", "guardrails.cedar", shipped_bundle().reasons["guard-tenant"])
    assert shown.text.startswith('@id("guard-tenant")')
    assert (view.version, view.in_force, view.tenant, view.text) == (0, True, (), "")
    assert view.bundle_digest == shipped_bundle().digest
    assert [(each.action, each.outcome) for each in scene.events] == [(Action.POLICY_READ, Outcome.PERMITTED)]


async def test_what_was_written_is_in_force_when_the_writer_is_told(scene: Scene) -> None:
    """And shown as it was written, under the id that decisions name."""
    view = await scene.book.write(ADA, TEXT, 0)
    assert scene.in_force.of(ACME.id).bundle.digest == view.bundle_digest != shipped_bundle().digest
    assert (view.version, view.in_force, view.text) == (1, True, TEXT)
    (own,) = view.tenant
    assert (own.id, own.effect, own.reason, own.file, own.line) == (
        "tenant/keep",
        "forbid",
        "We keep it all.",
        "tenant.cedar",
        2,
    )
    assert await scene.book.read(ADA) == view
    assert (await scene.book.read(GUS)).bundle_digest == shipped_bundle().digest


async def test_a_version_and_its_event_are_stored_together(scene: Scene) -> None:
    """The event names who, which version, and the digests of what decided before and of what decides now."""
    view = await scene.book.write(ADA, TEXT, 0)
    (event,) = scene.database.rows.events
    assert (event.action, event.outcome, event.principal_id) == (Action.POLICY_WRITE, Outcome.PERMITTED, ADA.principal.id)
    told = dict(event.detail)
    assert (told["version"], told["before"], told["after"]) == (1, shipped_bundle().digest, view.bundle_digest)
    assert TEXT not in str(event)
    scene.database.audit_broken = True
    with pytest.raises(AuditUnavailable):
        await scene.book.write(ADA, "", 1)
    scene.database.audit_broken = False
    assert (await scene.book.read(ADA)).version == 1


async def test_a_dry_run_changes_nothing(scene: Scene) -> None:
    """It says what would be in force, by its digest too."""
    tried = await scene.book.propose(ADA, TEXT)
    assert (tried.version, tried.in_force, [each.id for each in tried.tenant]) == (0, False, ["tenant/keep"])
    assert scene.database.rows.policies == []
    assert (await scene.book.write(ADA, TEXT, 0)).bundle_digest == tried.bundle_digest


@pytest.mark.parametrize("dry_run", [True, False])
async def test_what_is_wrong_is_said_with_what_to_write(scene: Scene, dry_run: bool) -> None:
    """It is the caller's to mend, so it is explained; nothing is stored, and the attempt is recorded without the text."""
    broken = '@id("open") permit (principal, action, resource);'
    with pytest.raises(TenantPolicyInvalid) as refused:
        await (scene.book.propose(ADA, broken) if dry_run else scene.book.write(ADA, broken, 0))
    assert refused.value.members["policy"] == "open"
    assert "action in" in refused.value.advice
    (event,) = scene.events
    assert (event.outcome, event.reason, event.detail) == (Outcome.FAILED, "tenant-policy-invalid", ())
    assert scene.database.rows.policies == []


@pytest.mark.parametrize("text", ["nul \x00", "lone \ud800"])
async def test_characters_that_no_database_holds_are_refused(scene: Scene, text: str) -> None:
    """Before they are parsed."""
    with pytest.raises(InvalidText):
        await scene.book.write(ADA, text, 0)


async def test_what_cedar_says_is_told_in_short(scene: Scene) -> None:
    """It quotes what it could not read, which may be all of it."""
    with pytest.raises(TenantPolicyInvalid) as refused:
        await scene.book.write(ADA, '"' + "x" * 30_000 + '"', 0)
    assert len(str(refused.value)) < 500


async def test_nobody_overwrites_what_they_have_not_seen(scene: Scene) -> None:
    """The second of two is told the latest version, and its text is nowhere."""
    await scene.book.write(ADA, TEXT, 0)
    for expected in (0, 2):
        with pytest.raises(PolicyChanged) as refused:
            await scene.book.write(ADA, "", expected)
        assert refused.value.members["version"] == 1
    assert (await scene.book.read(ADA)).text == TEXT
    assert [each.reason for each in scene.events if each.outcome is Outcome.FAILED] == ["policy-changed"] * 2


@pytest.mark.parametrize("expected", [-1, 2**31, 10**30])
async def test_an_expected_version_that_cannot_be_is_refused(scene: Scene, expected: int) -> None:
    """No database is asked about it."""
    with pytest.raises(CallerError):
        await scene.book.write(ADA, "", expected)


async def test_earlier_versions_stay_readable(scene: Scene) -> None:
    """Newest first, without texts; each by its number with its text. Writing one again is going back to it."""
    await scene.book.write(ADA, TEXT, 0)
    emptied = await scene.book.write(ADA, "", 1)
    assert (emptied.tenant, emptied.bundle_digest) == ((), shipped_bundle().digest)
    assert [each.version for each in await scene.book.history(OLAF)] == [2, 1]
    first = await scene.book.version(OLAF, 1)
    back = await scene.book.write(ADA, first.text, 2)
    assert (back.version, back.text) == (3, TEXT)


@pytest.mark.parametrize("version", [0, -1, 2, 2**31, 10**30])
async def test_a_version_that_is_none_is_not_found(scene: Scene, version: int) -> None:
    """Also one that only another tenant has."""
    await scene.book.write(GUS, TEXT, 0)
    await scene.book.write(GUS, "", 1)
    await scene.book.write(ADA, TEXT, 0)
    with pytest.raises(NotFound):
        await scene.book.version(ADA, version)
    assert (scene.log.events[-1].outcome, scene.log.events[-1].reason) == (Outcome.DENIED, "not-found")


@pytest.mark.parametrize(
    ("who", "reads"),
    [(caller(principal("mia")), False), (OLAF, True)],
    ids=["member", "auditor"],
)
async def test_who_may_not_write_changes_nothing(scene: Scene, who: Caller, reads: bool) -> None:
    """Members do not even read; auditors read and do not write. Each refusal is recorded."""
    for attempt in (scene.book.propose(who, TEXT), scene.book.write(who, TEXT, 0)):
        with pytest.raises(Forbidden):
            await attempt
    if not reads:
        for attempt in (scene.book.read(who), scene.book.history(who), scene.book.version(who, 1)):
            with pytest.raises(Forbidden):
                await attempt
    assert scene.database.rows.policies == []
    assert {each.outcome for each in scene.events} == {Outcome.DENIED}


async def test_the_operator_can_undo_what_locked_everybody_out(scene: Scene) -> None:
    """And so can the tenant's administrators: no policy of theirs says anything about policies."""
    actions = ", ".join(f'Action::"{each}"' for each in ("document:read", "search:create", "answer:create", "collection:list"))
    locked = f'@id("locked") forbid (principal, action in [{actions}], resource);'
    await scene.book.write(ADA, locked, 0)
    operator = Administration.operator_caller(ACME)
    await scene.book.write(operator, "", 1)
    await scene.book.write(ADA, locked, 2)
    assert (await scene.book.write(ADA, "", 3)).bundle_digest == shipped_bundle().digest


async def test_of_many_who_write_at_once_one_is_first(scene: Scene) -> None:
    """All the others are told."""
    texts = [TEXT.replace("keep", f"keep-{number}") for number in range(5)]
    done = await asyncio.gather(*(scene.book.write(ADA, text, 0) for text in texts), return_exceptions=True)
    assert sum(isinstance(each, PolicyChanged) for each in done) == 4
    assert len(scene.database.rows.policies) == 1
