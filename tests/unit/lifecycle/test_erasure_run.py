"""Carrying erasures out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.ingestion.cell import ACME, ADMIN, GLOBEX, MEMBER, RIVAL
from tests.unit.lifecycle.erasing import BODY, Erasing, counts, forbidding

from domicile.access.administration import Administration
from domicile.access.profiles import login_digest
from domicile.adapters.db.database import SqlDatabase
from domicile.answers.history import About
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import ItemState
from domicile.domain.erasures import ErasureKind, ErasureState, Stage
from domicile.domain.errors import DecryptionFailed, DocumentErased, LegalHold, NotFound
from domicile.domain.holds import Hold, HoldKind
from domicile.domain.marks import NOBODY
from domicile.domain.subjects import subject_digest
from domicile.lifecycle import erasure_rows
from domicile.lifecycle.erasure_rows import is_person_held
from domicile.lifecycle.erasures import Wanted

DOCUMENT, SUBJECT, TENANT = ErasureKind
PERSON = "p-4711"


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
async def made(database: SqlDatabase) -> Erasing:
    """A populated cell, over each of the two databases."""
    erasing = Erasing(database)
    await erasing.cell.populate()
    return erasing


def operator(made: Erasing) -> Any:
    return Administration.operator_caller(ACME, made.cell.clock.now())


async def test_a_document_goes_from_every_store(made: Erasing) -> None:
    """With every version and trace of it, and the conversation that quotes it; each store is read back and has a receipt."""
    cell = made.cell
    (old,) = (await cell.ingest(("a.txt", "one"))).items
    (item, other) = (await cell.ingest(("a.txt", "two"), ("b.txt", "three"))).items
    quoting, silent = await made.talk(cell.member, item.document_id), await made.talk(cell.member, other.document_id)
    done = await made.erase(DOCUMENT, item.document_id)
    assert (done.state, done.stage, done.waiting) == (ErasureState.DONE, Stage.READ_BACK, None)
    assert counts(done) == {
        "database": (3, 3, 0),  # two versions and a conversation
        "key-store": (2, 2, 0),  # the old version's was gone when it was replaced
        "vector-index": (1, 1, 0),
        "blob-store": (2, 2, 0),
    }
    assert [each.id for each in await cell.documents()] == [other.document_id]
    assert made.blobs_of(item.document_id) == []
    assert {point.version_id for point in cell.index.points.values()} == {other.version_id}
    assert made.keys.data.keys().isdisjoint({old.data_key_id, item.data_key_id, quoting.data_key_id})
    assert await made.conversations(MEMBER) == {silent.id}
    for key_id in (item.data_key_id, quoting.data_key_id):
        with pytest.raises(DecryptionFailed):
            await made.ring.open(ACME.id, key_id)
    assert item.document_id not in {each.document_id for each in (await cell.job(item.job_id)).items}


async def test_every_removal_is_in_the_audit_log(made: Erasing) -> None:
    """The request, each thing that went, and the end that the receipts name."""
    (item,) = (await made.cell.ingest(("a.txt", "one"))).items
    done = await made.erase(DOCUMENT, item.document_id)
    events = [each for each in await made.cell.events() if each.action in (Action.ERASURE_CREATE, Action.ERASURE_RUN)]
    assert [(each.action, each.resource, each.outcome) for each in events] == [
        (Action.ERASURE_CREATE, f"document:{item.document_id}", Outcome.PERMITTED),
        (Action.ERASURE_RUN, f"document:{item.document_id}", Outcome.PERMITTED),
        (Action.ERASURE_RUN, f"tenant:{ACME.id}", Outcome.PERMITTED),
    ]
    assert all(("erasure", str(done.id)) in each.detail for each in events)
    assert str(events[-1].id) in (done.receipts or b"").decode()


async def test_a_subject_goes_with_conversations_and_account(made: Erasing) -> None:
    """What is about somebody, all that they asked themselves, and what they sign in with; others' things stay."""
    cell = made.cell
    (item,) = (await cell.ingest(("a.txt", "one"), subjects=(PERSON,))).items
    (owned,) = (await cell.ingest(("b.txt", "two"), owner=MEMBER.login)).items
    digest = subject_digest(await made.ring.digest_key(ACME.id), PERSON)
    tagged = await made.talk(cell.admin, subjects=frozenset({digest}))
    own, others = await made.talk(cell.member), await made.talk(cell.admin)
    name = await made.key_of(MEMBER)
    done = await made.erase(SUBJECT, PERSON, account=MEMBER.login)
    assert done.state is ErasureState.DONE
    assert (done.counts["version"], done.counts["conversation"], done.counts["account"]) == (1, 2, 1)
    assert counts(done)["key-store"] == (4, 4, 0)
    assert [each.id for each in await cell.documents()] == [owned.document_id]
    assert (await cell.document(owned)).attributes.owner == NOBODY
    assert await made.conversations(ADMIN) == {others.id}
    assert await made.conversations(MEMBER) == set()
    assert made.keys.data.keys().isdisjoint({item.data_key_id, tagged.data_key_id, own.data_key_id, name})
    async with made.database.reading() as unit:
        assert await unit.principals.by_login_digest(await login_digest(made.ring, MEMBER.login)) is None
        left = await unit.principals.get(MEMBER.id)
    assert (left.disabled, left.profile, left.groups) == (True, None, frozenset())
    assert PERSON.encode() not in repr(done).encode()


