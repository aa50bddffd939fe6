"""Every operation against everybody who should not get what it gives: the status, and no byte of what is not theirs.

The victim is the tenant acme: its administrator's restricted document for the board, her conversation, her job, her collection.
The table below names what each kind of caller is answered; it is checked to have a row for everything that is served, so that a
new route fails here until somebody has thought about it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
import structlog
from httpx2 import AsyncClient, Response
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import select
from tests.fakes.cell import MemoryCell, browser, client, csrf_token, open_memory_cell, populate

from domicile.access.places import Places
from domicile.adapters.db.schema import job_items
from domicile.adapters.db.transaction import Transaction
from domicile.adapters.telemetry.logs import configure_logs
from domicile.answers.events import AnswerRequest, Sources
from domicile.domain.actions import Action
from domicile.domain.erasures import ErasureKind
from domicile.domain.holds import HoldKind
from domicile.domain.principals import Caller
from domicile.domain.values import Classification, Region, Role
from domicile.lifecycle.erasures import Wanted
from domicile.policy.decision import DecisionPoint
from domicile.policy.request import Decision, Request
from domicile.policy.scope import RetrievalScope
from domicile.web.authentication import PUBLIC
from domicile.web.declared import operations

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Words that only acme's restricted document, its path, its conversation and its collection hold.
TITLE, BODY, PATH, ASKED, SLUG = "Zephyrine", "quokkaberry", "zirconpath", "umbrafjord", "velvetgorge"
#: In the text of acme's own policies.
OWN = "lanternwick"
#: In the words of the document that are no secret, so that whoever may read it finds it, and a list of questions shows none.
QUESTION = "What is bought for the board alone?"
#: What acme's legal hold is for.
MATTER = "nightjar-heath"
CANARIES = (TITLE, BODY, PATH, ASKED, SLUG, OWN, MATTER)
CALLERS = ("anonymous", "stranger", "colleague", "uncleared", "revoked", "auditor", "operator", "moved", "abroad")


@dataclass
class Scene:
    """The cell and what is attacked in it. ``keys`` are API keys by kind of caller."""

    cell: MemoryCell
    document: UUID
    collection: UUID
    conversation: UUID
    job: UUID
    hold: UUID
    erasure: UUID
    spans: InMemorySpanExporter
    keys: dict[str, str] = field(default_factory=dict)

    def names(self) -> Mapping[str, str]:
        """What the path templates of the routes are filled with."""
        return {
            "document_id": str(self.document),
            "collection": str(self.collection),
            "conversation_id": str(self.conversation),
            "job_id": str(self.job),
            "name": "app.js",
            "version": "1",
            "hold_id": str(self.hold),
            "erasure_id": str(self.erasure),
        }

    def client(self, who: str) -> AsyncClient:
        key = self.keys.get(who)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return client(self.cell, None, **headers, **({"X-Client-Region": "us-va"} if who == "abroad" else {}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("leaks")
    spans = InMemorySpanExporter()
    async with open_memory_cell(folder, spans=[SimpleSpanProcessor(spans)]) as cell:
        cell.places = Places.parse(proxies=["127.0.0.1/32"], header="X-Client-Region", regions=[])
        await populate(cell)
        yield await _furnished(cell, spans)


async def _furnished(cell: MemoryCell, spans: InMemorySpanExporter) -> Scene:
    ada = await cell.caller("ada")
    text = f"# {TITLE}\n\nThe {BODY} is bought for the board alone.\n"
    (document,) = await cell.ingest("ada", SLUG, {f"{PATH}/minutes.md": text}, Classification.RESTRICTED, ["board"])
    where = await cell.library.collection(ada, SLUG)
    events = [event async for event in cell.answers.answer(ada, AnswerRequest(f"{ASKED} {BODY}?"))]
    conversation = next(event.conversation_id for event in events if isinstance(event, Sources))
    assert conversation is not None
    hold = await cell.holds.place(ada, HoldKind.SUBJECT, "somebody@acme.example", MATTER)
    erasure = await cell.erasures.request(ada, Wanted(ErasureKind.SUBJECT, "somebody@acme.example", MATTER))
    scene = Scene(cell, document, where.id, conversation, await _job_of(cell, document), hold.id, erasure.id, spans)
    await cell.policies.write(ada, f"// {OWN}\n", 0)
    acme = cell.people["ada"].tenant
    operator = cell.administration.operator_caller(acme)
    pia = await cell.administration.create_user(operator, "pia", "Pia", Role.MEMBER, Classification.PUBLIC, ["board"])
    _, scene.keys["uncleared"] = await cell.administration.create_api_key(operator, pia.id, "test")
    revoked, scene.keys["revoked"] = await cell.administration.create_api_key(operator, ada.principal.id, "lost")
    await cell.administration.revoke_api_key(operator, revoked.id)
    rita = await cell.administration.create_user(operator, "rita", "Rita", Role.OPERATOR, Classification.RESTRICTED, ["board"])
    _, scene.keys["operator"] = await cell.administration.create_api_key(operator, rita.id, "test")
    scene.keys["moved"] = await _moved(cell)
    bea = await cell.administration.create_user(operator, "bea", "Bea", Role.MEMBER, Classification.RESTRICTED, ["board"])
    _, scene.keys["abroad"] = await cell.administration.create_api_key(operator, bea.id, "test")
    scene.keys |= {
        kind: cell.people[login].key for kind, login in (("stranger", "gus"), ("colleague", "mia"), ("auditor", "olaf"))
    }
    return scene


async def _moved(cell: MemoryCell) -> str:
    """The key of an administrator whose tenant has left the region."""
    away = Region("eu-fr")
    tenant = await cell.administration.create_tenant("lyon", "Lyon", away, frozenset({cell.region}))
    operator = cell.administration.operator_caller(tenant)
    remi = await cell.administration.create_user(operator, "remi", "Remi", Role.ADMINISTRATOR, Classification.RESTRICTED)
    _, key = await cell.administration.create_api_key(operator, remi.id, "test")
    async with cell.database.writing() as unit:
        await unit.tenants.set_allowed_regions(tenant.id, frozenset())
        await unit.commit()
    return key


async def _job_of(cell: MemoryCell, document: UUID) -> UUID:
    async with cell.database.reading_transaction() as open_:
        row = await open_.first(select(job_items.c.job_id).where(job_items.c.document_id == document))
    assert row is not None
    found: UUID = row.job_id
    return found


#: What is sent where more than the path is needed.
BODIES: Mapping[tuple[str, str], Callable[[Scene], dict[str, object]]] = {
    ("POST", "/v1/collections"): lambda _: {"json": {"slug": f"c-{uuid4().hex[:8]}"}},
    ("POST", "/v1/collections/{collection}/documents"): lambda _: {"files": {"file": ("a.md", b"# A\n\nText.")}},
    ("POST", "/v1/search"): lambda _: {"json": {"query": QUESTION}},
    ("POST", "/v1/answers"): lambda _: {"json": {"question": QUESTION}},
    ("POST", "/v1/policies/explain"): lambda scene: {
        "json": {"principal": "mia", "action": "document:read", "resource": f"document:{scene.document}"}
    },
    ("POST", "/v1/exports"): lambda _: {"json": {"kind": "tenant"}},
    ("POST", "/v1/imports"): lambda _: {"files": {"file": ("a.zip", b"PK")}, "data": {"unverified": "true"}},
    ("POST", "/"): lambda _: {"data": {"question": QUESTION}},
    ("POST", "/v1/keys/reencryption"): lambda scene: {
        "json": {"documents": [str(scene.document)], "since": "2026-01-01T00:00:00Z"}
    },
    ("POST", "/v1/holds"): lambda scene: {"json": {"kind": "document", "target": str(scene.document), "reference": "matter"}},
    ("POST", "/v1/erasures"): lambda scene: {"json": {"kind": "document", "target": str(scene.document), "reason": "r"}},
    ("POST", "/v1/erasures/preview"): lambda scene: {
        "json": {"kind": "document", "target": str(scene.document), "reason": "r"}
    },
    ("PUT", "/v1/retention"): lambda _: {"json": {"conversations": 36_500}},
    ("PUT", "/v1/policies"): lambda _: {"json": {"text": "", "expected_version": 0, "dry_run": True}},
    ("POST", "/login"): lambda _: {"data": {"login": "ada", "password": "wrong"}},
}


#: What each kind of caller is answered, in the order of ``CALLERS``. A colleague is a member of acme outside the board; the
#: uncleared one is on the board and may read public documents only; the stranger is the administrator of another tenant; the
#: operator has that role in acme and every other right there is; the moved one is the administrator of a tenant that may not be
#: in this region any more. The one abroad is on acme's board and cleared for all of it, and looks from where there is no legal
#: basis for that.
EXPECTED: Mapping[tuple[str, str], tuple[int, ...]] = {
    ("GET", "/v1/me"): (401, 200, 200, 200, 401, 200, 200, 421, 200),
    ("GET", "/v1/collections"): (401, 200, 200, 200, 401, 403, 403, 421, 403),
    ("POST", "/v1/collections"): (401, 201, 403, 403, 401, 403, 403, 421, 403),
    ("GET", "/v1/collections/{collection}"): (401, 404, 200, 200, 401, 404, 404, 421, 403),
    ("GET", "/v1/collections/{collection}/documents"): (401, 404, 200, 200, 401, 404, 404, 421, 403),
    ("POST", "/v1/collections/{collection}/documents"): (401, 404, 403, 403, 401, 404, 404, 421, 403),
    ("GET", "/v1/documents/{document_id}"): (401, 404, 403, 403, 401, 403, 403, 421, 403),
    ("GET", "/v1/documents/{document_id}/content"): (401, 404, 403, 403, 401, 403, 403, 421, 403),
    ("DELETE", "/v1/documents/{document_id}"): (401, 404, 403, 403, 401, 403, 403, 421, 403),
    ("GET", "/v1/jobs/{job_id}"): (401, 404, 403, 403, 401, 403, 403, 421, 403),
    ("GET", "/v1/jobs/{job_id}/events"): (401, 404, 403, 403, 401, 403, 403, 421, 403),
    ("POST", "/v1/search"): (401, 200, 200, 200, 401, 403, 403, 421, 403),
    ("POST", "/v1/answers"): (401, 200, 200, 200, 401, 403, 403, 421, 403),
    ("GET", "/v1/conversations"): (401, 200, 200, 200, 401, 403, 403, 421, 403),
    ("GET", "/v1/conversations/{conversation_id}"): (401, 404, 404, 404, 401, 404, 404, 421, 403),
    ("DELETE", "/v1/conversations/{conversation_id}"): (401, 404, 404, 404, 401, 404, 404, 421, 404),
    ("GET", "/v1/audit/events"): (401, 403, 403, 403, 401, 200, 403, 421, 403),
    ("GET", "/v1/residency"): (401, 200, 403, 403, 401, 200, 200, 421, 403),
    ("GET", "/v1/transfers"): (401, 200, 403, 403, 401, 200, 200, 421, 403),
    ("GET", "/v1/policies"): (401, 200, 403, 403, 401, 200, 200, 421, 403),
    ("PUT", "/v1/policies"): (401, 200, 403, 403, 401, 403, 403, 421, 403),
    ("GET", "/v1/policies/versions"): (401, 200, 403, 403, 401, 200, 200, 421, 403),
    ("GET", "/v1/policies/versions/{version}"): (401, 404, 403, 403, 401, 200, 200, 421, 403),
    ("POST", "/v1/policies/explain"): (401, 404, 403, 403, 401, 200, 200, 421, 403),
    ("GET", "/v1/keys"): (401, 200, 403, 403, 401, 200, 403, 421, 403),
    ("POST", "/v1/keys/reencryption"): (401, 404, 403, 403, 401, 403, 403, 421, 403),
    ("GET", "/v1/holds"): (401, 200, 403, 403, 401, 200, 403, 421, 403),
    ("POST", "/v1/holds"): (401, 404, 403, 403, 401, 403, 403, 421, 403),
    ("DELETE", "/v1/holds/{hold_id}"): (401, 404, 403, 403, 401, 403, 403, 421, 403),
    ("GET", "/v1/erasures"): (401, 200, 403, 403, 401, 200, 403, 421, 403),
    ("POST", "/v1/erasures"): (401, 404, 403, 403, 401, 403, 403, 421, 403),
    ("POST", "/v1/erasures/preview"): (401, 404, 403, 403, 401, 403, 403, 421, 403),
    ("GET", "/v1/erasures/{erasure_id}"): (401, 404, 403, 403, 401, 200, 403, 421, 403),
    ("POST", "/v1/erasures/{erasure_id}/approval"): (401, 404, 403, 403, 401, 403, 403, 421, 403),
    ("GET", "/v1/retention"): (401, 200, 403, 403, 401, 200, 403, 421, 403),
    ("PUT", "/v1/retention"): (401, 200, 403, 403, 401, 403, 403, 421, 403),
    ("GET", "/v1/retention/preview"): (401, 200, 403, 403, 401, 200, 403, 421, 403),
    ("POST", "/v1/exports"): (401, 200, 403, 403, 401, 403, 403, 421, 403),
    ("POST", "/v1/imports"): (401, 422, 403, 403, 401, 403, 403, 421, 403),
    ("GET", "/admin"): (401, 200, 403, 403, 401, 200, 200, 421, 403),
    ("GET", "/"): (401, 200, 200, 200, 401, 403, 403, 421, 403),
    ("POST", "/"): (401, 200, 200, 200, 401, 403, 403, 421, 403),
    ("GET", "/conversations/{conversation_id}"): (401, 404, 404, 404, 401, 404, 404, 421, 403),
    ("POST", "/conversations/{conversation_id}/delete"): (401, 404, 404, 404, 401, 404, 404, 421, 404),
    ("GET", "/documents/{document_id}"): (401, 404, 403, 403, 401, 403, 403, 421, 403),
    ("POST", "/logout"): (401, 303, 303, 303, 401, 303, 303, 303, 303),
}
#: Whoever is in acme may see which collections it has, and its auditors which policies and holds.
SHOWN = {"colleague": {SLUG}, "uncleared": {SLUG}, "auditor": {OWN, MATTER}, "operator": {OWN}}
#: With these the id in the path belongs to the victim. (A version's number is counted within each tenant.)
BY_ID = [key for key in EXPECTED if "{" in key[1] and "{version}" not in key[1]]


async def ask(scene: Scene, who: str, operation: tuple[str, str], **names: str) -> Response:
    method, path = operation
    extra = BODIES.get(operation, lambda _: {})(scene)
    async with scene.client(who) as http:
        return await http.request(method, path.format_map({**scene.names(), **names}), **extra)  # type: ignore[arg-type]


def everything_told(answered: Response) -> str:
    """Headers and body, which for a stream is all that came."""
    return "\n".join([*(f"{name}: {value}" for name, value in answered.headers.items()), answered.text])


async def test_the_matrix_covers_everything_that_is_served(scene: Scene) -> None:
    """A route that nobody has thought about here, or that is gone, fails."""
    served = {(each.method, each.path) for each in operations(scene.cell.app)}
    assert served - PUBLIC == set(EXPECTED)


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("operation", EXPECTED, ids=" ".join)
async def test_everybody_is_answered_what_they_should_be(scene: Scene, operation: tuple[str, str], who: str) -> None:
    """The status of the table, and in headers, body and error no word that is not theirs."""
    answered = await ask(scene, who, operation)
    assert answered.status_code == EXPECTED[operation][CALLERS.index(who)], answered.text
    told = everything_told(answered)
    assert [word for word in CANARIES if word in told and word not in SHOWN.get(who, set())] == []
    if who in ("anonymous", "stranger", "revoked", "moved"):
        assert [
            name for name in (scene.document, scene.job, scene.conversation, scene.hold, scene.erasure) if str(name) in told
        ] == []


@pytest.mark.parametrize("operation", BY_ID, ids=" ".join)
async def test_what_is_anothers_answers_like_what_never_was(
    scene: Scene, operation: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same status, headers and words, and as many statements of the database: nothing to tell the two apart by."""
    statements: list[int] = [0]
    execute = Transaction._execute

    async def counted(self: Transaction, *arguments: object) -> object:
        statements[-1] += 1
        return await execute(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Transaction, "_execute", counted)
    monkeypatch.setattr("domicile.access.trusted.SECONDS_TRUSTED", 3600.0)
    scene.cell.identity._trusted._known.clear()
    told = []
    for names in ({}, dict.fromkeys(scene.names(), str(uuid4()))):
        await ask(scene, "stranger", operation, **names)  # what is remembered for a moment is remembered for both
        statements.append(0)
        answered = await ask(scene, "stranger", operation, **names)
        request_id = answered.headers["x-request-id"]
        statements.append(0)
        told.append((answered.status_code, everything_told(answered).replace(request_id, "…")))
    assert told[0] == told[1]
    assert statements[1] == statements[3] > 0


