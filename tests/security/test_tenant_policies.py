"""A tenant's own policies against the platform's: whatever a tenant writes, the guardrails hold and nobody else notices."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from httpx2 import Response
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.fakes.cell import MemoryCell, client, open_memory_cell, populate
from tests.fakes.people import HOME, tenant
from tests.fakes.policy import layer, shipped_bundle, shipped_in_force, written_policies
from tests.fakes.worlds import COLLECTIONS, TENANTS, callers, documents

from domicile.access.inforce import PoliciesInForce
from domicile.adapters.db.database import SqlDatabase
from domicile.domain.actions import Action
from domicile.domain.errors import PolicyInvalid
from domicile.domain.principals import AuthenticationMethod, Caller
from domicile.domain.values import Region, Role
from domicile.policy.request import CollectionResource, EndpointResource, OwnedResource, Request, Resource, TenantResource
from domicile.policy.scope import AllOf, Field, Nothing, OneOf, admits
from domicile.policy.tenant import TENANT_ACTIONS

ACME = tenant("acme")
ROOT = Path(__file__).parents[2]
ON_DOCUMENTS = sorted(TENANT_ACTIONS & {action for action, kind in shipped_bundle().applicable if kind == "Document"})
CONTENT = {Action.DOCUMENT_LIST, Action.DOCUMENT_READ, Action.SEARCH_CREATE, Action.ANSWER_CREATE}

#: Conditions of all sorts: those that hold for everybody, that fail, that reach for other tenants, roles and places.
CONDITIONS = (
    "true",
    "false",
    "principal.clearance + 9223372036854775807 > principal.clearance",
    'principal.role == "auditor"',
    'principal.role == "member"',
    "principal.disabled",
    'context.method == "operator"',
    'context.access_region == "unknown"',
    f'resource in Tenant::"{TENANTS[1].id}"',
    "!(resource in principal.tenant)",
    "principal.acting_in != principal.tenant",
    "principal.grant.all_verbs == false",
)
HEADS = ("principal", "principal is User", f'principal in Tenant::"{TENANTS[1].id}"')
RESOURCES = ("resource", "resource is Document", "resource is Collection", "resource is Tenant")


@st.composite
def texts(draw: st.DrawFn) -> str:
    """One to three policies; some of them are of no tenant's business and are refused."""
    written = []
    for number in range(draw(st.integers(1, 3))):
        named = draw(st.lists(st.sampled_from(sorted(TENANT_ACTIONS)), min_size=1, max_size=4, unique=True))
        named += draw(st.sampled_from([[], [], [], [], [], [Action.POLICY_WRITE], [Action.ENDPOINT_USE]]))
        heads = draw(st.sampled_from(HEADS)), draw(st.sampled_from(RESOURCES))
        actions = ", ".join(f'Action::"{each}"' for each in named)
        clauses = draw(st.lists(st.tuples(st.sampled_from(["when", "unless"]), st.sampled_from(CONDITIONS)), max_size=2))
        body = " ".join(f"{kind} {{ {condition} }}" for kind, condition in clauses)
        effect = draw(st.sampled_from(["permit", "forbid"]))
        written.append(f'@id("p{number}") {effect} ({heads[0]}, action in [{actions}], {heads[1]}) {body};')
    return "\n".join(written)


@st.composite
def resources(draw: st.DrawFn) -> Resource:
    of = draw(st.sampled_from(TENANTS))
    where = draw(st.sampled_from([each for each in COLLECTIONS if each.tenant_id == of.id]))
    region = draw(st.sampled_from([HOME, Region("us-va")]))
    kinds: list[Resource] = [
        draw(documents()),
        TenantResource(of.id),
        CollectionResource(of.id, where.id, region),
        OwnedResource(draw(st.sampled_from(["conversation", "job", "session"])), where.id, of.id, where.id),
        EndpointResource("model", "sglang", region),
    ]
    return draw(st.sampled_from(kinds))