async def test_a_tenant_goes_with_everything(made: Erasing) -> None:
    """All that is left are its audit log, its transfer register and the erasure itself; the other tenant has what it had."""
    cell = made.cell
    await cell.ingest(("a.txt", "one"), ("b.txt", "two"), groups=("finance",), labels=("record",))
    await made.talk(cell.member)
    async with made.database.writing() as unit:
        foreign = await unit.collections.of_tenant(GLOBEX.id)
    done = await made.erase(TENANT, by=operator(made))
    assert done.state is ErasureState.DONE
    assert {store: after for store, (_, _, after) in counts(done).items()} == dict.fromkeys(counts(done), 0)
    assert counts(done)["vector-index"] == (2, 2, 0)
    assert counts(done)["blob-store"] == (4, 4, 0)
    assert await made.keys.tenant_keys(ACME.id) == []
    assert await made.keys.count(ACME.id) == 0
    async with made.database.reading() as unit:
        assert await unit.erasing.rows_of_tenant(ACME.id) == 0
        assert await unit.collections.of_tenant(GLOBEX.id) == foreign
        assert (await unit.principals.get(RIVAL.id)).disabled is False
        with pytest.raises(NotFound):
            await unit.tenants.get(ACME.id)
    assert {each.tenant_id for each in await cell.events()} == {ACME.id}
    assert (await made.book.get(await made.book.operator(done.id), done.id)).state is ErasureState.DONE


async def test_what_is_held_is_refused_before_anything_is_touched(made: Erasing) -> None:
    """A document when it is asked for and when the hold comes in between; a tenant for a hold on anything in it."""
    cell = made.cell
    (item,) = (await cell.ingest(("a.txt", "one"))).items
    asked = await made.ask(DOCUMENT, item.document_id)
    of_all = await made.ask(TENANT, by=operator(made))
    await made.holds.place(cell.admin, HoldKind.DOCUMENT, str(item.document_id), "matter-1")
    before = await cell.contents()
    for kind, target, by in ((DOCUMENT, item.document_id, cell.admin), (TENANT, "", operator(made))):
        with pytest.raises(LegalHold):
            await made.ask(kind, target, by=by)
    await made.run.run_due()
    for each in (asked, of_all):
        refused = await made.now(each)
        assert (refused.state, refused.waiting, refused.receipts) == (ErasureState.REFUSED, "legal-hold", None)
    assert await cell.contents() == before
    assert await cell.keys_left(item.data_key_id) == {item.data_key_id}
    async with made.database.reading() as unit:
        assert (await unit.principals.get(MEMBER.id)).disabled is False