async def test_counts_and_lists_of_another_tenant_hold_only_its_own(scene: Scene) -> None:
    """What was searched, what is listed and how many there are does not change with what acme has."""
    own = {"documents": 1, "collections": {"secrets"}}
    for path, body in (("/v1/search", {"query": QUESTION}), ("/v1/answers", {"question": QUESTION})):
        async with scene.client("stranger") as http:
            found = (await http.post(path, json=body)).json()
        assert found["searched_documents"] == own["documents"]
    async with scene.client("stranger") as http:
        listed = {each["slug"] for each in (await http.get("/v1/collections")).json()["items"]}
    assert {slug for slug in listed if not slug.startswith("c-")} == own["collections"]


@pytest.mark.parametrize("login", ["gus", "mia", "olaf"])
async def test_pages_that_are_signed_in_to_show_no_more(scene: Scene, login: str) -> None:
    """With a browser's cookie instead of a key: the same refusals, as pages."""
    who = {"gus": "stranger", "mia": "colleague", "olaf": "auditor"}[login]
    http = await browser(scene.cell, login)
    for operation in EXPECTED:
        method, path = operation
        if method != "GET" or path.startswith("/v1"):
            continue
        answered = await http.get(path.format_map(scene.names()))
        assert answered.status_code == EXPECTED[operation][CALLERS.index(who)], path
        assert [word for word in CANARIES if word in everything_told(answered) and word not in SHOWN.get(who, set())] == []
    await http.aclose()