requests = st.builds(Request, callers(), st.sampled_from(Action), resources(), st.just(HOME))


@settings(max_examples=100, deadline=None)
@given(texts(), st.lists(requests, min_size=3, max_size=8))
def test_whatever_a_tenant_writes_the_guardrails_hold(text: str, asked: list[Request]) -> None:
    """Over random policies and requests: every platform forbid still forbids; other tenants', the operator's and all further
    decisions are what they were; nothing outside the tenant is permitted, and no auditor gets content.
    """
    in_force = _with(text)
    for request in asked:
        before = in_force.platform.decide(request)
        after = in_force.of(request.caller.tenant.id).decide(request)
        untouched = (
            request.caller.tenant != ACME
            or request.caller.method is AuthenticationMethod.OPERATOR
            or request.action not in TENANT_ACTIONS
        )
        if untouched:
            assert (after.allowed, after.policies, after.errors) == (before.allowed, before.policies, before.errors)
        if not before.allowed and before.policies:
            assert not after.allowed
            assert after.errors or set(before.policies) <= set(after.policies)
        if after.allowed and not before.allowed:
            assert request.resource.tenant_id == request.caller.principal.tenant_id == ACME.id  # type: ignore[union-attr]
            assert request.action in TENANT_ACTIONS
        if after.allowed and request.action in CONTENT:
            assert request.caller.principal.role is not Role.AUDITOR


@settings(max_examples=100, deadline=None)
@given(texts(), callers(), st.lists(documents(), min_size=1, max_size=4), st.sampled_from(ON_DOCUMENTS))
def test_whatever_a_tenant_writes_the_filter_is_the_decision(
    text: str, who: Caller, found: list[object], action: Action
) -> None:
    """And it still names the tenant first."""
    decisions = _with(text).of(who.tenant.id)
    scope = decisions.scope(who, action, HOME).tree
    answers = decisions.decide_many([Request(who, action, each, HOME) for each in found])  # type: ignore[arg-type]
    assert [admits(scope, each) for each in found] == [answer.allowed for answer in answers]  # type: ignore[arg-type]
    if scope != Nothing():
        assert isinstance(scope, AllOf)
        assert OneOf(Field.TENANT, frozenset({str(who.tenant.id)})) in scope.parts


def _with(text: str) -> PoliciesInForce:
    in_force = shipped_in_force()
    try:
        in_force.put(in_force.platform, {ACME.id: layer(in_force.platform, text, of=ACME.id)})
    except PolicyInvalid:
        assume(False)
    return in_force


@pytest.fixture
async def cell(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    async with open_memory_cell(tmp_path) as made:
        await populate(made)
        yield made


async def put(cell: MemoryCell, login: str, text: str, version: int = 0) -> Response:
    return await client(cell, login).put("/v1/policies", json={"text": text, "expected_version": version})


def naming(actions: str, effect: str = "permit", id_: str = "mine", rest: str = "") -> str:
    listed = ", ".join(f'Action::"{each}"' for each in actions.split())
    return f'@id("{id_}") {effect} (principal, action in [{listed}], resource) {rest};'


EVERYTHING = " ".join(sorted(TENANT_ACTIONS))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("// " + "x" * 70_000, "32768"),
        (
            naming("document:read", rest="when { " + "(" * 5000 + "true" + ")" * 5000 + " }"),
            "150",
        ),
        (naming("document:read", rest='when { principal in Robot::"r2" }'), "schema"),
        (naming("document:read", rest="when { resource.secret }"), "schema"),
        (naming("document:read").replace("principal,", "principal == ?principal,"), "template"),
        (naming("document:read", id_="tenant/mine"), "lower-case"),
        ('@id("open") permit (principal, action, resource);', "'open'"),
        ('@id("open") forbid (principal, action, resource);', "'open'"),
        (naming("policy:write", "forbid"), "'mine'"),
        (naming("session:create document:read", "forbid"), "'mine'"),
        (naming("document:read") + naming("document:read"), "'mine'"),
    ],
)
async def test_what_is_no_tenants_policy_is_refused_with_the_reason(cell: MemoryCell, text: str, says: str) -> None:
    """As problem details, to whoever wrote it; and nothing has changed."""
    before = (await client(cell, "ada").get("/v1/policies")).json()
    answered = await put(cell, "ada", text)
    assert (answered.status_code, answered.json()["type"]) == (422, "urn:domicile:problem:tenant-policy-invalid"), answered.text
    assert says in answered.json()["detail"]
    assert (await client(cell, "ada").get("/v1/policies")).json() == before