async def test_a_hold_on_a_tenant_that_is_closed_already_is_waited_for(made: Erasing) -> None:
    """Its credentials are gone, so that nobody says that nothing was touched; what is left stays until it is released."""
    cell = made.cell
    job = await cell.submit(("a.txt", "one"))
    asked = await made.ask(TENANT, by=operator(made))
    await made.run.run_due()
    assert (await made.now(asked)).waiting == "job-under-way"
    hold = await made.holds.place(operator(made), HoldKind.TENANT, "", "matter-1")
    await cell.pipeline.run(job.id, ACME.id)
    assert await made.run.run_due() == 0
    waiting = await made.now(asked)
    assert (waiting.state, waiting.stage, waiting.waiting) == (ErasureState.RUNNING, Stage.ROWS, "legal-hold")
    async with made.database.reading() as unit:
        assert (await unit.principals.get(MEMBER.id)).profile is not None
    await made.holds.release(operator(made), hold.id)
    await made.run.run_due()
    assert (await made.now(asked)).state is ErasureState.DONE


async def test_no_hold_comes_between_looking_for_one_and_removing(made: Erasing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever places one on that person waits for what is just being decided: a conversation, then the account."""
    await made.talk(made.cell.member)
    await made.ring.digest_key(ACME.id)
    placing: list[asyncio.Task[Hold]] = []

    async def and_hold(*arguments: Any) -> bool:
        held = await is_person_held(*arguments)
        placing.append(asyncio.create_task(made.holds.place(made.cell.admin, HoldKind.SUBJECT, PERSON, "matter-1")))
        await asyncio.wait(placing[-1:], timeout=0.2)
        assert not placing[-1].done()
        return held

    monkeypatch.setattr(erasure_rows, "is_person_held", and_hold)
    done = await made.erase(SUBJECT, PERSON, account=MEMBER.login)
    await asyncio.gather(*placing)
    assert (done.state, done.held, len(placing)) == (ErasureState.DONE, (f"account:{MEMBER.id}",), 2)


async def test_of_a_subject_what_is_held_stays_and_is_named(made: Erasing) -> None:
    """The rest goes. A hold on the very person keeps the account and what they asked, too."""
    cell = made.cell
    items = (await cell.ingest(("a.txt", "one"), ("b.txt", "two"), subjects=(PERSON,))).items
    await made.holds.place(cell.admin, HoldKind.DOCUMENT, str(items[0].document_id), "matter-1")
    seen = await made.book.preview(cell.admin, Wanted(SUBJECT, PERSON, "request-7", MEMBER.login))
    assert (seen.documents, seen.held_documents, seen.accounts, seen.held_accounts) == (2, 1, 1, 0)
    done = await made.erase(SUBJECT, PERSON)
    assert (done.state, done.held) == (ErasureState.DONE, (f"document:{items[0].document_id}",))
    assert [each.id for each in await cell.documents()] == [items[0].document_id]
    await made.holds.place(cell.admin, HoldKind.SUBJECT, PERSON, "matter-2")
    talk = await made.talk(cell.member)
    done = await made.erase(SUBJECT, PERSON, account=MEMBER.login)
    assert set(done.held) == {f"document:{items[0].document_id}", f"conversation:{talk.id}", f"account:{MEMBER.id}"}
    assert await made.conversations(MEMBER) == {talk.id}
    async with made.database.reading() as unit:
        assert (await unit.principals.get(MEMBER.id)).profile is not None


STEPS: dict[str, Callable[[Erasing], tuple[object, str]]] = {
    "keys": lambda made: (made.ring, "destroy"),
    "keys-of-a-tenant": lambda made: (made.ring, "destroy_tenant"),
    "points": lambda made: (made.cell.index, "delete_versions"),
    "blobs": lambda made: (made.cell.blobs, "delete"),
    "counting": lambda made: (made.cell.index, "version_ids"),
    "signing": lambda made: (made.run._signer, "sign"),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("step", "kind"),
    # A tenant's keys go all at once, and others' one by one.
    [(step, kind) for step in STEPS for kind in ErasureKind if step != ("keys" if kind is TENANT else "keys-of-a-tenant")],
)
async def test_a_crash_at_any_step_is_taken_up_again(made: Erasing, kind: ErasureKind, step: str, after: bool) -> None:
    """Before or after each call of a store: the next start brings it to its end, with the same counts."""
    cell = made.cell
    (item,) = (await cell.ingest(("a.txt", "one"), subjects=(PERSON,))).items
    await made.talk(cell.member, item.document_id)
    target = {DOCUMENT: item.document_id, SUBJECT: PERSON, TENANT: ""}[kind]
    asked = await made.ask(kind, target, by=operator(made) if kind is TENANT else None)
    store, name = STEPS[step](made)
    call = getattr(store, name)

    async def dying(*arguments: Any) -> Any:
        if after:
            await call(*arguments)
        raise Crash

    def dying_at_once(*arguments: Any, **named: Any) -> Any:
        raise Crash

    setattr(store, name, dying_at_once if step == "signing" else dying)
    with pytest.raises(Crash):
        await made.run.run_due()
    assert (await made.now(asked)).state is ErasureState.RUNNING
    setattr(store, name, call)
    made.run = made.runner()
    await made.run.run_due()
    done = await made.now(asked)
    assert (done.state, done.waiting) == (ErasureState.DONE, None)
    assert counts(done)["key-store"][1:] == (2 if kind is not TENANT else counts(done)["key-store"][0], 0)
    assert counts(done)["vector-index"] == (1, 1, 0)
    assert counts(done)["blob-store"] == (2, 2, 0)
    assert (await cell.documents(), cell.blobs.blobs, cell.index.points) == ([], {}, {})


async def test_a_store_that_is_away_is_waited_for(made: Erasing) -> None:
    """The erasure says for what, is not done, and others go on."""
    cell = made.cell
    items = (await cell.ingest(("a.txt", "one"), ("b.txt", "two"))).items
    first = await made.ask(DOCUMENT, items[0].document_id)
    cell.index.broken = True
    await made.run.run_due()
    waiting = await made.now(first)
    assert (waiting.state, waiting.waiting, waiting.receipts) == (ErasureState.RUNNING, "vector-index-unavailable", None)
    cell.index.broken = False
    second = await made.ask(DOCUMENT, items[1].document_id)
    assert await made.run.run_due() == 2
    assert [(await made.now(each)).state for each in (first, second)] == [ErasureState.DONE] * 2


async def test_one_that_fails_keeps_no_other(made: Erasing) -> None:
    """Whatever is the matter with it, stored bytes that are not what was stored included."""
    items = (await made.cell.ingest(("a.txt", "one"), ("b.txt", "two"))).items
    first, second = [await made.ask(DOCUMENT, each.document_id) for each in items]
    destroy, fails = made.ring.destroy, [DecryptionFailed()]

    async def fail_once(*arguments: Any) -> int:
        if fails:
            raise fails.pop()
        return await destroy(*arguments)

    made.ring.destroy = fail_once  # type: ignore[method-assign]
    assert await made.run.run_due() == 1
    waiting = await made.now(first)
    assert (waiting.state, waiting.waiting) == (ErasureState.RUNNING, "decryption-failed")
    assert (await made.now(second)).state is ErasureState.DONE
    assert await made.run.run_due() == 1


async def test_an_account_whose_tenant_went_first_is_gone(database: SqlDatabase) -> None:
    """What was asked for before that, and is approved after it, is done with nothing to do."""
    made = Erasing(database, approval=True)
    await made.cell.populate()
    subject = await made.ask(SUBJECT, PERSON, account=MEMBER.login)
    of_all = await made.ask(TENANT, by=operator(made))
    await made.book.approve(made.cell.admin, of_all.id)
    assert await made.run.run_due() == 1
    await made.book.approve(await made.book.operator(subject.id), subject.id)
    assert await made.run.run_due() == 1
    done = await made.now(subject)
    assert (done.state, done.held, done.counts.get("account", 0)) == (ErasureState.DONE, (), 0)


async def test_what_comes_back_is_found_and_removed_again(made: Erasing) -> None:
    """A point and a blob that something wrote after they had gone: not done, said where, and done the next time."""
    cell = made.cell
    (item,) = (await cell.ingest(("a.txt", "one"))).items
    points, blobs = dict(cell.index.points), dict(cell.blobs.blobs)
    delete = cell.blobs.delete

    async def and_back(keys: Any) -> None:
        await delete(keys)
        cell.index.points.update(points)
        cell.blobs.blobs.update(blobs)
        cell.blobs.delete = delete  # type: ignore[method-assign]

    cell.blobs.delete = and_back  # type: ignore[method-assign]
    asked = await made.ask(DOCUMENT, item.document_id)
    await made.run.run_due()
    found = await made.now(asked)
    assert (found.state, found.stage, found.waiting) == (ErasureState.RUNNING, Stage.POINTS, "found-in-vector-index")
    await made.run.run_due()
    done = await made.now(asked)
    assert (done.state, counts(done)["vector-index"]) == (ErasureState.DONE, (2, 2, 0))
    assert (cell.index.points, cell.blobs.blobs) == ({}, {})


async def test_a_version_that_is_being_published_leaves_nothing(made: Erasing) -> None:
    """The erasure comes in the middle of the job, waits until that has ended, and has nothing left then."""
    cell = made.cell
    (old,) = (await cell.ingest(("a.txt", "one"))).items
    job = await cell.submit(("a.txt", "two, which is longer"))
    upsert = cell.index.upsert

    async def and_erase(points: Any) -> None:
        cell.index.upsert = upsert  # type: ignore[method-assign]
        await made.ask(DOCUMENT, old.document_id)
        await made.run.run_due()
        await upsert(points)

    cell.index.upsert = and_erase  # type: ignore[method-assign]
    await cell.pipeline.run(job.id, ACME.id)
    async with made.database.reading() as unit:
        (waiting,) = await unit.erasures.due()
    assert (waiting.stage, waiting.waiting) == (Stage.ROWS, "job-under-way")
    (item,) = (await cell.job(job.id)).items
    assert (item.state, item.failure) == (ItemState.FAILED, "document-withdrawn")
    await made.run.run_due()
    assert (await made.now(waiting)).state is ErasureState.DONE
    assert (await cell.documents(), cell.index.points, cell.blobs.blobs) == ([], {}, {})
    assert (await cell.job(job.id)).items == ()
    assert made.keys.data.keys().isdisjoint({old.data_key_id, item.data_key_id})


async def test_an_answer_at_the_same_moment_is_not_kept(made: Erasing) -> None:
    """One that was begun before and ends after: nothing of its words is stored, in an old conversation or a new one."""
    cell = made.cell
    (item, other) = (await cell.ingest(("a.txt", "one"), ("b.txt", "two"))).items
    about = About(frozenset({item.document_id, other.document_id}), frozenset(), cell.clock.now())
    old = await made.talk(cell.member, other.document_id)
    await made.erase(DOCUMENT, item.document_id)
    with pytest.raises(DocumentErased):
        await made.history.add(old, cell.clock.new_id(), BODY, about)
    with pytest.raises(DocumentErased):
        await made.history.begin(cell.member, "Question?", about)
    async with made.database.reading() as unit:
        assert len(await unit.conversations.exchanges(old.id)) == 1
    assert await made.conversations(MEMBER) == {old.id}


async def test_an_answer_in_a_conversation_that_has_just_gone_is_not_kept(made: Erasing) -> None:
    """It was begun before the document went, and with it it went."""
    cell = made.cell
    (item,) = (await cell.ingest(("a.txt", "one"))).items
    about = About(frozenset({item.document_id}), frozenset(), cell.clock.now())
    begun = await made.history.begin(cell.member, "Question?", about)
    await made.erase(DOCUMENT, item.document_id)
    with pytest.raises(DecryptionFailed):
        await made.history.add(begun, cell.clock.new_id(), BODY, about)
    assert await made.conversations(MEMBER) == set()


async def test_what_is_just_being_encrypted_anew_goes_with_every_key(made: Erasing) -> None:
    """The key that it has, the one that it was to have, and the one that it had, which others may still be opening with."""
    cell = made.cell
    first, second = (await cell.ingest(("a.txt", "one"), ("b.txt", "two"))).items
    keys = [cell.clock.new_id() for _ in range(2)]
    await made.ring.create(ACME.id, keys)
    async with made.database.writing() as unit:
        assert await unit.documents.set_next_key(ACME.id, first.version_id, keys[0])
        assert await unit.documents.set_next_key(ACME.id, second.version_id, keys[1])
        assert await unit.documents.adopt_key(ACME.id, second.version_id, keys[1], b"title")
        await unit.doomed_keys.add(ACME.id, [second.data_key_id])
        await unit.commit()
    for item in (first, second):
        assert (await made.erase(DOCUMENT, item.document_id)).state is ErasureState.DONE
    assert await cell.keys_left(first.data_key_id, second.data_key_id, *keys) == set()


async def test_the_same_file_may_be_brought_again(made: Erasing) -> None:
    """Somebody's new decision: the document is there again, and an answer made from it is kept."""
    cell = made.cell
    (item,) = (await cell.ingest(("a.txt", "one"))).items
    await made.erase(DOCUMENT, item.document_id)
    (again,) = (await cell.ingest(("a.txt", "one"))).items
    assert (again.state, again.document_id) == (ItemState.ADDED, item.document_id)
    await made.run.run_due()
    cell.clock.advance(timedelta(seconds=1))
    talk = await made.talk(cell.member, again.document_id)
    assert await made.conversations(MEMBER) == {talk.id}
    assert len(await cell.documents()) == 1


async def test_what_only_waits_to_be_published_can_be_erased(made: Erasing) -> None:
    """No version of it was ever visible."""
    cell = made.cell
    (item,) = (job := await cell.submit(("a.txt", "one"))).items
    asked = await made.ask(DOCUMENT, item.document_id)
    await made.run.run_due()
    await cell.pipeline.run(job.id, ACME.id)
    await made.run.run_due()
    assert (await made.now(asked)).state is ErasureState.DONE
    assert (await cell.documents(), cell.blobs.blobs) == ([], {})


async def test_a_policy_that_forbids_it_stops_it(made: Erasing) -> None:
    """Before anything is touched, and recorded; one about a document keeps that and names it."""
    cell = made.cell
    items = (await cell.ingest(("a.txt", "one"), ("b.txt", "two"), subjects=(PERSON,))).items
    which = f'Document::"{items[0].document_id}"'
    before = await cell.contents()
    for resource in ("resource is Tenant", f"resource == {which}"):
        forbidding(made, resource)
        done = await made.erase(SUBJECT, PERSON)
        if "is Tenant" in resource:
            assert (done.state, done.waiting) == (ErasureState.REFUSED, "forbidden")
            assert await cell.contents() == before
    assert done.held == (f"document:{items[0].document_id}",)
    assert [each.id for each in await cell.documents()] == [items[0].document_id]
    denied = [each.resource for each in cell.log.events if each.action is Action.ERASURE_RUN]
    assert denied == [f"tenant:{ACME.id}", f"document:{items[0].document_id}"]


async def test_two_never_run_at_once(made: Erasing) -> None:
    """Whoever comes second has nothing to do."""
    (item,) = (await made.cell.ingest(("a.txt", "one"))).items
    await made.ask(DOCUMENT, item.document_id)
    async with made.database.alone("erasure"):
        assert await made.runner().run_due() == 0
    assert await made.run.run_due() == 1


async def test_a_receipt_tells_no_more_than_numbers(made: Erasing) -> None:
    """Neither what was erased nor about whom, by whom or why."""
    cell = made.cell
    (item,) = (await cell.ingest(("a.txt", "one"), subjects=(PERSON,))).items
    done = await made.erase(SUBJECT, PERSON, account=MEMBER.login)
    told = (done.receipts or b"").decode()
    digest = subject_digest(await made.ring.digest_key(ACME.id), PERSON)
    for secret in (PERSON, MEMBER.login, str(MEMBER.id), str(item.document_id), digest.hex(), "request-7", str(ADMIN.id)):
        assert secret not in told


async def test_an_account_of_another_tenant_cannot_be_named(made: Erasing) -> None:
    """As one that does not exist."""
    for login in (RIVAL.login, "nobody"):
        with pytest.raises(NotFound):
            await made.ask(SUBJECT, PERSON, account=login)
    async with made.database.reading() as unit:
        assert await unit.erasures.list(ACME.id) == []