async def test_nothing_of_it_is_in_logs_traces_or_metrics(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """The owner reads and asks, everybody else is refused: neither leaves a word behind in what the operator sees."""
    capsys.readouterr()
    configure_logs("debug")
    scene.spans.clear()
    scene.keys["owner"] = scene.cell.people["ada"].key
    for operation in EXPECTED:
        if operation[0] == "DELETE" or operation[1] == "/logout" or operation[1].endswith("/delete"):
            continue
        for who in (*CALLERS, "owner"):
            await ask(scene, who, operation)
    structlog.reset_defaults()
    async with scene.client("owner") as http:
        metrics = (await http.get("/metrics")).text
    logs = capsys.readouterr().err
    spans = "\n".join(span.to_json() for span in scene.spans.get_finished_spans())
    assert logs.count("\n") > 100
    assert spans.count("http.server.request") > 100
    for told in (logs, spans, metrics):
        assert [word for word in CANARIES if word in told] == []
    assert [name for name in (scene.document, scene.conversation, scene.collection) if str(name) in spans + metrics] == []


@pytest.mark.parametrize("operation", sorted(EXPECTED), ids=" ".join)
async def test_what_is_declared_is_what_is_decided(
    scene: Scene, operation: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision point is asked about the first action that the operation declares, and about none that it does not."""
    asked: set[Action] = set()
    decide_many, scope = DecisionPoint.decide_many, DecisionPoint.scope

    def deciding(self: DecisionPoint, requests: Sequence[Request]) -> list[Decision]:
        asked.update(each.action for each in requests)
        return decide_many(self, requests)

    def scoping(self: DecisionPoint, caller: Caller, action: Action, *rest: Any) -> RetrievalScope:
        asked.add(action)
        return scope(self, caller, action, *rest)

    monkeypatch.setattr(DecisionPoint, "decide_many", deciding)
    monkeypatch.setattr(DecisionPoint, "scope", scoping)
    login = "olaf" if operation[1].startswith("/v1/audit") else "mia" if operation[0] == "DELETE" else "ada"
    if operation[1] in {"/logout", "/conversations/{conversation_id}/delete"}:
        http = await browser(scene.cell, login)
        headers = {"X-CSRF-Token": await csrf_token(http, "/")}
        asked.clear()
        await http.request(operation[0], operation[1].format_map(scene.names()), headers=headers)
        await http.aclose()
    else:
        scene.keys["owner"] = scene.cell.people[login].key
        await ask(scene, "owner", operation)
    (declared,) = {each.actions for each in operations(scene.cell.app) if (each.method, each.path) == operation}
    assert declared[0] in asked
    assert asked - {Action.POLICY_READ} <= set(declared)