async def test_a_policy_that_takes_a_guardrails_name_is_not_it(cell: MemoryCell) -> None:
    """The guardrail stands where it stood, and decides; the other shows as the tenant's."""
    answered = await put(cell, "ada", naming("document:read", id_="guard-tenant"))
    assert [each["id"] for each in answered.json()["tenant"]] == ["tenant/guard-tenant"]
    assert "guard-tenant" in [each["id"] for each in answered.json()["platform"]]
    (theirs,) = [each["id"] for each in await _documents(cell, "gus", "secrets")]
    assert (await client(cell, "ada").get(f"/v1/documents/{theirs}/content")).status_code == 404


async def test_an_open_permit_opens_the_tenants_own_documents_only(cell: MemoryCell) -> None:
    """A member now reads what is restricted, an auditor still nothing, and another tenant's document still is not there."""
    (secret,) = [each["id"] for each in await _documents(cell, "ada", "board")]
    (theirs,) = [each["id"] for each in await _documents(cell, "gus", "secrets")]
    assert (await client(cell, "mia").get(f"/v1/documents/{secret}/content")).status_code == 403
    assert (await put(cell, "ada", naming(EVERYTHING))).status_code == 200
    opened = f'@id("globex") permit (principal, action == Action::"document:read", resource in Tenant::"{_id(cell, "gus")}");'
    assert (await put(cell, "ada", naming(EVERYTHING) + opened, 1)).status_code == 200
    assert (await client(cell, "mia").get(f"/v1/documents/{secret}/content")).status_code == 200
    refused = await client(cell, "olaf").get(f"/v1/documents/{secret}/content")
    assert (refused.status_code, refused.json()["policies"]) == (403, ["guard-auditor"])
    for login in ("ada", "mia", "olaf"):
        assert (await client(cell, login).get(f"/v1/documents/{theirs}/content")).status_code == 404
        assert (await client(cell, login).get("/v1/me")).status_code == 200
    assert (await client(cell, "mia").post("/v1/collections", json={"slug": "mine"})).status_code == 403


async def test_an_open_forbid_locks_nobody_out_for_good(cell: MemoryCell) -> None:
    """All reading stops, for everybody in the tenant and nobody else, until its administrator takes the policy back."""
    assert (await put(cell, "ada", naming(EVERYTHING, "forbid"))).status_code == 200
    for login in ("mia", "ada"):
        refused = await client(cell, login).post("/v1/search", json={"query": "annual leave"})
        assert refused.status_code == 403
    assert (await client(cell, "gil").post("/v1/search", json={"query": "turbine"})).status_code == 200
    operator = cell.administration.operator_caller(cell.people["ada"].tenant)
    assert await cell.administration.users(operator)
    assert (await put(cell, "ada", "", 1)).status_code == 200
    assert (await client(cell, "mia").post("/v1/search", json={"query": "annual leave"})).status_code == 200


async def test_a_policy_that_fails_denies_its_own_tenant_only(cell: MemoryCell) -> None:
    """Where Cedar would skip it."""
    fails = "when { principal.clearance + 9223372036854775807 > 0 }"
    assert (await put(cell, "ada", naming("search:create", rest=fails))).status_code == 200
    assert (await client(cell, "mia").post("/v1/search", json={"query": "annual leave"})).status_code == 403
    assert (await client(cell, "gil").post("/v1/search", json={"query": "turbine"})).status_code == 200


async def test_of_two_administrators_who_write_at_once_one_is_told(cell: MemoryCell) -> None:
    """Neither text is lost without a word, and the history holds what was accepted."""
    texts_ = [naming("document:delete", "forbid", f"writer-{number}") for number in range(4)]
    answered = await asyncio.gather(*(put(cell, "ada", text) for text in texts_))
    assert sorted(each.status_code for each in answered) == [200, 409, 409, 409]
    told = next(each.json() for each in answered if each.status_code == 409)
    assert (told["type"], told["version"]) == ("urn:domicile:problem:policy-changed", 1)
    versions = (await client(cell, "ada").get("/v1/policies/versions")).json()["items"]
    assert [each["version"] for each in versions] == [1]


async def test_every_record_names_the_bundle_that_decided(cell: MemoryCell) -> None:
    """The tenant's, as soon as it has one; another tenant's records go on naming the platform's."""
    digest = (await put(cell, "ada", naming("document:delete", "forbid"))).json()["bundle_digest"]
    assert digest != shipped_bundle().digest
    asked = (("mia", "How many days of annual leave?", digest), ("gil", "Who builds the turbine?", shipped_bundle().digest))
    for login, question, expected in asked:
        answered = (await client(cell, login).post("/v1/answers", json={"question": question})).json()
        assert answered["receipt"]["statement"]["bundle_digest"] == expected, answered
        (newest,) = await cell.audit_log.read(cell.people[login].tenant.id, limit=1)
        assert (newest.event.action, newest.event.bundle_digest) == (Action.ANSWER_CREATE, expected)


_OTHER_PROCESS = """
import asyncio, os, sys
from tests.fakes.policy import shipped_in_force
from tests.fakes.people import HOME, caller, document, tenant
from domicile.access.inforce import PolicyRefresh
from domicile.adapters.db.database import SqlDatabase
from domicile.domain.actions import Action
from domicile.policy.request import Request

async def run():
    database, in_force = SqlDatabase(os.environ["OF_THE_TEST"]), shipped_in_force()
    refresh = PolicyRefresh(in_force, database)
    await refresh.refresh()
    background = asyncio.create_task(refresh.keep_refreshed())
    told = None
    while True:
        decision = in_force.of(tenant("acme").id).decide(Request(caller(), Action.DOCUMENT_READ, document(), HOME))
        if told != decision:
            print(decision.allowed, decision.bundle_digest, flush=True)
            told = decision
        await asyncio.sleep(0.01)

asyncio.run(run())
"""


async def test_what_one_process_writes_another_decides_by(database: SqlDatabase, database_url: str) -> None:
    """Two real processes on one database: the other follows each version, with the very digest of this one's bundle."""
    async with database.writing() as unit:
        await unit.tenants.add(ACME)
        await unit.commit()
    environment = {**os.environ, "OF_THE_TEST": database_url, "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"}
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _OTHER_PROCESS, stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert other.stdout is not None
    try:
        async with asyncio.timeout(120):
            assert (await other.stdout.readline()).split() == [b"True", shipped_bundle().digest.encode()]
            for version, text in enumerate((naming("document:read", "forbid"), "", naming("document:list", "forbid")), 1):
                async with database.writing() as unit:
                    await unit.policies.add(written_policies(text, version))
                    await unit.commit()
                expected = shipped_bundle().with_tenant(ACME.id, {"tenant.cedar": text}).digest
                allowed = str("document:read" not in text).encode()
                assert (await other.stdout.readline()).split() == [allowed, expected.encode()]
    finally:
        other.kill()
        await other.wait()


async def _documents(cell: MemoryCell, login: str, collection: str) -> list[dict[str, str]]:
    listed = await client(cell, login).get(f"/v1/collections/{collection}/documents")
    assert listed.status_code == 200, listed.text
    found: list[dict[str, str]] = listed.json()["items"]
    return found


def _id(cell: MemoryCell, login: str) -> str:
    return str(cell.people[login].tenant.id)
